"""Integer money: splits are exact, fair to one unit, and independent of the order up to ties."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runtime.arithmetic import (
    InvalidSplit,
    answer_fee,
    apply_ppb,
    mul_div_ceil,
    split_by_largest_remainder,
)

WEIGHTS = st.lists(st.one_of(st.integers(0, 9), st.integers(0, 2**80)), min_size=1, max_size=30)
TOTALS = st.one_of(st.integers(0, 100), st.integers(0, 2**128 - 1))


@settings(deadline=None)
@given(TOTALS, WEIGHTS)
def test_a_split_is_exact_and_within_one_unit_of_its_share(total, weights):
    """No dust: the parts sum to the total, and each is its quotient rounded down or up."""
    assume(any(weights))
    parts = split_by_largest_remainder(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        share = Fraction(total * weight, sum(weights))
        assert int(share) <= part <= -(-total * weight // sum(weights))


@settings(deadline=None)
@given(TOTALS, WEIGHTS, st.randoms(use_true_random=False))
def test_a_split_does_not_depend_on_the_order_but_for_ties(total, weights, random):
    """Whoever swaps places receives the same, to the unit; equal weights may swap their last unit."""
    assume(any(weights))
    order = list(range(len(weights)))
    random.shuffle(order)
    parts = split_by_largest_remainder(total, weights)
    shuffled = split_by_largest_remainder(total, [weights[index] for index in order])
    whole = sum(weights)
    remainders = [total * weight % whole for weight in weights]
    for position, index in enumerate(order):
        if remainders.count(remainders[index]) == 1:
            assert shuffled[position] == parts[index]
    by_weight = sorted(zip(weights, parts, strict=True))
    again = sorted(zip([weights[index] for index in order], shuffled, strict=True))
    if len(set(remainders)) == len(remainders):
        assert by_weight == again


def test_equal_remainders_go_to_the_lower_index():
    """The rule for ties is fixed."""
    assert split_by_largest_remainder(5, [1, 1, 1]) == [2, 2, 1]
    assert split_by_largest_remainder(1, [0, 1, 1]) == [0, 1, 0]
    assert split_by_largest_remainder(10, [6, 3, 3]) == [5, 3, 2]


@pytest.mark.parametrize(
    ("total", "weights"), [(1, []), (1, [0, 0]), (0, [0]), (-1, [1]), (1, [2, -1])]
)
def test_what_cannot_be_split_is_a_typed_error(total, weights):
    """No weights, only zeros, and negative numbers are refused with a remedy."""
    with pytest.raises(InvalidSplit) as caught:
        split_by_largest_remainder(total, weights)
    assert caught.value.remedy


@settings(deadline=None)
@given(st.integers(0, 2**128), st.integers(0, 2**64), st.integers(1, 2**64))
def test_mul_div_ceil_rounds_up(amount, numerator, denominator):
    """The result is the least integer that is not below the exact quotient."""
    result = mul_div_ceil(amount, numerator, denominator)
    assert (result - 1) * denominator < amount * numerator <= result * denominator


def test_parts_per_billion_round_down():
    """The platform never takes more than its part."""
    assert apply_ppb(1_999_999_999, 500_000_000) == 999_999_999
    assert apply_ppb(7, 10**9) == 7


def test_the_fee_of_an_answer_is_rounded_up_once():
    """ceil((in * R_in + out * R_out) / 1000) + platform."""
    assert answer_fee(1, 1, 400, 600, 5) == 6
    assert answer_fee(1, 1, 400, 601, 5) == 7
    assert answer_fee(0, 0, 10**18, 10**18, 0) == 0
    assert answer_fee(1500, 200, 10**18, 2 * 10**18, 3) == 19 * 10**17 + 3
