"""The recipe's limits, defaults and schedule."""

import dataclasses
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.errors import OrderInvalid
from ml.training.recipe import (
    attribution_steps,
    check_parameters,
    default_training_parameters,
    dropped_units,
    kept_steps,
    step_settings,
    steps_of,
)
from runtime.codec import codec_of
from runtime.wire.training_parameters import (
    BOUNDS,
    KEPT_STEPS_MAX,
    Schedule,
    TrainingParameters,
)

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


def test_a_step_is_told_its_rate_and_its_limits():
    """Steps count from 1; a schedule ends at 0 after the last step; no clipping is none at all."""
    parameters = dataclasses.replace(
        DEFAULT, learning_rate_ppb=4_000_000, warmup_steps=4, steps=8, schedule=Schedule.LINEAR
    )
    rates = [step_settings(parameters, step).learning_rate for step in range(1, 9)]
    assert rates == pytest.approx([0.001, 0.002, 0.003, 0.004, 0.004, 0.003, 0.002, 0.001])
    assert step_settings(parameters, 1).gradient_norm_max is None
    clipped = dataclasses.replace(parameters, clip_norm_ppb=500_000_000)
    assert step_settings(clipped, 1).gradient_norm_max == 0.5


@pytest.mark.parametrize(("ppb", "units"), [(0, 0), (100_000_000, 26), (500_000_000, 128), (1, 0)])
def test_dropout_is_drawn_in_256ths(ppb, units):
    """10 % is 26/256, the nearest."""
    assert dropped_units(dataclasses.replace(DEFAULT, dropout_ppb=ppb)) == units


def test_epochs_become_steps():
    """Four passes over 101 rows in batches of 50 are nine steps."""
    assert steps_of(4, 101, 50) == 9


@given(steps=st.integers(1, 20_000), count=st.integers(1, 32))
def test_states_are_kept_every_square_root(steps, count):
    """Nobody recomputes more than ceil(sqrt(steps)); all that attribution looks at is there."""
    parameters = dataclasses.replace(DEFAULT, steps=steps, checkpoint_count=min(count, steps))
    kept = kept_steps(parameters)
    assert set(attribution_steps(parameters)) <= kept
    gaps = [later - earlier for earlier, later in pairwise([0, *sorted(kept)])]
    assert max(gaps) <= math.isqrt(steps - 1) + 1
    assert max(kept) == steps
    assert len(kept) <= KEPT_STEPS_MAX


@given(count=st.integers(1, 32), extra=st.integers(0, 100))
def test_checkpoints_are_evenly_spaced_and_end_at_the_end(count, extra):
    """Each is after another step, the gaps differ by at most one, the last is the last step."""
    parameters = dataclasses.replace(DEFAULT, steps=count + extra, checkpoint_count=count)
    steps = (0, *attribution_steps(parameters))
    gaps = {later - earlier for earlier, later in pairwise(steps)}
    assert steps[-1] == parameters.steps
    assert min(gaps) >= 1
    assert max(gaps) - min(gaps) <= 1
