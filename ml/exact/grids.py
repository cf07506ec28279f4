"""Rounding to grids of powers of two, by which sums become exact.

A value is *on a grid* when it is an integer times a power of two.  A sum of products of values on
grids is exact, whatever the order, as long as every partial sum stays below 2**53 units: then no
addition rounds, so threads, instruction sets, blocking and fused multiply-adds cannot matter.
Every function here is a few kernels that IEEE 754 rounds correctly one by one (multiply, round half
to even, compare), beside bit views; none calls a mathematical library.

A row that holds an infinity or a NaN becomes NaN as a whole: how such a number would convert to an
integer differs between machines, and NaN reaches the loss, where it is a fault.
"""

from __future__ import annotations

import torch

EXPONENT_MIN = -100
"""Rows below 2**-100 share one grid, so that subnormal inputs never reach a product."""
_BIAS = 127
_MANTISSA_BITS = 23
_FIELD_MASK = 255 << _MANTISSA_BITS


def absolute_maximum(values: torch.Tensor, dimensions: int | tuple[int, ...] = -1) -> torch.Tensor:
    """The largest magnitude over `dimensions`, which are kept with size 1.

    Two plain reductions: `torch.aminmax` and the infinity norm are some 18 times slower.
    """
    return torch.maximum(
        values.amax(dimensions, keepdim=True), values.amin(dimensions, keepdim=True).neg_()
    )


def exponent_of(magnitudes: torch.Tensor) -> torch.Tensor:
    """int32 e with magnitude < 2**e, at least `EXPONENT_MIN`; 129 for what is not finite."""
    return (_fields(magnitudes) >> _MANTISSA_BITS) - (_BIAS - 1)


def grid_scales(magnitudes: torch.Tensor, bits: int) -> tuple[torch.Tensor, torch.Tensor]:
    """float32 (to integers, back): the powers of two that map magnitudes below 2**bits, and back.

    `bits` is at most 24, so that both are normal numbers.  Where a magnitude is not finite, the way
    back is NaN.
    """
    # With e = field - 126, the fields of 2**(bits - e) and 2**(e - bits) are these.
    fields = _fields(magnitudes)
    forth = ((2 * _BIAS - 1 + bits) << _MANTISSA_BITS) - fields
    back = fields + ((1 - bits) << _MANTISSA_BITS)
    unusable = fields == _FIELD_MASK
    return forth.view(torch.float32), back.view(torch.float32).masked_fill_(unusable, torch.nan)


def _fields(magnitudes: torch.Tensor) -> torch.Tensor:
    """The exponent's bits of float32 numbers, in place, with the clamp."""
    fields = magnitudes.contiguous().view(torch.int32) & _FIELD_MASK
    return fields.clamp_(min=(EXPONENT_MIN + _BIAS - 1) << _MANTISSA_BITS)


def on_row_grid(values: torch.Tensor, bits: int) -> torch.Tensor:
    """float64 values rounded to `bits` bits below each row's (last dimension's) maximum."""
    return on_grid(values, absolute_maximum(values), bits)


def on_grid(values: torch.Tensor, magnitudes: torch.Tensor, bits: int) -> torch.Tensor:
    """float64 `values` rounded to multiples of 2**-bits of the power of two above `magnitudes`.

    `magnitudes` are float32, bound the values, and broadcast to them.
    """
    forth, back = grid_scales(magnitudes, bits)
    return (values * forth).round_().double().mul_(back)


def row_sum(values: torch.Tensor) -> torch.Tensor:
    """float32 sums over the last dimension, of at most 2**29 float32 numbers, dimension kept.

    The summands are rounded to 24 bits below the row's largest, then added without rounding.
    """
    forth, back = grid_scales(absolute_maximum(values), 24)
    total = (values * forth).round_().sum(-1, keepdim=True, dtype=torch.float64)
    return total.mul_(back).float()
