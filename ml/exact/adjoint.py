"""AdamW backward: from what a state's numbers are worth to what those before the step were.

The adjoint of a state is the derivative of some target by each of its numbers.  One step back of

    g = clip(w/n sum of the rows' gradients)        m' = b1 m + (1 - b1) g
    p' = (1 - rate * decay) p - rate * d            s' = b2 s + (1 - b2) g**2
    d = m' / (1 - b1**t) / root                     root = sqrt(s' / (1 - b2**t) + epsilon)

runs through these lines in reverse, and gives the adjoint at the batch's mean gradient too: the
`direction`.  A row's slope along it is what the row contributed to the target; the parameters'
adjoint still lacks the same rows' Hessians times it (`carry`).

Every line is one rounding a kernel in float64, rounded to float32 where a state ends.  Several
adjoints go back side by side, as the first dimension.  Engstrom, Ilyas et al., "Optimizing ML
training with metagradient descent" (2025).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ml.exact.gradients import BatchGradient
from ml.exact.optimiser import (
    BETA_MEAN,
    BETA_SQUARE,
    AdamState,
    StepSettings,
    exact_dot,
    exact_norm,
    mean_gradient,
)


@dataclass(frozen=True, slots=True)
class Adjoint:
    """The derivatives of targets by a training state, each float32 [targets, numbers]."""

    parameters: torch.Tensor
    means: torch.Tensor
    squares: torch.Tensor

    @classmethod
    def of_last(cls, parameters: torch.Tensor) -> Adjoint:
        """The adjoint after the last step, where a target reads the parameters alone."""
        zeros = torch.zeros_like(parameters)
        return cls(parameters, zeros, zeros)

    @property
    def is_finite(self) -> bool:
        """Whether the replay may go on from here."""
        vectors = (self.parameters, self.means, self.squares)
        return all(bool(torch.isfinite(vector).all()) for vector in vectors)


@dataclass(frozen=True, slots=True)
class StepUndone:
    """What is before a step, but for the curvature of its rows."""

    adjoint: Adjoint
    direction: torch.Tensor
    """float32 [targets, numbers]: the adjoint at the mean of the rows' gradients."""


def undo_step(
    after: Adjoint,
    before: AdamState,
    batch: BatchGradient,
    settings: StepSettings,
    weight: float = 1.0,
) -> StepUndone:
    """Go back through one `adam_step` from `before`, of the same batch, settings and weight."""
    unclipped = mean_gradient(batch, weight)
    factor = _clip_factor(unclipped, settings.gradient_norm_max)
    gradient = unclipped.double().mul_(factor)
    by_mean = 1.0 / (1.0 - before.power_mean * BETA_MEAN)
    by_square = 1.0 / (1.0 - before.power_square * BETA_SQUARE)
    squares = (before.squares.double() * BETA_SQUARE).add_(
        (gradient * gradient).mul_(1.0 - BETA_SQUARE)
    )
    means = (before.means.double() * BETA_MEAN).add_(gradient * (1.0 - BETA_MEAN))
    inverse = torch.ones_like(squares).div_((squares * by_square).add_(settings.epsilon).sqrt_())
    by_direction = after.parameters.double().mul_(-settings.learning_rate)
    at_means = (by_direction * inverse).mul_(by_mean).add_(after.means)
    # The derivative of 1 / root by the mean square is -1/2 of its cube.
    at_squares = by_direction.mul_(means).mul_(inverse).mul_(inverse).mul_(inverse)
    at_squares.mul_(-0.5 * by_mean * by_square).add_(after.squares)
    at_gradient = (at_squares * gradient).mul_(2.0 * (1.0 - BETA_SQUARE))
    at_gradient.add_(at_means * (1.0 - BETA_MEAN))
    direction = at_gradient.float()
    if factor != 1.0:
        direction = _through_clip(direction, unclipped, factor)
    decay = 1.0 - settings.learning_rate * settings.weight_decay
    adjoint = Adjoint(
        after.parameters * decay,
        at_means.mul_(BETA_MEAN).float(),
        at_squares.mul_(BETA_SQUARE).float(),
    )
    return StepUndone(adjoint, direction)


def carry(adjoint: Adjoint, products: torch.Tensor) -> Adjoint:
    """The adjoint with what the rows' curvature adds: float64 [targets, numbers], summed."""
    parameters = adjoint.parameters.double().add_(products).float()
    return Adjoint(parameters, adjoint.means, adjoint.squares)


def _clip_factor(gradient: torch.Tensor, norm_max: float | None) -> float:
    norm = 0.0 if norm_max is None else exact_norm(gradient)
    return norm_max / norm if norm_max is not None and norm > norm_max else 1.0


def _through_clip(direction: torch.Tensor, gradient: torch.Tensor, factor: float) -> torch.Tensor:
    """Clipping scales, and takes away what points along the gradient."""
    square = exact_dot(gradient, gradient)
    along = [exact_dot(one, gradient) / square for one in direction]
    shares = torch.tensor(along, dtype=torch.float64)[:, None]
    return (direction - gradient.double() * shares).mul_(factor).float()
