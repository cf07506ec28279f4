"""`openledger localnet up | status | logs | down`: a network of validators on this machine."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.output import JsonFlag, print_fields, print_json

if TYPE_CHECKING:
    from node.localnet import RunningNode

START_TIMEOUT_S = 60.0
LINES_DEFAULT = 20
_POLL_S = 0.1

app = typer.Typer(help="Run a network of validators on this machine.", no_args_is_help=True)

Directory = Annotated[
    Path, typer.Option("--dir", help="Where the network's files are.", metavar="DIR")
]
_DEFAULT = Path(".openledger/localnet")


@app.command()
def up(
    count: Annotated[
        int, typer.Option("-n", help="Validators of a new network.", min=1, max=10)
    ] = 4,
    directory: Directory = _DEFAULT,
    rpc_port: Annotated[
        int, typer.Option(help="RPC port of the first; the others follow. 0: any free ones.")
    ] = 9944,
    as_json: JsonFlag = False,
) -> None:
    """Start validators with funded accounts; a stopped network goes on where it was.

    Example: openledger localnet up -n 4
    """
    from genesis.chain_spec import ChainSpec, local_spec
    from node.errors import ConfigError
    from node.localnet import load_running, plan, save_running, start

    with contextlib.suppress(ConfigError):
        if any(node.is_running for node in load_running(directory)):
            message = f"A local network runs in {directory}."
            raise typer.BadParameter(message + " Stop it with `openledger localnet down`.")
    stored = directory / "chain.toml"
    spec = ChainSpec.load(stored) if stored.exists() else local_spec(count)
    ports = tuple(range(rpc_port, rpc_port + len(spec.validators))) if rpc_port else ()
    nodes = [start(each) for each in plan(directory, spec, ports)]
    save_running(directory, nodes)
    deadline = time.monotonic() + START_TIMEOUT_S
    views = [_view(node) for node in nodes]
    while any(view["height"] is None for view in views) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        views = [_view(node) for node in nodes]
    _print(views, as_json=as_json)


@app.command()
def status(directory: Directory = _DEFAULT, as_json: JsonFlag = False) -> None:
    """Show the processes, their heights and their peers.

    Example: openledger localnet status --json
    """
    from node.localnet import load_running

    _print([_view(node) for node in load_running(directory)], as_json=as_json)


@app.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="Of one validator; by default of all.")] = None,
    lines: Annotated[int, typer.Option("-n", help="Lines of each.", min=1, max=10_000)] = (
        LINES_DEFAULT
    ),
    directory: Directory = _DEFAULT,
    as_json: JsonFlag = False,
) -> None:
    """Show the last lines of the validators' logs.

    Example: openledger localnet logs validator-2 -n 50
    """
    from node.localnet import load_running

    chosen = [node for node in load_running(directory) if name in (None, node.name)]
    texts = {
        node.name: Path(node.log).read_text(errors="replace").splitlines()[-lines:]
        for node in chosen
    }
    if as_json:
        print_json(texts)
        return
    for each, text in texts.items():
        sys.stdout.write("".join(f"{each}: {line}\n" for line in text))


@app.command()
def down(directory: Directory = _DEFAULT, as_json: JsonFlag = False) -> None:
    """Stop the validators; their data stays.

    Example: openledger localnet down
    """
    from node.localnet import load_running, stop

    nodes = load_running(directory)
    stop(nodes)
    _print([_view(node) for node in nodes], as_json=as_json)


def _view(node: RunningNode) -> dict[str, Any]:
    """What can be told of one process."""
    from node.client import NodeClient
    from node.errors import ClientError

    view: dict[str, Any] = {
        "name": node.name,
        "url": node.url,
        "pid": node.pid,
        "running": node.is_running,
        "height": None,
        "peers": None,
        "log": node.log,
    }
    if view["running"]:
        with contextlib.suppress(ClientError), NodeClient(node.url) as client:
            health = client.call("system_health")
            view |= {"height": health["height"], "peers": health["peers"]}
    return view


def _print(views: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(views)
        return
    for view in views:
        state = f"height {view['height']}, {view['peers']} peers" if view["running"] else "stopped"
        print_fields({f"{view['name']}": f"{view['url']}  {state}"})
