"""The loss of a row: the mean of -log p over its labelled tokens, an integer of 2**-30 nats.

The output layer is applied only where a loss is taken, a few tokens at a time.  On the way back the
gradient of a token's logits is p minus 1 at the label.  Thousands of small probabilities add up,
and all have one sign: rounded to 13 bits below the largest they would vanish together (the gradient
of a batch was 9 % wrong).  So the label's part is taken apart, as one exact row of the output
matrix, and the others go through it as the sum of two roundings, which leaves 0.1 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ml.exact.attention import EXPONENTIAL_UNITS
from ml.exact.elementary import exponential, logarithm, rms_norm, rms_norm_backward
from ml.exact.grids import row_sum
from ml.exact.model import ExactModel
from ml.exact.products import fine_rows_of, rows_of
from ml.exact.tangents import norm_backward_tangent, norm_tangent

LOSS_UNITS = 2**30
"""A loss is an integer of 1 / LOSS_UNITS nats."""
PART_TOKENS = 32
"""How many tokens' logits there are at once."""
SLOPE_UNITS = 2.0**30
"""A token's slope is an integer of 1 / SLOPE_UNITS nats."""
SLOPE_MAX = 2.0**41
"""The most units of one token's slope (2,048 nats): 4,096 of them sum exactly."""
IGNORED = -100
"""The label of a position that no loss is taken at."""


@dataclass(frozen=True, slots=True)
class RowLosses:
    """The losses of rows, and the gradient of each at its own states."""

    units: torch.Tensor
    """float64 integers [rows] of 2**-30 nats; not finite where the row is at fault."""
    gradient: torch.Tensor | None
    """float32 [rows * tokens, width] at the states before the last norm, of a row's mean loss."""


def row_losses(
    model: ExactModel, hidden: torch.Tensor, labels: torch.Tensor, *, backward: bool
) -> RowLosses:
    """Losses of the states [rows * tokens, width] before the last norm, by labels [rows, tokens].

    A row without a label has the loss 0.
    """
    flat = labels.reshape(-1)
    places = (flat != IGNORED).nonzero()[:, 0]
    rows = places // labels.shape[1]
    counts = torch.zeros(len(labels)).index_add_(0, rows, torch.ones(len(rows))).clamp_(min=1.0)
    units = torch.zeros(len(labels), dtype=torch.float64)
    gradient = torch.zeros_like(hidden) if backward else None
    for start in range(0, len(places), PART_TOKENS):
        place, row = places[start : start + PART_TOKENS], rows[start : start + PART_TOKENS]
        losses, slope = _token_losses(
            model, hidden[place], flat[place], counts[row, None] if backward else None
        )
        units.index_add_(0, row, losses)
        if gradient is not None and slope is not None:
            gradient[place] = slope
    return RowLosses(units.div_(counts).round_(), gradient)


def _token_losses(
    model: ExactModel, hidden: torch.Tensor, labels: torch.Tensor, counts: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """float64 integer losses [tokens], and with `counts` the gradient at the states over them."""
    normalised = rms_norm(hidden, model.epsilon)
    units, total, chosen = _exponentials(model, normalised.values * model.final_norm, labels)
    losses = logarithm(total * (1 / EXPONENTIAL_UNITS)).sub_(chosen)
    losses = losses.mul_(float(LOSS_UNITS)).round_()[:, 0]
    if counts is None:
        return losses, None
    slope = _slope(model, units.div_(total.float()), labels, counts)
    return losses, rms_norm_backward(slope, model.final_norm, normalised)


def _exponentials(
    model: ExactModel, states: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """e**(logit - most) in units, their float64 sum, and the label's logit less the most."""
    logits = model.head.times(rows_of(states)).float()
    most = logits.amax(-1, keepdim=True)
    chosen = logits.gather(1, labels[:, None]).sub_(most)
    units = exponential(logits.sub_(most)).mul_(EXPONENTIAL_UNITS).round_()
    return units, units.sum(-1, keepdim=True, dtype=torch.float64), chosen


def _slope(
    model: ExactModel, probabilities: torch.Tensor, labels: torch.Tensor, counts: torch.Tensor
) -> torch.Tensor:
    """The gradient at the states behind the last norm; the probabilities are used up."""
    own = probabilities.gather(1, labels[:, None]).sub_(1.0).div_(counts)
    probabilities.scatter_(1, labels[:, None], 0.0).div_(counts)
    coarse, fine = fine_rows_of(probabilities)
    sums = model.head.transposed_times(coarse).add_(model.head.transposed_times(fine))
    return sums.float().add_(own * model.head.output_rows(labels))


@dataclass(frozen=True, slots=True)
class LossTangents:
    """How the losses of rows change along directions, and their gradients."""

    slopes: torch.Tensor
    """float64 [directions, rows]; not finite where a row is at fault."""
    gradient: torch.Tensor
    """As in `RowLosses`."""
    changes: tuple[torch.Tensor, ...]
    """By direction, how the gradient changes."""


def loss_tangents(
    model: ExactModel, hidden: torch.Tensor, labels: torch.Tensor, changes: Sequence[torch.Tensor]
) -> LossTangents:
    """Of states [rows * tokens, width] before the last norm, and their changes by direction."""
    flat = labels.reshape(-1)
    places = (flat != IGNORED).nonzero()[:, 0]
    rows = places // labels.shape[1]
    counts = torch.zeros(len(labels)).index_add_(0, rows, torch.ones(len(rows))).clamp_(min=1.0)
    units = torch.zeros((len(changes), len(labels)), dtype=torch.float64)
    gradient, moved = torch.zeros_like(hidden), tuple(torch.zeros_like(hidden) for _ in changes)
    for start in range(0, len(places), PART_TOKENS):
        place, row = places[start : start + PART_TOKENS], rows[start : start + PART_TOKENS]
        gradient[place], found = _token_tangents(
            model,
            hidden[place],
            flat[place],
            counts[row, None],
            [change[place] for change in changes],
        )
        for number, (slopes, back) in enumerate(found):
            units[number].index_add_(0, row, slopes)
            moved[number][place] = back
    return LossTangents(units.div_(counts).mul_(1 / SLOPE_UNITS), gradient, moved)


def _token_tangents(
    model: ExactModel,
    hidden: torch.Tensor,
    labels: torch.Tensor,
    counts: torch.Tensor,
    changes: Sequence[torch.Tensor],
) -> tuple[torch.Tensor, list[tuple[torch.Tensor, torch.Tensor]]]:
    """The gradient at the states; by direction the slopes in units, and the gradient's change."""
    normalised = rms_norm(hidden, model.epsilon)
    units, total, _ = _exponentials(model, normalised.values * model.final_norm, labels)
    probabilities = units.div_(total.float())
    slope = _slope(model, probabilities.clone(), labels, counts)
    found = []
    for change in changes:
        moved = norm_tangent(change, normalised)
        logits = model.head.times(rows_of(moved.values * model.final_norm)).float()
        mean = row_sum(probabilities * logits)
        own = (mean - logits.gather(1, labels[:, None])).double().mul_(SLOPE_UNITS).round_()
        # Written so that NaN, which compares false, stays one.
        own.masked_fill_(~(own.abs() <= SLOPE_MAX), torch.nan)
        curved = logits.sub_(mean).mul_(probabilities).div_(counts)
        coarse, fine = fine_rows_of(curved)
        sums = model.head.transposed_times(coarse).add_(model.head.transposed_times(fine))
        back = norm_backward_tangent(slope, sums.float(), model.final_norm, normalised, moved)
        found.append((own[:, 0], back))
    return rms_norm_backward(slope, model.final_norm, normalised), found
