"""AdamW against its formula in float64; norms in any order; the state's canonical bytes."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ml.errors import ModelUnusable
from ml.exact.gradients import BatchGradient, Fault
from ml.exact.optimiser import (
    BETA_MEAN,
    BETA_SQUARE,
    AdamState,
    StepSettings,
    adam_step,
    exact_norm,
    mean_gradient,
)

SETTINGS = StepSettings(0.01, epsilon=1e-5, weight_decay=0.1, gradient_norm_max=None)


def batch(values: torch.Tensor, row_count: int = 4) -> BatchGradient:
    units = (values.double() * row_count * 2.0**40).round().to(torch.int64)
    return BatchGradient(0, units, row_count, Fault.NONE)


def test_steps_follow_the_formula():
    """Ten steps agree with the same formula in float64."""
    source = torch.Generator().manual_seed(0)
    start = torch.randn(50, generator=source)
    state = AdamState.initial(start)
    exact, mean, square = start.double(), torch.zeros(50).double(), torch.zeros(50).double()
    for step in range(1, 11):
        gradient = torch.randn(50, generator=source)
        state = adam_step(state, batch(gradient), SETTINGS)
        mean = BETA_MEAN * mean + (1 - BETA_MEAN) * gradient.double()
        square = BETA_SQUARE * square + (1 - BETA_SQUARE) * gradient.double() ** 2
        root = (square / (1 - BETA_SQUARE**step) + 1e-5).sqrt()
        exact = exact * (1 - 0.01 * 0.1) - 0.01 * (mean / (1 - BETA_MEAN**step)) / root
    torch.testing.assert_close(state.parameters.double(), exact, rtol=1e-5, atol=1e-6)
    assert state.power_mean == pytest.approx(BETA_MEAN**10)
    assert torch.equal(start, AdamState.initial(start).parameters)


def test_a_gradient_is_clipped_to_its_norm():
    """A longer one is scaled to it, a shorter one left alone."""
    gradient = torch.tensor([3.0, 4.0])
    state = AdamState.initial(torch.zeros(2))
    clipped = adam_step(state, batch(gradient), replace(SETTINGS, gradient_norm_max=2.5))
    expected = adam_step(state, batch(gradient / 2), SETTINGS)
    assert clipped.encode() == expected.encode()
    left = adam_step(state, batch(gradient), replace(SETTINGS, gradient_norm_max=5.0))
    assert left.encode() == adam_step(state, batch(gradient), SETTINGS).encode()


@given(
    st.lists(st.floats(-(2.0**50), 2.0**50, width=32), min_size=1, max_size=50),
    st.randoms(),
)
def test_a_norm_does_not_depend_on_the_order(numbers, source):
    """And is right to nearly float64's precision."""
    norm = exact_norm(torch.tensor(numbers))
    source.shuffle(numbers)
    assert exact_norm(torch.tensor(numbers)) == norm
    assert norm == pytest.approx(math.sqrt(math.fsum(x * x for x in numbers)), rel=1e-6)


@pytest.mark.parametrize("odd", [math.inf, math.nan])
def test_the_norm_of_what_is_not_finite_is_nan(odd):
    """Which no comparison takes for small."""
    assert math.isnan(exact_norm(torch.tensor([1.0, odd])))


def test_the_mean_is_over_rows():
    """Twice the sum over twice the rows is the same mean."""
    one = batch(torch.tensor([0.5, -2.0]), 1)
    assert mean_gradient(one).tolist() == [0.5, -2.0]
    assert mean_gradient(one + one).tolist() == [0.5, -2.0]


def test_a_state_is_its_bytes():
    """Decoding gives the state, and any change of one number changes the bytes."""
    state = AdamState.initial(torch.tensor([1.0, -2.0, 3.5]))
    state = adam_step(state, batch(torch.tensor([0.1, 0.2, 0.3])), SETTINGS)
    data = state.encode()
    assert len(data) == 3 * 3 * 4 + 16
    again = AdamState.decode(data)
    assert again.encode() == data
    assert torch.equal(again.means, state.means)
    changed = {replace(state, power_mean=0.5).encode(), replace(state, power_square=0.5).encode()}
    for name in ("parameters", "means", "squares"):
        vector = getattr(state, name).clone()
        vector[1] += 1
        changed.add(replace(state, **{name: vector}).encode())
    assert len(changed | {data}) == 6
    for wrong in (b"", data[:-1], data[: 12 + 15], data[-16:]):
        with pytest.raises(ModelUnusable):
            AdamState.decode(wrong)


def test_a_state_knows_whether_it_is_finite():
    """An overflow in any of its vectors ends the job."""
    state = AdamState.initial(torch.ones(2))
    assert state.is_finite
    assert not replace(state, squares=torch.tensor([0.0, torch.inf])).is_finite
