"""`openledger pallet new | bench`: start a pallet, and measure what its calls cost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.output import JsonFlag, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.weighing.drift import Drift

EXIT_DRIFT = 1
INDEX_DEFAULT = 100
"""Above the indices of the built-in pallets."""
SAMPLES_DEFAULT = 20
TIME_DRIFT_MAX_DEFAULT = 50

app = typer.Typer(help="Start a pallet, and measure what its calls cost.", no_args_is_help=True)

NewName = Annotated[str, typer.Argument(help="Name of the package, e.g. name_service.")]
Directory = Annotated[
    Path, typer.Option(help="Where the package's folder goes.", metavar="DIR", file_okay=False)
]
Index = Annotated[
    int, typer.Option(help="The pallet's number on the wire, for ever.", min=0, max=255)
]
Name = Annotated[str, typer.Argument(help="Pallet, e.g. Balances, or an installed one.")]
Output = Annotated[
    Path | None, typer.Option(help="Write the weights here, instead of stdout.", dir_okay=False)
]
Samples = Annotated[int, typer.Option(help="Samples at each size.", min=2, max=10_000)]
Check = Annotated[
    bool, typer.Option("--check", help="Compare with the declared weights; exit code 1 on drift.")
]
TimeDriftMax = Annotated[
    int, typer.Option(help="With --check: how much slower is drift, in per cent.", min=0)
]


@app.command("new")
def new(
    name: NewName,
    directory: Directory = Path(),
    index: Index = INDEX_DEFAULT,
    as_json: JsonFlag = False,
) -> None:
    """Write a new pallet package whose tests are green.

    Example: openledger pallet new guestbook
    """
    from node.scaffold.pallet_package import check_name, write_package

    names = check_name(name)
    folder = write_package(directory, name, index)
    if as_json:
        print_json({"folder": str(folder), "pallet": names.pallet})
        return
    print(f"Wrote the package {folder}. Next:")
    print(f"  cd {folder} && pip install --editable . && pytest")
    print(f"  openledger dev --pallet {names.pallet}")


@app.command("bench")
def bench(
    name: Name,
    output: Output = None,
    samples: Samples = SAMPLES_DEFAULT,
    check: Check = False,
    time_drift_max: TimeDriftMax = TIME_DRIFT_MAX_DEFAULT,
    as_json: JsonFlag = False,
) -> None:
    """Measure the calls of a pallet and write its weights.py.

    Example: openledger pallet bench balances --output weights.py
    """
    from node.weighing.drift import find_drift
    from node.weighing.fit import fit_calls
    from node.weighing.measure import measure_all
    from node.weighing.targets import find_target
    from node.weighing.weights_file import Provenance, render

    target = find_target(name)
    cases = list(measure_all(target.benchmarks, target.extra, samples))
    target.require_all_calls(cases)
    if check:
        drifts = find_drift(cases, time_drift_max)
        _report(drifts, as_json)
        sys.exit(EXIT_DRIFT if drifts else 0)
    calls = fit_calls(cases)
    if as_json:
        print_json(calls)
    text = render(target.name, calls, Provenance.here(samples))
    if output is not None:
        output.write_text(text, encoding="utf-8")
        print(f"Wrote {output}: {len(calls)} calls.", file=sys.stderr)
    elif not as_json:
        print(text, end="")


def _report(drifts: Sequence[Drift], as_json: bool) -> None:
    if as_json:
        print_json(drifts)
    elif not drifts:
        print("No drift.")
    else:
        rows = (
            (each.call, each.sizes, each.what, each.declared, each.measured, f"+{each.per_cent} %")
            for each in drifts
        )
        print_table(("call", "sizes", "what", "declared", "measured", "drift"), rows)
