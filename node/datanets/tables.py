"""Tables of strangers, parsed in a limited process of their own (`table_child`).

CSV, JSON and Parquet parsers have had their bugs: what crashes them, or makes them take all memory,
ends that process and is an error here.  Rows come one at a time, so memory stays the same.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from ml import errors
from ml.data.tables import BadRow, Columns, ContributedRow
from runtime.wire.rows import Row


def confined_rows(path: Path, columns: Columns) -> Iterator[ContributedRow | BadRow]:
    """Every row of a table, or what is wrong with it; raises a `TableError` as `table_rows` does.

    `TableUnreadable` is also what breaks the parser.
    """
    command = [sys.executable, "-m", "node.datanets.table_child"]
    command += [str(path), json.dumps(asdict(columns))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None  # noqa: S101 # it is a pipe
        try:
            for line in child.stdout:
                for parts in json.loads(line):
                    yield _item(parts)
            if child.wait() != 0:
                message = f"{path} broke the parser: it ended with code {child.returncode}."
                remedy = "Write the table again with another program; split a very large one."
                raise errors.TableUnreadable(message, remedy=remedy)
        finally:
            child.kill()


def _item(parts: list[str]) -> ContributedRow | BadRow:
    """A row, what is wrong with one, or, raised, with the table."""
    if len(parts) == 3:
        prompt, completion, contributor = parts
        return ContributedRow(Row(prompt, completion), contributor)
    place, message, remedy, kind = parts
    if kind == "error":
        raise getattr(errors, place)(message, remedy=remedy)
    return BadRow(int(place), message, remedy)
