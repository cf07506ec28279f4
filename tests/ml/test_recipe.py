"""The recipe's limits, defaults and schedule."""

import dataclasses
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.errors import OrderInvalid
from ml.training.recipe import (
    check_parameters,
    checkpoint_steps,
    default_training_parameters,
    learning_rate_at,
)
from runtime.codec import codec_of
from runtime.wire.training_parameters import BOUNDS, TrainingParameters

DEFAULT = default_training_parameters(2_000)


@given(row_count=st.integers(0, 100_000))
def test_the_default_recipe_is_allowed_and_bounded(row_count):
    """Any Datanet gets a recipe that passes its own check and can go on chain."""
    parameters = default_training_parameters(row_count)
    check_parameters(parameters)
    assert parameters.steps <= 60
    codec = codec_of(TrainingParameters)
    assert codec.decode(codec.encode(parameters)) == parameters


@pytest.mark.parametrize("bound", BOUNDS, ids=[bound.name for bound in BOUNDS])
def test_each_parameter_has_limits(bound):
    """One beyond either end is refused by name."""
    for value in (bound.least - 1, bound.most + 1):
        with pytest.raises(OrderInvalid, match=bound.name):
            check_parameters(dataclasses.replace(DEFAULT, **{bound.name: value}))


@pytest.mark.parametrize("targets", [(), ("q_proj", "q_proj"), ("lm_head",)])
def test_target_modules_are_linear_layers_of_a_block(targets):
    """No targets, a repeated one and an unknown one are refused."""
    with pytest.raises(OrderInvalid, match="target modules"):
        check_parameters(dataclasses.replace(DEFAULT, target_modules=targets))


def test_there_are_no_more_checkpoints_than_steps():
    """A checkpoint is kept after a step."""
    with pytest.raises(OrderInvalid, match="2 steps cannot have a checkpoint_count of 3"):
        check_parameters(dataclasses.replace(DEFAULT, steps=2, warmup_steps=0, checkpoint_count=3))


def test_the_learning_rate_warms_up_linearly_and_stays():
    """With 4 warm-up steps the rate is 1/4, 2/4, 3/4 and then all of its peak."""
    parameters = dataclasses.replace(DEFAULT, learning_rate_ppb=4_000_000, warmup_steps=4)
    rates = [learning_rate_at(parameters, step) for step in range(6)]
    assert rates == pytest.approx([0.001, 0.002, 0.003, 0.004, 0.004, 0.004])
    cold = dataclasses.replace(parameters, warmup_steps=0)
    assert learning_rate_at(cold, 0) == 0.004


@given(count=st.integers(1, 32), extra=st.integers(0, 100))
def test_checkpoints_are_evenly_spaced_and_end_at_the_end(count, extra):
    """Each is after another step, the gaps differ by at most one, the last is the last step."""
    parameters = dataclasses.replace(DEFAULT, steps=count + extra, checkpoint_count=count)
    steps = (0, *checkpoint_steps(parameters))
    gaps = {later - earlier for earlier, later in pairwise(steps)}
    assert steps[-1] == parameters.steps
    assert min(gaps) >= 1
    assert max(gaps) - min(gaps) <= 1
