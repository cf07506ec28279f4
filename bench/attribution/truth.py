"""What really happens without some of the rows: the same training again, with their weights 0.

Each training is kept by the hash of its work order, its rows' weights and what it is asked, so that
a run goes on where another was broken off, and a longer one starts from a shorter one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from bench.attribution.store import Numbers, Store
from bench.attribution.testbed import CONTRIBUTORS, Testbed
from bench.attribution.training import Run, row_losses, train

ROWS_KEPT = {"rows90": 0.9, "rows50": 0.5}
"""The kinds of random subsets of rows, and the share that each keeps."""
HALVES = "halves"
"""Random halves of the contributors, with all their rows."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Subsets and what the model says after training on each."""

    weights: Numbers
    """[subsets, rows]: 1 for a row that was trained on, else 0."""
    answers: Numbers
    """[subsets, queries]: the log-likelihood of each query in nats a token."""


@dataclass(frozen=True, slots=True)
class Truth:
    """All trainings of one testbed and recipe."""

    full: Outcomes
    """With all rows: one."""
    without: Outcomes
    """Without each contributor."""
    subsets: dict[str, Outcomes]
    """By kind: those of `ROWS_KEPT`, and `HALVES`."""


def find_truth(testbed: Testbed, run: Run, store: Store, subset_count: int) -> Truth:
    """Train without each contributor and on random subsets of every kind."""
    return Truth(
        full=_outcomes(testbed, run, store, np.ones((1, len(run.rows)))),
        without=_outcomes(testbed, run, store, _without_each(testbed)),
        subsets={
            kind: _outcomes(testbed, run, store, subsets_of(testbed, kind, subset_count))
            for kind in (*ROWS_KEPT, HALVES)
        },
    )


def quality(testbed: Testbed, run: Run, store: Store) -> Numbers:
    """The log-likelihood of every held-out row after training on all rows."""

    def compute() -> Numbers:
        vector = run.result(train(run, torch.ones(len(run.rows))))
        return -row_losses(run, vector, testbed.encoded(testbed.held_out)).double().numpy()

    return store.get(run, b"held out", compute)


def subsets_of(testbed: Testbed, kind: str, count: int) -> Numbers:
    """Weights [subsets, rows] of random subsets of a kind; the first are the same for any count."""
    owners = np.array(testbed.owners)
    drawn = []
    for number in range(count):
        source = np.random.default_rng([testbed.seed, *kind.encode(), number])
        if kind == HALVES:
            chosen = source.permutation(CONTRIBUTORS)[: CONTRIBUTORS // 2]
            drawn.append(np.isin(owners, chosen))
        else:
            kept = round(ROWS_KEPT[kind] * len(owners))
            drawn.append(source.permutation(len(owners)) < kept)
    return np.array(drawn, dtype=np.float64).reshape(count, len(owners))


def _without_each(testbed: Testbed) -> Numbers:
    owners = np.array(testbed.owners)
    return np.array([owners != owner for owner in range(CONTRIBUTORS)], dtype=np.float64)


def answers_of(testbed: Testbed, run: Run, store: Store, weights: Numbers) -> Numbers:
    """The log-likelihoods [trainings, queries] after trainings with these weights of the rows."""
    queries = testbed.encoded(testbed.queries)

    def answered(chosen: Numbers) -> Numbers:
        vector = run.result(train(run, torch.from_numpy(chosen).float()))
        return -row_losses(run, vector, queries).double().numpy()

    found = [
        store.get(run, b"answers" + chosen.astype("<f4").tobytes(), partial(answered, chosen))
        for chosen in weights
    ]
    return np.array(found).reshape(len(weights), len(queries))


def _outcomes(testbed: Testbed, run: Run, store: Store, weights: Numbers) -> Outcomes:
    return Outcomes(weights, answers_of(testbed, run, store, weights))
