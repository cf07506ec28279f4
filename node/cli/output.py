"""How commands print: JSON for programs, a few lines or a table for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

from node.json_values import to_json

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
NodeUrl = Annotated[
    str,
    typer.Option("--node", envvar="OPENLEDGER_NODE", help="URL of the node.", metavar="URL"),
]
DEFAULT_NODE_URL = "http://127.0.0.1:9944"


def print_json(payload: Any) -> None:
    """Print `payload` as one JSON document."""
    print(json.dumps(to_json(payload), indent=1))


def print_fields(fields: Mapping[str, Any]) -> None:
    """Print one `name: value` line a field, aligned."""
    width = max((len(name) for name in fields), default=0)
    for name, value in fields.items():
        print(f"{name:<{width}}  {_text(value)}")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; wide enough for whole hashes when the output is not a terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(_text(cell) for cell in row))
    # Piped output is for other programs: it must not be wrapped to 80 columns.
    width = None if sys.stdout.isatty() else 1_000
    Console(width=width, highlight=False, markup=False).print(table)


def print_error(message: str, remedy: str) -> None:
    """Print a sentence and what to do about it to stderr."""
    print(f"Error: {message} {remedy}".rstrip(), file=sys.stderr)


def _text(value: Any) -> str:
    plain = to_json(value)
    return plain if isinstance(plain, str) else json.dumps(plain)
