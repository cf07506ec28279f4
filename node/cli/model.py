"""`openledger model export | import | propose`: models in and out, in transformers' layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genesis.embedded_model import EMBEDDED_MODEL
from node.cli.key_choice import KeyOption, PasswordFile, choose_key
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


@app.command()
def propose(
    folder: Annotated[Path, typer.Argument(help="A Llama-family base model.", metavar="DIR")],
    key: KeyOption,
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Propose a base model: upload its files, and register their hash and dimensions.

    A referendum on Models.admit_base decides whether jobs may name it; validators fetch it then.

    Example: openledger model propose models/small --key builder
    """
    from node.client import NodeClient
    from node.model_transfer import propose_base

    keypair = choose_key(key, password_file)
    with NodeClient(node) as client:
        content_hash = propose_base(client, keypair, folder)
    call = f"Models.admit_base content_hash={content_hash.hex()}"
    fields = {"base_model": content_hash, "to_be_admitted_by": call}
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
