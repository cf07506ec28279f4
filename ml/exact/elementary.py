"""Exponential, logarithm, RMS norm and SiLU from correctly rounded elementwise kernels alone.

A polynomial is a chain of separate multiplications and additions, one kernel each, so that no
compiler can contract them.  `torch.exp`, `log`, `rsqrt`, `silu` and `rms_norm` are never called:
their last bits depend on the vector library that torch was built with.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ml.exact.grids import row_sum

_EXPONENTIAL = (1.0, 1.0, 0.5, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040)
_LOG2_E = 1.4426950408889634
# Cody and Waite: ln 2 in two parts, the first with so few bits that k times it is exact.
_LN2_HIGH = 0.693145751953125
_LN2_LOW = 1.428606765330187e-06
_LN2 = 0.6931471805599453
_LEAST, _MOST = -87.0, 88.0
_MANTISSA_BITS = 52


def exponential(values: torch.Tensor) -> torch.Tensor:
    """float32 e**x within 2 units in the last place; x is clamped to [-87, 88]."""
    bounded = values.clamp(_LEAST, _MOST)
    whole = (bounded * _LOG2_E).round_()
    rest = bounded.sub_(whole * _LN2_HIGH).sub_(whole * _LN2_LOW)
    result = rest * _EXPONENTIAL[7]
    for coefficient in _EXPONENTIAL[6:0:-1]:
        result.add_(coefficient).mul_(rest)
    result.add_(_EXPONENTIAL[0])
    scale = whole.to(torch.int32).add_(127).bitwise_left_shift_(23).view(torch.float32)
    return result.mul_(scale)


def logarithm(values: torch.Tensor) -> torch.Tensor:
    """float64 ln x of normal positive float64 numbers, within 2**-49 (absolute, or relative).

    With m in [3/4, 3/2), s = (m - 1) / (m + 1): ln m = 2 (s + s**3/3 + s**5/5 + ...), |s| <= 1/5.
    """
    # A quarter of an octave less in the exponent's rounding moves m from [1, 2) to around 1.
    shifted = values.contiguous().view(torch.int64) + (1 << _MANTISSA_BITS - 1)
    exponent = (shifted >> _MANTISSA_BITS) - 1023
    number = (values.view(torch.int64) - (exponent << _MANTISSA_BITS)).view(torch.float64)
    ratio = (number - 1.0) / (number + 1.0)
    square = ratio * ratio
    series = torch.zeros_like(ratio)
    for odd in range(21, 0, -2):
        series.mul_(square).add_(1.0 / odd)
    return series.mul_(ratio).mul_(2.0).add_(exponent.double().mul_(_LN2))


@dataclass(frozen=True, slots=True)
class Normalised:
    """What the backward of an RMS norm reads."""

    values: torch.Tensor
    """The input times its scale, before the weight."""
    scales: torch.Tensor
    """1 / sqrt(mean square + epsilon), [..., 1]."""


def rms_norm(values: torch.Tensor, epsilon: float) -> Normalised:
    """Divide rows (the last dimension) by the root of their mean square (Zhang, Sennrich 2019)."""
    mean = row_sum(values * values).mul_(1.0 / values.shape[-1])
    scales = torch.ones_like(mean).div_(mean.add_(epsilon).sqrt_())
    return Normalised(values * scales, scales)


def rms_norm_backward(
    gradient: torch.Tensor, weight: torch.Tensor, normalised: Normalised
) -> torch.Tensor:
    """The gradient at the norm's input, of one at `weight * normalised.values`."""
    weighted = gradient * weight
    mean = row_sum(weighted * normalised.values).mul_(1.0 / weighted.shape[-1])
    return weighted.sub_(normalised.values * mean).mul_(normalised.scales)


def sigmoid(values: torch.Tensor) -> torch.Tensor:
    """1 / (1 + e**-x)."""
    denominators = exponential(-values).add_(1.0)
    return torch.ones_like(denominators).div_(denominators)


def silu_backward(
    gradient: torch.Tensor, values: torch.Tensor, sigmoids: torch.Tensor
) -> torch.Tensor:
    """The gradient at x, of one at x * sigmoid(x): g * s * (1 + x * (1 - s))."""
    slope = (1.0 - sigmoids).mul_(values).add_(1.0).mul_(sigmoids)
    return slope.mul_(gradient)
