"""The weights of the built-in pallets: measured, complete, and nowhere below what calls take."""

from __future__ import annotations

import importlib

import pytest

from genesis.compose import compose_runtime
from node.weighing.drift import find_drift
from node.weighing.measure import measure_all
from node.weighing.targets import find_target

ANY_TIME = 10**9
"""Per cent: a test does not look at the clock."""


PALLETS = [name for name, each in compose_runtime().pallets.items() if each.definition.calls]
BY_HAND = {"Utility", "Offences", "Attribution", "Compute", "Disputes", "Multisig", "Proxy"}
"""Calls inside others weigh what they weigh, evidence what the verifier takes at most.

To a job's measured weight its sources are added, and to a verdict's a whole set of validators.
"""


@pytest.mark.parametrize("name", PALLETS)
def test_declared_weights_are_the_measured_ones(name):
    """Every call declares its weight of weights.py, and no case reads, writes or hashes more."""
    target = find_target(name)
    if name not in BY_HAND:
        weights = importlib.import_module(
            target.pallet.__module__.removesuffix("pallet") + "weights"
        )
        for call in target.pallet.definition.calls:
            assert call.weight is getattr(weights, call.name)
    cases = list(measure_all(target.benchmarks, target.extra, samples=1))
    target.require_all_calls(cases)
    assert find_drift(cases, ANY_TIME) == []
