"""`openledger config check`: look at all that a node needs before it is started."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.cli.key_choice import key_file
from node.cli.output import JsonFlag, print_json, print_table

EXIT_UNFIT = 1
app = typer.Typer(
    no_args_is_help=True,
    help="Check the configuration of a node.\n\nExample: openledger config check --data DIR",
)


@app.callback()
def config() -> None:
    """Check the configuration of a node."""


@app.command()
def check(
    data: Annotated[Path, typer.Option("--data", help="The node's data directory.", metavar="DIR")],
    chain: Annotated[
        Path | None,
        typer.Option(
            "--chain", help="Chain spec; needed for a new directory.", metavar="SPEC.toml"
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", help="The validator's key: a file or a name.", metavar="KEY"),
    ] = None,
    rpc_port: Annotated[int | None, typer.Option(help="Check that this TCP port is free.")] = None,
    p2p_port: Annotated[int | None, typer.Option(help="And this one.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what would keep a node from starting; exit 1 if anything does.

    Nothing is written, and no password is asked for.

    Example: openledger config check --data DIR --chain chain.toml --key validator --rpc-port 9944
    """
    from node.config_check import check_config

    ports = tuple(("127.0.0.1", port) for port in (rpc_port, p2p_port) if port is not None)
    checks = check_config(data, chain, None if key is None else key_file(key), ports)
    if as_json:
        print_json(checks)
    else:
        rows = [
            ("ok" if each.ok else "NO", each.name, f"{each.finding} {each.remedy}".strip())
            for each in checks
        ]
        print_table(("", "what", "finding"), rows)
    if not all(each.ok for each in checks):
        raise typer.Exit(EXIT_UNFIT)
