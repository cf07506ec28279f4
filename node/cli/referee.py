"""`openledger referee run`: a validator certifies results that it holds, and judges one step."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from genesis.embedded_model import EMBEDDED_MODEL
from node.cli.key_choice import KeyOption, PasswordFile, choose_key
from node.cli.output import DEFAULT_NODE_URL, JsonFlag, NodeUrl, print_json
from node.cli.processes import stop_on_signals

app = typer.Typer(no_args_is_help=True, help="Referee disputes beside a validator's node.")


@app.callback()
def referee() -> None:
    """Referee disputes beside a validator's node."""


@app.command()
def run(
    key: KeyOption,
    work: Annotated[Path, typer.Option(help="The referee's folder.", metavar="DIR")] = Path(
        "openledger-referee"
    ),
    node: NodeUrl = DEFAULT_NODE_URL,
    source: Annotated[
        list[str] | None,
        typer.Option(help="URL of a node that may have content which --node lacks; repeatable."),
    ] = None,
    base_model: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of an admitted base model; repeatable.", metavar="DIR"),
    ] = None,
    server: Annotated[
        list[str] | None,
        typer.Option(help="URL of a server whose answers are attributed; repeatable."),
    ] = None,
    password_file: PasswordFile = None,
    once: Annotated[bool, typer.Option(help="Look at everything once, then stop.")] = False,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    as_json: JsonFlag = False,
) -> None:
    """Certify the results whose data are here, and judge opened steps; until stopped.

    The key is the validator's, or of the account that it named with Disputes.name_referee.

    Example: openledger referee run --key referee --source http://10.0.0.2:9944
    """
    from node.logs import configure_logs
    from node.referee.gathering import GatheringClient
    from node.referee.referee import Bench, Referee
    from node.workers.workplace import base_models_of

    configure_logs(log_level)
    stop = stop_on_signals()
    keypair = choose_key(key, password_file)
    base_models = base_models_of(tuple(base_model or [EMBEDDED_MODEL]))
    bench = Bench(work, base_models, tuple(server or ()))
    work.mkdir(parents=True, exist_ok=True)
    if as_json:
        print_json({"account": keypair.account, "work": str(work), "node": node})
        sys.stdout.flush()
    with GatheringClient(node, source or ()) as client:
        Referee(client, keypair, bench, stop).run(once=once)
