"""`openledger answer`: check answers of the lane `verifiable`, without a node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.cli.output import JsonFlag, print_json

app = typer.Typer(no_args_is_help=True, help="Check answers of the lane 'verifiable', offline.")

File = Annotated[Path, typer.Argument(help="The JSON body of an answer.")]
Base = Annotated[Path, typer.Option(help="Folder of the base model.", metavar="DIR")]
AdapterFolder = Annotated[
    Path | None, typer.Option(help="Folder of the adapter that answered.", metavar="DIR")
]


@app.callback()
def _group() -> None:
    """Keep `verify` a command of its own while it is the only one."""


@app.command()
def verify(
    file: File, base: Base, adapter: AdapterFolder = None, as_json: JsonFlag = False
) -> None:
    """Compute one prefill over prompt and answer and compare every token; exit 1 if one differs.

    Example: openledger answer verify answer.json --base models/tiny --adapter adapters/red
    """
    from node.answer_files import AnswerWrong, check_answer, read_answer

    sentences: list[str] = []
    wrong = ""
    try:
        for sentence in check_answer(read_answer(file), base, adapter):
            sentences.append(sentence)
            if not as_json:
                print(sentence)
    except AnswerWrong as error:
        wrong = f"{error.message} {error.remedy}"
    if as_json:
        print_json({"holds": not wrong, "checked": sentences, "error": wrong})
    elif wrong:
        print(f"FAILED: {wrong}")
    if wrong:
        raise typer.Exit(1)
