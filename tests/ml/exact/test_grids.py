"""Grids: scales by bit view, rounding, exact sums, and what is not finite."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ml.exact.grids import (
    EXPONENT_MIN,
    absolute_maximum,
    exponent_of,
    grid_scales,
    on_row_grid,
    row_sum,
)

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(finite)
def test_an_exponent_bounds_its_number_from_above(number):
    """2**(e - 1) <= |x| < 2**e, and below 2**-100 there is only one exponent."""
    exponent = int(exponent_of(torch.tensor([abs(number)])))
    assert abs(number) < math.ldexp(1.0, exponent)
    assert exponent == EXPONENT_MIN or abs(number) >= math.ldexp(1.0, exponent - 1)


@given(st.lists(finite, min_size=1, max_size=20), st.sampled_from([13, 19, 21, 24]))
def test_values_on_a_grid_are_integers_of_its_unit(numbers, bits):
    """Each is the nearest multiple of 2**(e - bits), ties to even, as exact fractions say."""
    values = torch.tensor([numbers])
    unit = math.ldexp(1.0, int(exponent_of(absolute_maximum(values))) - bits)
    found = on_row_grid(values, bits)[0].tolist()
    for number, rounded in zip(values[0].tolist(), found, strict=True):
        units = number / unit  # a power of two: exact in Python's floats
        assert rounded == round(units) * unit
        assert abs(round(units)) <= 2**bits


@pytest.mark.parametrize("odd", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_makes_its_row_nan(odd):
    """And no other row."""
    values = torch.tensor([[1.0, odd, 2.0], [1.0, 2.0, 3.0]])
    grid = on_row_grid(values, 13)
    assert grid[0].isnan().all()
    assert torch.equal(grid[1], torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    assert row_sum(values)[0].isnan().all()
    assert row_sum(values)[1] == 6.0


def test_scales_are_inverse_powers_of_two_over_the_whole_range():
    """From zero and subnormal numbers up to the largest float32."""
    magnitudes = torch.tensor([0.0, 2.0**-149, 2.0**-101, 2.0**-100, 1.0, 1.5, 3.4e38])
    forth, back = grid_scales(magnitudes, 24)
    assert torch.equal(forth.double() * back.double(), torch.ones(7, dtype=torch.float64))
    assert (magnitudes * forth < 2.0**24).all()


@given(st.lists(finite.filter(lambda x: abs(x) < 1e30), min_size=1, max_size=64), st.randoms())
def test_a_row_sum_does_not_depend_on_the_order(numbers, source):
    """Any permutation gives the same bits, and zeros at the end change nothing."""
    shuffled = list(numbers)
    source.shuffle(shuffled)
    found = row_sum(torch.tensor([numbers]))
    assert torch.equal(row_sum(torch.tensor([shuffled])), found)
    assert torch.equal(row_sum(torch.tensor([numbers + [0.0] * 9])), found)
    scale = max(map(abs, numbers))
    assert abs(float(found) - math.fsum(numbers)) <= len(numbers) * 2.0**-22 * scale + 1e-36
