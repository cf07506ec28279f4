"""The search for a recipe: fair candidates, and a linearity that means what it says."""

from __future__ import annotations

import dataclasses

import pytest

from bench.attribution.recipes import CANDIDATES, ORDINARY, Candidate
from bench.attribution.store import Store
from bench.attribution_sweep import judge, linearity
from ml.training.recipe import check_parameters

ROWS = 300


@pytest.mark.parametrize("name", CANDIDATES)
def test_candidates_can_be_ordered_and_cost_the_same(name):
    """Each is a recipe that a worker trains, over as many rows as the default's."""
    parameters = CANDIDATES[name].parameters(ROWS)
    default = CANDIDATES["default"].parameters(ROWS)
    check_parameters(parameters)
    assert parameters.steps * parameters.batch_rows == default.steps * default.batch_rows


def test_a_training_that_hardly_moves_is_linear(testbed, run, tmp_path):
    """Where every step is tiny, half of a change has half of its effect; a violent one has not."""

    def found(learning_rate_ppb, epsilon_ppb):
        changed = dataclasses.replace(
            run.order.parameters, learning_rate_ppb=learning_rate_ppb, epsilon_ppb=epsilon_ppb
        )
        order = dataclasses.replace(run.order, parameters=changed)
        return linearity(testbed, dataclasses.replace(run, order=order), Store(tmp_path))

    assert found(100_000, 10_000_000) > 0.99
    assert found(900_000_000, 1) < 0.9


def test_a_recipe_is_judged_by_quality_and_linearity(testbed, tmp_path):
    """Without subsets, nothing is replayed."""
    found = judge(testbed, Candidate(), Store(tmp_path), 0)
    assert set(found) == {"held_out_loss", "fact_loss", "linearity"}
    assert ORDINARY
