"""How rows' losses change along a direction: the slope of each, and the sum of Hessians times it.

Both come from two exact gradients, half a step up and down the direction (Pearlmutter, "Fast exact
multiplication by the Hessian", 1994, for what the difference approximates).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ml.exact.adapter import Adapter
from ml.exact.gradients import (
    GRADIENT_UNITS,
    Dropout,
    Fault,
    RowGradients,
    TokenRow,
    first_fault,
    row_gradients,
)
from ml.exact.model import ExactModel
from ml.exact.optimiser import exact_norm

STEP_SHARE = 2.0**-8
"""A step's norm over that of the adapter: below, rounding shows; above, the third derivative."""


@dataclass(frozen=True, slots=True)
class Curvature:
    """What rows do along directions; with a fault its numbers mean nothing."""

    slopes: torch.Tensor
    """float64 [directions, rows]: the derivative of each row's loss along a direction."""
    products: torch.Tensor
    """float64 [directions, numbers]: the sum of the rows' Hessians times a direction."""
    fault: Fault


def curvature(
    model: ExactModel,
    adapter: Adapter,
    rows: Sequence[TokenRow],
    directions: torch.Tensor,
    dropout: Dropout | None = None,
) -> Curvature:
    """Slopes and curvature along float32 directions [directions, numbers] of the adapter."""
    norm = exact_norm(adapter.vector)
    slopes, products, fault = [], [], Fault.NONE
    for direction in directions:
        step = STEP_SHARE * norm / max(exact_norm(direction), 2.0**-100)
        ends: list[RowGradients] = []
        for side in (step, -step):
            moved = (adapter.vector.double() + direction.double() * side).float()
            ends.append(row_gradients(model, Adapter(adapter.layout, moved), rows, dropout))
        fault = first_fault(fault, *(end.fault for end in ends))
        one, other = (end.gradients for end in ends)
        difference = (one.sum(0) - other.sum(0)).double()
        products.append(difference.mul_(0.5 / GRADIENT_UNITS).mul_(1.0 / step))
        slopes.append(_exact_dots(one + other, direction).mul_(0.5 / GRADIENT_UNITS))
    return Curvature(torch.stack(slopes), torch.stack(products), fault)


def _exact_dots(units: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """float64 [rows]: int64 units [rows, numbers] times a direction; the products are rounded."""
    products = (units.double() * direction.double()).round_().to(torch.int64)
    return products.sum(1).double()
