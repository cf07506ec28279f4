"""The search for a recipe whose influence can be known and whose models are good.

    python -m bench.attribution_sweep --data library --data medquad --data banking77 --seeds 3
    python -m bench.attribution_sweep --recipe default --subsets 10     and its fidelity itself

Of each candidate (`attribution/recipes.py`): the loss on rows that nobody brought and on trained
facts asked in other words, and how linear the training is: with a fifth of the rows at half their
weight, half of what happens without them should happen.  Linearity is what any first-order
influence lives on (Engstrom et al., "Optimizing ML Training with Metagradient Descent", 2025, on
metasmoothness), and costs a tenth of measuring fidelity.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import warnings
from pathlib import Path

import numpy as np
import torch

from bench.attribution.datasets import DATA_SETS, missing_file
from bench.attribution.measure import fidelity
from bench.attribution.recipes import CANDIDATES, Candidate
from bench.attribution.store import Numbers, Store, default_folder
from bench.attribution.testbed import Testbed, make_testbed
from bench.attribution.training import Run
from bench.attribution.truth import answers_of, quality

DIRECTIONS = 4
DIRECTION_SHARE = 0.2
"""Of the rows, taken away in each direction."""


def linearity(testbed: Testbed, run: Run, store: Store) -> float:
    """R squared of what half a change foretells of a whole one, over directions and queries."""
    count = len(run.rows)
    whole = np.ones((DIRECTIONS, count))
    for number, row in enumerate(whole):
        source = np.random.default_rng([testbed.seed, number])
        row[source.permutation(count)[: round(DIRECTION_SHARE * count)]] = 0.0
    weights = np.concatenate([np.ones((1, count)), whole, (whole + 1) / 2])
    said = answers_of(testbed, run, store, weights)
    changes, halves = said[1 : 1 + DIRECTIONS] - said[0], said[1 + DIRECTIONS :] - said[0]
    return float(1 - np.square(changes - 2 * halves).sum() / np.square(changes).sum())


def judge(
    testbed: Testbed, candidate: Candidate, store: Store, subset_count: int
) -> dict[str, float]:
    """The figures of one recipe on one testbed."""
    run = testbed.run(candidate.parameters(len(testbed.rows)), candidate.tail_steps)
    said = answers_of(testbed, run, store, np.ones((1, len(run.rows))))[0]
    facts: Numbers = said[[source is not None for source in testbed.sources]]
    figures = {
        "held_out_loss": float(-quality(testbed, run, store).mean()),
        "fact_loss": float(-facts.mean()),
        "linearity": linearity(testbed, run, store),
    }
    if subset_count:
        found = fidelity(testbed, run, store, subset_count)
        figures |= {key: statistics.fmean(samples) for key, samples in found.items()}
    return figures


def main() -> None:
    """Print a line for each recipe and data set, means over seeds."""
    options = _options()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    store = Store(options.cache)
    for data in options.data:
        missing = missing_file(data)
        if missing is not None:
            sys.stdout.write(f"{data} is skipped: there is no {missing}.\n")
            continue
        testbeds = [make_testbed(data, seed) for seed in range(options.seeds)]
        for name in options.recipe:
            found = [judge(each, CANDIDATES[name], store, options.subsets) for each in testbeds]
            means = {key: statistics.fmean(each[key] for each in found) for key in found[0]}
            shown = ", ".join(f"{key} {value:.3f}" for key, value in means.items())
            sys.stdout.write(f"{data:10s} {name:24s} {shown}\n")
            sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Recipes: how good, and how linear.")
    parser.add_argument("--data", action="append", choices=sorted(DATA_SETS))
    parser.add_argument("--recipe", action="append", choices=list(CANDIDATES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--subsets", type=int, default=0, help="of each kind, for fidelity")
    parser.add_argument("--cache", type=Path, default=default_folder(), metavar="DIR")
    options = parser.parse_args()
    options.data = options.data or sorted(DATA_SETS)
    options.recipe = options.recipe or list(CANDIDATES)
    return options


if __name__ == "__main__":
    main()
