"""How well scores foretell the truth: rank correlations, explained variance, intervals.

Scores are [rows, queries] in nats by a row's weight, positive where it helped.  A subset is
foretold by the sum of its rows' scores (Park et al., "TRAK", 2023: the linear datamodelling score
is the rank correlation over subsets, the mean over queries).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.attribution.store import Numbers
from bench.attribution.testbed import Testbed
from bench.attribution.truth import Outcomes, Truth

RESAMPLES = 2_000
INTERVAL = (2.5, 97.5)
"""Percentiles of the bootstrap: 95 %."""


def spearman(left: Numbers, right: Numbers) -> float:
    """The rank correlation, equal values sharing the mean of their ranks; 0 without variation."""
    return _correlation(ranks(left), ranks(right))


def ranks(values: Numbers) -> Numbers:
    """The rank of each value from 0, equal ones sharing their mean."""
    _unique, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    middles: Numbers = np.cumsum(counts) - (counts + 1) / 2
    return middles[places]


def foretold(outcomes: Outcomes, scores: Numbers) -> Numbers:
    """Spearman over subsets for each query [queries]."""
    said = outcomes.weights @ scores
    pairs = zip(said.T, outcomes.answers.T, strict=True)
    return np.array([spearman(expected, found) for expected, found in pairs])


def foretold_sum(outcomes: Outcomes, scores: Numbers) -> float:
    """Spearman over subsets for the sum of all queries."""
    return spearman(outcomes.weights @ scores.sum(1), outcomes.answers.sum(1))


def explained(truth: Truth, kind: str, scores: Numbers) -> Numbers:
    """R squared in nats of the change from the full training, for each query [queries]."""
    outcomes = truth.subsets[kind]
    changes = outcomes.answers - truth.full.answers
    expected = (outcomes.weights - 1) @ scores
    errors = np.square(changes - expected).sum(0)
    around: Numbers = 1 - errors / np.square(changes - changes.mean(0)).sum(0)
    return around


def recalled(testbed: Testbed, scores: Numbers) -> list[float]:
    """For each query about a fact, 1 if who brought it has the most positive influence, else 0."""
    owners = np.array(testbed.owners)
    totals = np.array([np.bincount(owners, each) for each in np.maximum(scores, 0.0).T])
    return [
        float(total.argmax() == source)
        for total, source in zip(totals, testbed.sources, strict=True)
        if source is not None
    ]


def interval(samples: Sequence[float]) -> tuple[float, float]:
    """The bootstrap's 95 % interval of the mean of samples."""
    values = np.array(samples)
    source = np.random.default_rng(0)
    drawn = source.integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(values[drawn].mean(1), INTERVAL)
    return float(low), float(high)


def _correlation(left: Numbers, right: Numbers) -> float:
    apart = (left - left.mean(), right - right.mean())
    size = float(np.linalg.norm(apart[0]) * np.linalg.norm(apart[1]))
    return float(apart[0] @ apart[1]) / size if size else 0.0
