"""`openledger client generate`: write the typed Python client of a runtime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.output import JsonFlag, print_fields, print_json
from node.errors import ConfigError

METADATA_BYTES_MAX = 64 * 1024 * 1024
app = typer.Typer(help="Typed clients for programs.", no_args_is_help=True)


@app.callback()
def clients() -> None:
    """Typed clients for programs."""


@app.command("generate")
def generate_client(
    output: Annotated[Path, typer.Option(help="The Python module to write.", metavar="FILE.py")],
    node: Annotated[
        str | None,
        typer.Option(help="Take the runtime that this node runs.", metavar="URL"),
    ] = None,
    metadata: Annotated[
        Path | None,
        typer.Option(help="Take the runtime of this metadata.", metavar="FILE.json"),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a typed client; without --node or --metadata, of the installed runtime.

    Example: openledger client generate --output my_chain.py
    """
    from node.chain_client.generator import generate

    source = generate(_metadata(node, metadata))
    try:
        output.write_text(source)
    except OSError as error:
        message = f"{output} cannot be written: {error.strerror}."
        raise ConfigError(message, remedy="Choose another file.") from error
    (print_json if as_json else print_fields)({"written": str(output), "lines": source.count("\n")})


def _metadata(node: str | None, path: Path | None) -> Any:
    if node is not None and path is not None:
        raise ConfigError("--node and --metadata say two things.", remedy="Give one of them.")
    if node is not None:
        from node.client import NodeClient

        with NodeClient(node) as client:
            return client.call("state_getMetadata")
    if path is None:
        from genesis.compose import compose_runtime

        return compose_runtime().metadata()
    try:
        if path.stat().st_size > METADATA_BYTES_MAX:
            raise ConfigError(f"{path} is too large.", remedy="Give a file of metadata.")
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read as JSON: {error}."
        raise ConfigError(message, remedy="Give what state_getMetadata answers.") from error
