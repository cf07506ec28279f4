"""`openledger admin`: orders to a running node, over the UNIX socket in its data directory."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.output import JsonFlag, print_fields, print_json, print_table

app = typer.Typer(
    no_args_is_help=True,
    help="Give a running node orders, as the user that runs it.\n\n"
    "Example: openledger admin snapshot --data DIR",
)
Data = Annotated[Path, typer.Option("--data", help="The node's data directory.", metavar="DIR")]
Who = Annotated[str, typer.Argument(help="A node's identity, or an IP address.")]
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
def peers(data: Data, as_json: JsonFlag = False) -> None:
    """Show the nodes that it is connected to, and those that it keeps out.

    Example: openledger admin peers --data DIR
    """
    known = _call(data, "admin_peers")
    if as_json:
        print_json(known)
        return
    print_table(
        ("peer", "address", "direction", "points"),
        [
            (each["peer"], each["address"], each["direction"], each["points"])
            for each in known["peers"]
        ],
    )
    for ban in known["bans"]:
        print(f"banned until {_utc(ban['until_s'])}: {ban['who']}")


@app.command()
def ban(
    who: Who,
    data: Data,
    hours: Annotated[int, typer.Option(help="How long.", min=1)] = 24,
    as_json: JsonFlag = False,
) -> None:
    """Keep out a node or an address, and send away who is connected with it.

    Reserved peers are never banned.  The ban survives a restart.

    Example: openledger admin ban 192.0.2.7 --data DIR --hours 24
    """
    made = _call(data, "admin_ban", who, hours * 3_600)
    if as_json:
        print_json(made)
    else:
        print_fields({"banned": made["who"], "until": _utc(made["until_s"])})


@app.command()
def unban(who: Who, data: Data, as_json: JsonFlag = False) -> None:
    """Let a node or an address in again, and forget what it did.

    Example: openledger admin unban 192.0.2.7 --data DIR
    """
    was_banned = _call(data, "admin_unban", who)
    (print_json if as_json else print_fields)({"was_banned": was_banned})


@app.command()
def stop(data: Data, as_json: JsonFlag = False) -> None:
    """Stop the node gracefully, as SIGTERM does.

    Example: openledger admin stop --data DIR
    """
    _call(data, "admin_stop")
    (print_json if as_json else print_fields)({"stopping": True})


def _utc(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="seconds")


def _call(data: Path, method: str, *parameters: Any) -> Any:
    from node.admin_client import AdminClient

    with AdminClient(data) as admin:
        return admin.call(method, *parameters)
