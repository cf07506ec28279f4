"""`openledger worker run`: train and attribute for the chain, bonded and paid."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from genesis.embedded_model import EMBEDDED_MODEL
from node.cli.key_choice import KeyOption, PasswordFile, choose_key
from node.cli.output import DEFAULT_NODE_URL, JsonFlag, NodeUrl, print_json
from node.cli.processes import stop_on_signals

app = typer.Typer(no_args_is_help=True, help="Train adapters and attribute answers, for a fee.")

NICENESS = 5
"""A worker computes for minutes: whoever answers people goes first."""


@app.callback()
def worker() -> None:
    """Train adapters and attribute answers, for a fee."""


@app.command()
def run(
    key: KeyOption,
    work: Annotated[Path, typer.Option(help="The worker's folder.", metavar="DIR")] = Path(
        "openledger-worker"
    ),
    node: NodeUrl = DEFAULT_NODE_URL,
    server: Annotated[
        list[str] | None,
        typer.Option(help="URL of a server whose answers are attributed; may be repeated."),
    ] = None,
    base_model: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a base model; may be repeated.", metavar="DIR"),
    ] = None,
    password_file: PasswordFile = None,
    once: Annotated[bool, typer.Option(help="Do what there is to do, then stop.")] = False,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    as_json: JsonFlag = False,
) -> None:
    """Bond, take training jobs, train, attribute ended epochs; until stopped.

    Example: openledger worker run --key worker --node http://127.0.0.1:9944
    """
    import os

    from node.client import NodeClient
    from node.logs import configure_logs
    from node.workers.worker import Worker, WorkerSettings

    configure_logs(log_level)
    stop = stop_on_signals()
    os.nice(NICENESS)
    keypair = choose_key(key, password_file)
    settings = WorkerSettings(
        work=work,
        base_models=tuple(base_model or [EMBEDDED_MODEL]),
        servers=tuple(server or ()),
    )
    if as_json:
        print_json({"account": keypair.account, "work": str(work), "node": node})
        sys.stdout.flush()
    with NodeClient(node) as client, Worker(client, keypair, settings, stop) as worker_process:
        worker_process.run(once=once)
