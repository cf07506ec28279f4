"""Exact products: both backends, and Python's integers, agree."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ml.exact.products import BITS, FrozenMatrix, digits_of, rows_of

numbers = st.floats(-1e6, 1e6, width=32)


def matrices(rows: int, columns: int):
    return hnp.arrays(np.float32, (rows, columns), elements=numbers).map(torch.from_numpy)


@given(st.integers(-(2**BITS), 2**BITS))
def test_digits_are_small_and_make_up_the_integer(integer):
    """Both lie in [-64, 64], where no older processor saturates."""
    high, low = digits_of(torch.tensor([float(integer)]))[:, 0].tolist()
    assert 128 * high + low == integer
    assert max(abs(high), abs(low)) <= 64


@given(matrices(3, 9), matrices(5, 9))
def test_both_backends_are_pythons_integers(left, weight):
    """The product is the exact integer, rounded once, in both backends and directions."""
    rows = rows_of(left)
    int8, float64 = FrozenMatrix(weight, "int8"), FrozenMatrix(weight, "float64")
    found = int8.times(rows)
    assert torch.equal(found, float64.times(rows))
    integers = [[int(x) for x in row] for row in rows.integers.tolist()]
    scale = int8.scale
    weights = [[int(x / scale) for x in row] for row in int8.output_rows(torch.arange(5)).tolist()]
    for number, row in enumerate(integers):
        for output, column in enumerate(weights):
            exact = sum(a * b for a, b in zip(row, column, strict=True))
            assert found[number, output] == exact * scale * float(rows.scales[number])
    back = rows_of(left[:, :5])
    assert torch.equal(int8.transposed_times(back), float64.transposed_times(back))


@pytest.mark.parametrize("inner", [2, 3, 64, 4_097])
def test_extreme_digits_do_not_overflow(inner):
    """Every activation and weight at its largest magnitude, of either sign."""
    left = torch.full((2, inner), 8191.5)
    left[1] = -left[1]
    weight = torch.full((3, inner), -8191.5)
    rows = rows_of(left)
    found = FrozenMatrix(weight, "int8").times(rows)
    assert torch.equal(found, FrozenMatrix(weight, "float64").times(rows))
    assert found[1, 0] == inner * 8192.0**2


def test_a_token_does_not_depend_on_its_neighbours():
    """Alone, or beside a larger, a zero or a broken one, it has the same bits."""
    torch.manual_seed(0)
    values = torch.randn(4, 40)
    values[1] *= 1e6
    values[2] = 0.0
    values[3, 5] = torch.inf
    matrix = FrozenMatrix(torch.randn(7, 40), "int8")
    together = matrix.times(rows_of(values))
    assert torch.equal(together[:1], matrix.times(rows_of(values[:1])))
    assert not together[2].any()
    assert together[3].isnan().all()
    assert FrozenMatrix(torch.randn(7, 40), "float64").times(rows_of(values))[3].isnan().all()


def test_the_error_is_that_of_13_bits():
    """Against float64: relative to the norms, well below 2**-13."""
    torch.manual_seed(1)
    values, weight = torch.randn(50, 300), torch.randn(200, 300)
    exact = values.double() @ weight.double().t()
    found = FrozenMatrix(weight, "int8").times(rows_of(values))
    bound = values.double().norm(dim=1)[:, None] * weight.double().norm(dim=1)
    assert ((found - exact).abs() / bound).max() < 2.0**-BITS
