"""The bars of Proof of Attribution, measured against retraining.

    python -m bench.attribution --json
    python -m bench.attribution --seeds 1 --subsets 10      a short form

Truth is what the model says after deterministic trainings without some of its rows (`truth.py`),
in torch's own arithmetic, which a test holds against the exact operators.  Every training and every
method's scores are kept under `--cache`, so that a run goes on where another was broken off.  One
thread computes; a whole run takes about two hours of an idle core, most of it truth.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from bench.attribution.datasets import DATA_SETS, missing_file
from bench.attribution.digests import digests_of_all
from bench.attribution.measure import measure, not_measured
from bench.attribution.scores import interval
from bench.attribution.store import Store, default_folder
from bench.attribution.testbed import make_testbed
from bench.report import report

SEEDS = 3
SUBSETS = 50


def main() -> None:
    """Measure everything and print it."""
    options = _options()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    missing = missing_file(options.data)
    if missing is not None:
        raise SystemExit(f"{options.data} is skipped: there is no {missing}.")
    store, found = Store(options.cache), []
    for seed in range(options.seeds):
        found.append(measure(make_testbed(options.data, seed), store, options.subsets))
        sys.stderr.write(f"seed {seed}: {_line(found[-1])}\n")
    for key, reason in not_measured().items():
        sys.stderr.write(f"{key}: null, {reason}\n")
    figures = means(found) | {"digest_equal": float(digests_of_all() == 1)}
    report("attribution", figures | dict.fromkeys(not_measured()))


def means(found: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, float | None]:
    """The mean over seeds of each figure's mean; prints the interval of all its samples."""
    figures: dict[str, float | None] = {}
    for key in found[0]:
        figures[key] = statistics.fmean(statistics.fmean(each[key]) for each in found)
        low, high = interval([sample for each in found for sample in each[key]])
        sys.stdout.write(f"{key:40s} 95 %: {low:.3f} to {high:.3f}\n")
    return figures


def _line(samples: Mapping[str, Sequence[float]]) -> str:
    return ", ".join(f"{key} {statistics.fmean(values):.3f}" for key, values in samples.items())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The bars of Proof of Attribution.")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--data", choices=sorted(DATA_SETS), default="library")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--subsets", type=int, default=SUBSETS, help="of each kind")
    parser.add_argument("--cache", type=Path, default=default_folder(), metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    main()
