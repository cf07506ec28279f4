"""`openledger worker`: train, audit and attribute for the chain, bonded and paid."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from genesis.embedded_model import EMBEDDED_MODEL
from node.cli.key_choice import KeyOption, PasswordFile, choose_key
from node.cli.output import (
    DEFAULT_NODE_URL,
    JsonFlag,
    NodeUrl,
    print_fields,
    print_json,
    print_table,
)
from node.cli.processes import stop_on_signals

app = typer.Typer(no_args_is_help=True, help="Train adapters and attribute answers, for a fee.")

Work = Annotated[Path, typer.Option(help="The worker's folder.", metavar="DIR")]
DEFAULT_WORK = Path("openledger-worker")
PROGRESS_FILE = "progress.json"
NICENESS = 5
"""A worker computes for minutes: whoever answers people goes first."""


@app.callback()
def worker() -> None:
    """Train adapters and attribute answers, for a fee."""


@app.command()
def run(
    key: KeyOption,
    work: Work = DEFAULT_WORK,
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
    """Bond, train, audit, answer disputes, attribute ended epochs; until stopped.

    A machine whose arithmetic is not the golden one refuses to start.

    Example: openledger worker run --key worker --node http://127.0.0.1:9944
    """
    import os

    from ml.exact.golden import require_golden
    from node.client import NodeClient
    from node.logs import configure_logs
    from node.workers.worker import Worker, WorkerSettings

    configure_logs(log_level)
    stop = stop_on_signals()
    os.nice(NICENESS)
    keypair = choose_key(key, password_file)
    require_golden()
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


@app.command()
def status(
    key: KeyOption,
    work: Work = DEFAULT_WORK,
    node: NodeUrl = DEFAULT_NODE_URL,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what the worker with this folder is doing, and what of its bond is at stake.

    Example: openledger worker status --key worker
    """
    from node.client import NodeClient
    from node.workers.progress import read_progress

    account = choose_key(key, password_file).account
    with NodeClient(node) as client:
        worker = client.read("Workers", "workers", account)
    shown: dict[str, Any] = {"account": account, "bonded": worker is not None}
    if worker is not None:
        shown |= {"bond": worker.bond, "locked": worker.locked, "clean_jobs": worker.clean_jobs}
    shown |= read_progress(work / PROGRESS_FILE)
    (print_json if as_json else print_fields)(shown)


@app.command()
def jobs(
    key: KeyOption,
    node: NodeUrl = DEFAULT_NODE_URL,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """List the jobs that are open to all, and those that this worker took or audits.

    Example: openledger worker jobs --key worker
    """
    from node.client import NodeClient
    from node.workers.lists import COLUMNS, worker_jobs

    account = choose_key(key, password_file).account
    with NodeClient(node) as client:
        found = worker_jobs(client, account)
    if as_json:
        print_json([dict(zip(COLUMNS, row, strict=True)) for row in found])
    else:
        print_table(COLUMNS, found)
