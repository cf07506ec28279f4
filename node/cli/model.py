"""`openledger model export | import`: models with their lineage, to and from PEFT's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genesis.embedded_model import EMBEDDED_MODEL
from node.cli.output import DEFAULT_NODE_URL, JsonFlag, NodeUrl, print_fields, print_json

app = typer.Typer(no_args_is_help=True, help="Take models with their lineage to other servers.")

ModelHash = Annotated[str, typer.Argument(help="The model's hash.", metavar="MODEL")]
BaseModel = Annotated[Path, typer.Option("--base", help="Folder of its base model.", metavar="DIR")]


@app.command("export")
def export_(
    model: ModelHash,
    output: Annotated[Path, typer.Option(help="The folder to write.", metavar="DIR")],
    merged: Annotated[
        bool, typer.Option("--merged", help="Also write adapter and base as one model.")
    ] = False,
    base: BaseModel = EMBEDDED_MODEL,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Write an adapter as PEFT loads it, with a model card of its lineage.

    With --merged its base model is needed: anything that runs transformers' models runs the result.

    Example: openledger model export MODEL --output exported --merged
    """
    from node.client import NodeClient
    from node.config import parse_hash
    from node.model_transfer import export_model

    with NodeClient(node) as client:
        lineage = export_model(client, parse_hash(model), output, base if merged else None)
    fields = {
        "model": lineage.model,
        "output": str(output),
        "trained_on": [str(source) for source in lineage.sources],
    }
    (print_json if as_json else print_fields)(fields)


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="A PEFT folder, or one of `export`.")],
    adapters: Annotated[Path, typer.Option(help="What a server looks at.", metavar="DIR")],
    name: Annotated[str, typer.Option(help="What to call it there.")],
    base: BaseModel = EMBEDDED_MODEL,
    as_json: JsonFlag = False,
) -> None:
    """Check an adapter field by field, and copy it to where `openledger serve --adapters` finds it.

    Example: openledger model import exported --adapters adapters --name red
    """
    from node.model_transfer import import_adapter

    version = import_adapter(source, base, adapters, name)
    fields = {"name": name, "version": version, "folder": str(adapters / name)}
    (print_json if as_json else print_fields)(fields)
