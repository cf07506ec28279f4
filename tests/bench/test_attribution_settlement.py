"""The product's exact replay on the testbed, beside the float one."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from bench.attribution.measure import measure, not_measured
from bench.attribution.replay import metagradient
from bench.attribution.settlement import NODES, settled
from bench.attribution.store import Store


def test_the_settlement_is_the_float_replay_of_all_queries(testbed, run, tmp_path):
    """At both nodes the exact scores agree with autograd's, and a second look is from the store."""
    scores, ratio = settled(testbed, run, Store(tmp_path))
    queries = testbed.encoded(testbed.queries)
    for node, weight in enumerate((1.0, 0.5)):
        weights = torch.full((len(run.rows),), weight)
        expected = metagradient(run, weights, [queries])[:, 0].numpy() / len(queries)
        assert np.corrcoef(scores[node], expected)[0, 1] > 0.999
    assert scores.shape == (NODES, len(run.rows))
    again, same_ratio = settled(testbed, run, Store(tmp_path))
    assert np.array_equal(scores, again)
    assert ratio == same_ratio > 1


def test_a_row_that_no_batch_took_has_no_score(testbed, run, tmp_path):
    """A run shorter than one pass leaves rows out, and they stay in their place with 0."""
    parameters = dataclasses.replace(run.order.parameters, steps=2)
    short = testbed.run(parameters)
    scores, _ratio = settled(testbed, short, Store(tmp_path))
    trained = {row for batch in short.batches for row in batch}
    assert len(trained) < len(short.rows) == scores.shape[1]
    assert {int(row) for row in np.flatnonzero(scores.any(0))} <= trained


def test_every_figure_of_a_testbed_is_a_number(testbed, tmp_path):
    """What `python -m bench.attribution` prints for each seed, on a tiny model with two subsets."""
    found = measure(testbed, Store(tmp_path), 2)
    assert all(np.isfinite(samples).all() and len(samples) for samples in found.values())
    assert min(found["exact_over_float_correlation"]) > 0.999
    assert not set(found) & set(not_measured())
