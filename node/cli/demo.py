"""`openledger demo`: the whole life of paid answers, on real input, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.demo.settings import DEFAULT_DIRECTORY, DemoSettings

EXIT_CHECK_FAILED = 1


def demo(
    data: Annotated[
        Path | None,
        typer.Option(help="JSONL, CSV or Parquet (or .gz of each); default: Python's own docs."),
    ] = None,
    prompt: Annotated[str, typer.Option(help="Column of the questions.")] = "prompt",
    completion: Annotated[str, typer.Option(help="Column of the answers.")] = "completion",
    contributor: Annotated[
        str, typer.Option(help="Column that names the contributor.")
    ] = "contributor",
    base_model: Annotated[
        Path | None, typer.Option(help="Folder of a Hugging Face causal LM of the Llama family.")
    ] = None,
    directory: Annotated[
        Path, typer.Option(help="Where the demo keeps its files; emptied first.")
    ] = DEFAULT_DIRECTORY,
    port: Annotated[
        int | None, typer.Option(help="TCP port of the node; default: a free one.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write everything to this file.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="All rows, however long it takes.")] = False,
) -> None:
    """Contributors, training, answers, attribution, payouts, receipts: run it and see.

    Example: openledger demo --data rows.jsonl
    """
    from rich.console import Console

    from node.demo.report import print_report
    from node.demo.run import run_demo

    settings = DemoSettings(
        directory, data, prompt, completion, contributor, base_model, port, full
    )
    console = Console()
    report = run_demo(settings, console)
    print_report(report, console)
    if json_file is not None:
        report.write_json(json_file)
    if not report.passed():
        raise typer.Exit(EXIT_CHECK_FAILED)
