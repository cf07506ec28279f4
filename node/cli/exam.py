"""`openledger exam`: rows that nobody could train on, and what models scored on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.key_choice import KeyOption, PasswordFile, choose_key
from node.cli.output import (
    DEFAULT_NODE_URL,
    JsonFlag,
    NodeUrl,
    print_fields,
    print_json,
    print_table,
)
from node.errors import ConfigError

if TYPE_CHECKING:
    from runtime.wire.rows import Row

app = typer.Typer(no_args_is_help=True, help="Score models on rows that they cannot have seen.")

Table = Annotated[Path, typer.Argument(help="A .jsonl, .csv or .parquet file, also .gz.")]
PromptColumn = Annotated[str, typer.Option(help="The column of prompts.", metavar="NAME")]
CompletionColumn = Annotated[str, typer.Option(help="The column of completions.", metavar="NAME")]


@app.command()
def commit(
    table: Table,
    name: Annotated[str, typer.Option(help="What it is called.")],
    key: KeyOption,
    metric: Annotated[str, typer.Option(help="loss, tokens or rows.")] = "rows",
    tokens_max: Annotated[int, typer.Option(help="Tokens of a row.", min=16, max=4_096)] = 128,
    prompt: PromptColumn = "prompt",
    completion: CompletionColumn = "completion",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Commit to the rows of an exam, and keep them secret until models are trained.

    Keep the file: whoever shows the exam needs the same rows and the same key.

    Example: openledger exam commit held-out.jsonl --name cardiology --metric rows --key alice
    """
    from node.client import NodeClient
    from node.exams import commit_exam
    from runtime.wire.exams import Metric

    if metric.upper() not in Metric.__members__:
        known = ", ".join(each.name.lower() for each in Metric)
        raise ConfigError(f"There is no metric {metric!r}.", remedy=f"Choose one of {known}.")
    rows = _rows(table, prompt, completion)
    keypair = choose_key(key, password_file)
    with NodeClient(node) as client:
        number = commit_exam(client, keypair, rows, name, Metric[metric.upper()], tokens_max)
    (print_json if as_json else print_fields)({"exam": number, "rows": len(rows)})


@app.command()
def show(
    number: Annotated[int, typer.Argument(help="The exam's number.", min=0)],
    table: Table,
    key: KeyOption,
    prompt: PromptColumn = "prompt",
    completion: CompletionColumn = "completion",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Show the rows of an exam, so that models ordered since the commitment can take it.

    Example: openledger exam show 0 held-out.jsonl --key alice
    """
    from node.client import NodeClient
    from node.exams import show_exam

    rows = _rows(table, prompt, completion)
    keypair = choose_key(key, password_file)
    with NodeClient(node) as client:
        shown = show_exam(client, keypair, number, rows)
    fields = {"exam": number, "rows": shown.row_count, "rows_root": shown.rows_root}
    (print_json if as_json else print_fields)(fields)


@app.command()
def results(
    model: Annotated[str | None, typer.Option(help="Of this model alone.", metavar="HASH")] = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """List what models scored; the score is in billionths, of a nat or of all.

    Example: openledger exam results
    """
    from node.client import NodeClient
    from node.config import parse_hash
    from node.exams import COLUMNS, exam_results

    with NodeClient(node) as client:
        found = exam_results(client, None if model is None else parse_hash(model))
    if as_json:
        print_json([dict(zip(COLUMNS, row, strict=True)) for row in found])
    else:
        print_table(COLUMNS, found)


def _rows(table: Path, prompt: str, completion: str) -> list[Row]:
    from ml.data.tables import Columns
    from node.datanets.tables import confined_rows
    from node.exams import exam_rows

    return exam_rows(confined_rows(table, Columns(prompt, completion)))
