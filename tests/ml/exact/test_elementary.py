"""Elementary functions against float64, and their gradients against autograd."""

import math

import pytest
import torch

from ml.exact.elementary import (
    exponential,
    logarithm,
    rms_norm,
    rms_norm_backward,
    sigmoid,
    silu_backward,
)


def test_the_exponential_is_within_two_units_in_the_last_place():
    """Over its whole range, and clamped beyond."""
    values = torch.linspace(-87.0, 88.0, 200_001)
    exact = values.double().exp()
    assert ((exponential(values).double() - exact).abs() / exact).max() < 2.0**-22
    ends = exponential(torch.tensor([-1e30, 0.0, 1e30, math.nan]))
    assert ends[0] == exponential(torch.tensor([-87.0]))
    assert ends[1] == 1.0
    assert ends[2] == exponential(torch.tensor([88.0]))
    assert ends[3].isnan()


def test_the_logarithm_is_within_its_bound():
    """Close to 1, near 0 and far away; ln 1 is 0 exactly."""
    values = torch.cat(
        [
            torch.linspace(0.5, 2.0, 100_001, dtype=torch.float64),
            torch.logspace(-300, 300, 10_001, dtype=torch.float64),
            torch.tensor([1 - 2.0**-33, 1 + 2.0**-52, 2.0**-33], dtype=torch.float64),
        ]
    )
    exact = values.log()
    error = (logarithm(values) - exact).abs() / exact.abs().clamp(min=1.0)
    assert error.max() < 2.0**-49
    assert logarithm(torch.ones(1, dtype=torch.float64)) == 0.0


def test_the_norm_and_its_gradient_are_those_of_autograd():
    """In float64, to float32's precision."""
    torch.manual_seed(0)
    values, weight, gradient = torch.randn(7, 33), torch.rand(33) + 0.5, torch.randn(7, 33)
    exact = values.double().requires_grad_()
    normalised = exact * (exact.square().mean(-1, keepdim=True) + 1e-6).rsqrt()
    (normalised * weight).backward(gradient.double())
    found = rms_norm(values, 1e-6)
    torch.testing.assert_close(found.values.double(), normalised.detach(), rtol=2e-6, atol=1e-6)
    back = rms_norm_backward(gradient, weight, found)
    torch.testing.assert_close(back.double(), exact.grad, rtol=1e-5, atol=1e-5)


def test_silu_and_its_gradient_are_those_of_autograd():
    """Where it is flat, curved and straight."""
    values = torch.linspace(-30.0, 30.0, 1_001)
    exact = values.double().requires_grad_()
    expected = torch.nn.functional.silu(exact)
    expected.backward(torch.ones_like(expected))
    found = values * sigmoid(values)
    torch.testing.assert_close(found.double(), expected.detach(), rtol=2e-6, atol=1e-9)
    slope = silu_backward(torch.ones_like(values), values, sigmoid(values))
    torch.testing.assert_close(slope.double(), exact.grad, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("width", [1, 7, 64])
def test_a_row_of_zeros_stays_zero(width):
    """Padding is a row of zeros: it must not become NaN."""
    assert not rms_norm(torch.zeros(2, width), 1e-6).values.any()
