"""`openledger admin`: orders to a running node, over the UNIX socket in its data directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.output import JsonFlag, print_fields, print_json

app = typer.Typer(
    no_args_is_help=True,
    help="Give a running node orders, as the user that runs it.\n\n"
    "Example: openledger admin snapshot --data DIR",
)
Data = Annotated[Path, typer.Option("--data", help="The node's data directory.", metavar="DIR")]
Level = Annotated[str, typer.Argument(help="debug, info, warning or error.")]


@app.command()
def snapshot(data: Data, as_json: JsonFlag = False) -> None:
    """Write a snapshot of the state beside it, while the node goes on.

    Example: openledger admin snapshot --data DIR
    """
    written = _call(data, "admin_snapshot")
    (print_json if as_json else print_fields)(written)


@app.command("log-level")
def log_level(level: Level, data: Data, as_json: JsonFlag = False) -> None:
    """Log from another level on, until the node ends.

    Example: openledger admin log-level debug --data DIR
    """
    _call(data, "admin_setLogLevel", level)
    (print_json if as_json else print_fields)({"log_level": level})


@app.command()
def stop(data: Data, as_json: JsonFlag = False) -> None:
    """Stop the node gracefully, as SIGTERM does.

    Example: openledger admin stop --data DIR
    """
    _call(data, "admin_stop")
    (print_json if as_json else print_fields)({"stopping": True})


def _call(data: Path, method: str, *parameters: Any) -> Any:
    from node.admin_client import AdminClient

    with AdminClient(data) as admin:
        return admin.call(method, *parameters)
