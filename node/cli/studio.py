"""`openledger studio`: the web interface, in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from node.cli.output import DEFAULT_NODE_URL, JsonFlag, NodeUrl
from node.errors import ConfigError

DEFAULT_PORT = 8080


def studio(
    node: NodeUrl = DEFAULT_NODE_URL,
    server: Annotated[
        str | None, typer.Option(help="URL of a server of answers, for the chat.", metavar="URL")
    ] = None,
    server_data: Annotated[
        Path | None,
        typer.Option(help="That server's folder, if it is on this machine.", metavar="DIR"),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(help="A worker's folder on this machine: live curves.", metavar="DIR"),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Where its index is kept; by default ~/.openledger/studio.", metavar="DIR"
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="TCP port at 127.0.0.1.")] = DEFAULT_PORT,
    dev: Annotated[
        bool,
        typer.Option("--dev", help="Also run a local network, a worker and a server to try it on."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Open the web interface: explore, curate, train, chat, vote, earn.

    Example: openledger studio --node http://127.0.0.1:9944
    """
    if importlib.util.find_spec("nicegui") is None:
        message = "The packages of the web interface are not installed."
        raise ConfigError(message, remedy="Install them: `make setup-studio`.")
    options = {"--server": server, "--server-data": server_data, "--work": work, "--data": data}
    arguments = [f"{name}={value}" for name, value in options.items() if value is not None]
    arguments += ["--dev"] if dev else [f"--node={node}"]
    arguments += ["--json"] if as_json else []
    # Another process in the place of this one: Ctrl-C and the exit status are its own.
    command = [sys.executable, "-m", "studio", f"--port={port}", *arguments]
    os.execv(sys.executable, command)  # noqa: S606 # our own program
