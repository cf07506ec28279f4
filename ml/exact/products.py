"""Exact products of activations with frozen weights, in two backends of equal bits.

Activations are integers of 13 bits below each token's maximum, a frozen matrix of 13 bits below
its own, so the scales of a token are its own: no neighbour, padding or later token changes them.

    float64   one GEMM of the integers: K * 2**26 <= 2**53
    int8      two base-128 digits in [-64, 64] each, multiplied in one int8 GEMM for each digit of
              the weight: K * 64 * 64 < 2**31 for one, and for the sum of the two middle ones
              2 * K * 64 * 64 < 2**31.  (-64 .. 64 also stays clear of the int16 saturation of
              processors before VNNI.)

Both end in the same exact integer below 2**53, hence in the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch

from ml.exact.grids import absolute_maximum, grid_scales

Backend = Literal["int8", "float64"]
"""How products with frozen weights are computed; the bits are the same."""

BITS = 13
"""Of activations and frozen weights: two balanced base-128 digits."""
INNER_MIN = 2
"""The shortest: torch 2.13's `_int_mm` reads past its operands where the inner size is 1."""
INNER_MAX = 2**18 - 1
"""The longest sum of a product: 2 * K * 64 * 64 < 2**31."""
_BASE = 128.0


@dataclass(slots=True)
class Rows:
    """Activations [tokens, width] as integers and each token's scale."""

    integers: torch.Tensor
    """float32, |integer| <= 2**13."""
    scales: torch.Tensor
    """float32 [tokens, 1]; NaN for a token that is not finite."""
    _doubles: torch.Tensor | None = field(default=None)

    def doubles(self) -> torch.Tensor:
        """The integers as float64, converted once."""
        if self._doubles is None:
            self._doubles = self.integers.double()
        return self._doubles


def rows_of(values: torch.Tensor) -> Rows:
    """Round activations [tokens, width] to integers, token by token."""
    forth, back = grid_scales(absolute_maximum(values), BITS)
    return Rows((values * forth).round_(), back)


def fine_rows_of(values: torch.Tensor) -> tuple[Rows, Rows]:
    """Activations as the sum of two: the second rounds what the first left, which is exact."""
    coarse = rows_of(values)
    return coarse, rows_of(values - coarse.integers * coarse.scales)


class FrozenMatrix:
    """A frozen weight [outputs, inputs], held as its digits or as float64 integers."""

    def __init__(self, weight: torch.Tensor, backend: Backend) -> None:
        """Round a float32 matrix; the int8 form takes 2 bytes for each of its numbers."""
        forth, back = grid_scales(absolute_maximum(weight, (0, 1)), BITS)
        integers = (weight * forth).round_()
        self.scale = float(back)
        self._integers = integers.double() if backend == "float64" else None
        self._digits = digits_of(integers) if backend == "int8" else None

    def times(self, rows: Rows) -> torch.Tensor:
        """float64 x @ weight.T [tokens, outputs], exact before its rounding to float64's range."""
        if self._digits is None:
            assert self._integers is not None  # noqa: S101 # one of both forms is held
            product = rows.doubles() @ self._integers.t()
        else:
            product = _digit_product(rows, self._digits.transpose(1, 2))
        return product.mul_(rows.scales.double().mul_(self.scale))

    def transposed_times(self, rows: Rows) -> torch.Tensor:
        """float64 g @ weight [tokens, inputs]: the way back through the layer."""
        if self._digits is None:
            assert self._integers is not None  # noqa: S101 # one of both forms is held
            product = rows.doubles() @ self._integers
        else:
            product = _digit_product(rows, self._digits)
        return product.mul_(rows.scales.double().mul_(self.scale))

    def output_rows(self, outputs: torch.Tensor) -> torch.Tensor:
        """float32 rows [outputs, inputs] of the rounded weight, exact."""
        if self._digits is None:
            assert self._integers is not None  # noqa: S101 # one of both forms is held
            integers = self._integers[outputs].float()
        else:
            high, low = self._digits[:, outputs].float()
            integers = high.mul_(_BASE).add_(low)
        return integers.mul_(self.scale)


def digits_of(integers: torch.Tensor) -> torch.Tensor:
    """int8 [2, ...]: integers of up to 13 bits as 128 * first + second, both in [-64, 64]."""
    digits = torch.empty((2, *integers.shape), dtype=torch.int8)
    high = (integers * (1 / _BASE)).round_()
    digits[0] = high
    digits[1] = high.mul_(-_BASE).add_(integers)
    return digits


def _digit_product(rows: Rows, digits: torch.Tensor) -> torch.Tensor:
    """float64 integers [tokens, outputs] from digits [2, inner, outputs] of the right factor."""
    count = len(rows.integers)
    left = digits_of(rows.integers).flatten(0, 1)
    # torch offers no public int8 product; `_int_mm` is what its own quantisation calls.
    high = torch._int_mm(left, digits[0])  # noqa: SLF001 # see above
    low = torch._int_mm(left, digits[1])  # noqa: SLF001 # see above
    middle = high[count:].add_(low[:count])
    product = high[:count].double().mul_(_BASE).add_(middle)
    return product.mul_(_BASE).add_(low[count:])
