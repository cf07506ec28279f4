"""`openledger job`: have an adapter trained or a model scored, and run what others did again."""

from __future__ import annotations

import sys
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genesis.embedded_model import EMBEDDED_MODEL
from node.cli.key_choice import KeyOption, PasswordFile, choose_key
from node.cli.output import DEFAULT_NODE_URL, JsonFlag, NodeUrl, print_fields, print_json
from node.errors import ConfigError
from runtime.types import OPEN

if TYPE_CHECKING:
    from ml.training.bundle import Verification
    from node.client import NodeClient
    from runtime.wire.records import JobOrder, RowSource

app = typer.Typer(no_args_is_help=True, help="Have an adapter trained; run a training again.")

EXIT_DIFFERS = 1
WATCH_INTERVAL_S = 1.0
Number = Annotated[int, typer.Argument(help="The job's number.", min=0)]
Datanets = Annotated[
    list[str] | None,
    typer.Option(
        "--datanet", help="A published version; may be repeated.", metavar="DATANET:VERSION"
    ),
]
Recipe = Annotated[
    Path | None, typer.Option(help="TOML file of parameters; else the default.", metavar="FILE")
]
Kind = Annotated[str, typer.Option(help="train, or evaluate with --exam.")]
ExamNumber = Annotated[
    int | None, typer.Option("--exam", help="The exam of an evaluate job.", min=0)
]
Subject = Annotated[
    str | None,
    typer.Option("--model", help="Who takes it; else the base model.", metavar="HASH"),
]
BaseModel = Annotated[Path, typer.Option(help="Folder of the base model.", metavar="DIR")]


@app.callback()
def job() -> None:
    """Have an adapter trained; run a training again."""


@app.command()
def recipe(
    rows: Annotated[int, typer.Option(help="How many rows are trained on.", min=1)] = 1_000,
    as_json: JsonFlag = False,
) -> None:
    """Print the default recipe, to be changed and given to `quote` and `submit`.

    Example: openledger job recipe --rows 2000 > recipe.toml
    """
    from ml.training.recipe import default_training_parameters
    from node.workers.recipes import render_recipe

    text = render_recipe(default_training_parameters(rows))
    if as_json:
        print_json(tomllib.loads(text))
    else:
        sys.stdout.write(text)


@app.command()
def quote(
    datanet: Datanets = None,
    kind: Kind = "train",
    exam: ExamNumber = None,
    model: Subject = None,
    recipe_file: Recipe = None,
    base_model: BaseModel = EMBEDDED_MODEL,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Say what a job takes, and the least fee that the chain takes for it; nothing is signed.

    `influence` says how faithfully it will be known who moved the model's answers.

    Example: openledger job quote --datanet 0:1 --recipe-file recipe.toml
    """
    from dataclasses import asdict

    from ml.attribution.readiness import readiness
    from node.client import NodeClient
    from node.workers import jobs

    with NodeClient(node) as client:
        if _is_exam(kind):
            order, rows = _exam_ordered(client, exam, model, base_model)
        else:
            order, rows = _ordered(client, datanet or [], recipe_file, base_model)
        found = asdict(jobs.quote(client, order, rows))
    assert order.parameters is not None  # noqa: S101 # a training's order has them
    _print(found | {"influence": str(readiness(order.parameters))}, as_json=as_json)


@app.command()
def submit(
    key: KeyOption,
    datanet: Datanets = None,
    kind: Kind = "train",
    exam: ExamNumber = None,
    model: Subject = None,
    fee: Annotated[
        float | None, typer.Option(help="In OPEN; else what `quote` says.", min=0)
    ] = None,
    recipe_file: Recipe = None,
    base_model: BaseModel = EMBEDDED_MODEL,
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Order an adapter trained on Datanet versions, or a model scored on an exam.

    Bad parameters are refused before the fee is held.

    Example: openledger job submit --datanet 0:1 --recipe-file recipe.toml --key builder
    """
    from node.client import NodeClient
    from node.workers import jobs

    keypair = choose_key(key, password_file)
    with NodeClient(node) as client:
        if _is_exam(kind):
            order, rows = _exam_ordered(client, exam, model, base_model)
        else:
            order, rows = _ordered(client, datanet or [], recipe_file, base_model)
        offered = jobs.quote(client, order, rows).fee
        if fee is not None:
            offered = round(fee * 10**9) * (OPEN // 10**9)
        number = jobs.submit(client, keypair, order, offered)
    _print({"job": number, "fee": offered, "leaf_count": order.leaf_count}, as_json=as_json)


@app.command()
def watch(number: Number, node: NodeUrl = DEFAULT_NODE_URL, as_json: JsonFlag = False) -> None:
    """Print every state that a job reaches, until it ends.

    Example: openledger job watch 0
    """
    from node.client import NodeClient
    from node.workers import jobs
    from runtime.wire.records import UNFINISHED

    last = None
    with NodeClient(node) as client:
        while True:
            found = jobs.read_job(client, number)
            if found.state is not last:
                last = found.state
                shown: dict[str, Any] = {"height": client.height(), "state": found.state.name}
                if found.worker is not None:
                    shown["worker"] = found.worker
                if found.result is not None:
                    shown["transcript_root"] = found.result.transcript_root
                    shown["adapter"] = found.result.adapter
                _print(shown, as_json=as_json)
                sys.stdout.flush()
            if found.state not in UNFINISHED:
                return
            time.sleep(WATCH_INTERVAL_S)


@app.command()
def bundle(
    number: Number,
    output: Annotated[Path, typer.Option(help="The file that is written.", metavar="FILE")],
    base_model: BaseModel = EMBEDDED_MODEL,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Write all that is needed to run a job again, anywhere and offline, into one file.

    Example: openledger job bundle 0 --output job-0.zip
    """
    from node.client import NodeClient
    from node.workers import jobs

    with NodeClient(node) as client:
        outcome = jobs.bundle(client, number, base_model, output)
    _print({"file": str(output), "transcript_root": outcome.transcript_root}, as_json=as_json)


@app.command()
def verify(
    what: Annotated[str, typer.Argument(help="A bundle, or the number of a job on the chain.")],
    base_model: BaseModel = EMBEDDED_MODEL,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Run a job again and compare; exit code 1 where the worker committed to something else.

    Example: openledger job verify job-0.zip
    """
    import tempfile

    from node.client import NodeClient
    from node.workers import jobs

    with tempfile.TemporaryDirectory() as temporary:
        if what.isdecimal():
            with NodeClient(node) as client:
                found = jobs.verify_job(client, int(what), base_model, Path(temporary))
        else:
            found = jobs.verify(Path(what), Path(temporary) / "run")
    _print(_shown(found), as_json=as_json)
    if not found.holds:
        raise typer.Exit(EXIT_DIFFERS)


def _shown(found: Verification) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "holds": found.holds,
        "transcript_root": found.found.transcript_root,
        "adapter": found.found.adapter,
    }
    if not found.holds:
        shown["claimed_transcript_root"] = found.claimed.transcript_root
        shown["first_wrong_leaf"] = found.first_difference
    return shown


def _ordered(
    client: NodeClient, datanets: list[str], recipe_file: Path | None, base_model: Path
) -> tuple[JobOrder, int]:
    """The order of a training, and how many rows it reads."""
    from ml.manifest import manifest_of
    from node.workers import jobs
    from node.workers.recipes import RECIPE_BYTES_MAX, parse_recipe
    from runtime.wire.records import training_order

    if not datanets:
        message = "A training has rows."
        raise ConfigError(message, remedy="Name versions with --datanet, such as 0:1.")
    sources = tuple(_source(text) for text in datanets)
    text = ""
    if recipe_file is not None:
        try:
            text = recipe_file.read_bytes()[:RECIPE_BYTES_MAX].decode()
        except (OSError, UnicodeDecodeError) as error:
            message = f"{recipe_file} cannot be read: {error}."
            raise ConfigError(message, remedy="Name a TOML file.") from error
    rows = jobs.row_count(client, sources)
    parameters = parse_recipe(text, rows)
    return training_order(manifest_of(base_model).hash(), sources, parameters), rows


def _is_exam(kind: str) -> bool:
    if kind not in {"train", "evaluate"}:
        message = f"There is no kind of job named {kind!r}."
        raise ConfigError(message, remedy="Choose train or evaluate.")
    return kind == "evaluate"


def _exam_ordered(
    client: NodeClient, exam: int | None, model: str | None, base_model: Path
) -> tuple[JobOrder, int]:
    """The order of an exam, and how many rows it reads."""
    from ml.manifest import manifest_of
    from node.config import parse_hash
    from node.workers import jobs

    if exam is None:
        message = "An evaluate job has an exam."
        raise ConfigError(message, remedy="Name it with --exam; `openledger exam` makes one.")
    base = manifest_of(base_model).hash()
    return jobs.ordered_exam(client, base, None if model is None else parse_hash(model), exam)


def _source(text: str) -> RowSource:
    from runtime.wire.records import RowSource

    datanet, _, version = text.partition(":")
    if not (datanet.isdecimal() and version.isdecimal()):
        message = f"--datanet {text} is not a Datanet's version."
        raise ConfigError(message, remedy="Write it as NUMBER:VERSION, such as 0:1.")
    return RowSource(int(datanet), int(version))


def _print(fields: dict[str, Any], *, as_json: bool) -> None:
    (print_json if as_json else print_fields)(fields)
