"""How a forward pass, and its way back, change along a direction of the adapter's numbers.

Each function differentiates one operator of `ml.exact`: forward, the change of its outputs by that
of its inputs; backward, the change of the gradient at its inputs.  Nothing is a difference of two
rounded numbers, so the rounding of 13 bits stays what it is elsewhere, and there is no step to
choose.  Rules and bounds are the operators' own; where a product has one operand more, both
products are exact and their sum is one rounding.

    scores     q and k 17 bits each, d terms                        d <= 2**8
    outputs    P 22 bits and V 17 bits; P's change 20, V 17; t terms
    dV         P 22 and dO 15 bits; P's change 20, dO 17; t * g     t * g <= 2**16
    dQ, dK     20, 17 bits; t, t * g terms                          t * g <= 2**16

A value that attention cuts at its bound counts as if it were not cut.  Pearlmutter, "Fast exact
multiplication by the Hessian" (1994).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ml.exact.attention import OPERAND_BITS, OUTPUT_GRADIENT_BITS, SCORE_GRADIENT_BITS, Attended
from ml.exact.elementary import Normalised, silu_backward
from ml.exact.grids import absolute_maximum, on_grid, on_row_grid, row_sum
from ml.exact.linears import (
    ADAPTER_BITS,
    AdapterPart,
    GradientSink,
    LinearGroup,
    Passed,
    Returned,
    sums_over_tokens,
)
from ml.exact.products import rows_of


@dataclass(frozen=True, slots=True)
class Along:
    """A group's adapter, and the direction in which its numbers move."""

    part: AdapterPart
    direction: AdapterPart


def norm_tangent(change: torch.Tensor, past: Normalised) -> Normalised:
    """The change of an RMS norm's values and scales, by that of its input."""
    mean = row_sum(past.values * change).mul_(1.0 / change.shape[-1])
    values = (change - past.values * mean).mul_(past.scales)
    return Normalised(values, mean.mul_(past.scales).mul_(past.scales).neg_())


def norm_backward_tangent(
    gradient: torch.Tensor,
    gradient_change: torch.Tensor,
    weight: torch.Tensor,
    past: Normalised,
    change: Normalised,
) -> torch.Tensor:
    """The change of `rms_norm_backward`, by that of the gradient and of what was normalised."""
    weighted, weighted_change = gradient * weight, gradient_change * weight
    share = 1.0 / weighted.shape[-1]
    mean = row_sum(weighted * past.values).mul_(share)
    moved = (weighted_change * past.values).add_(weighted * change.values)
    mean_change = row_sum(moved).mul_(share)
    result = (weighted - past.values * mean).mul_(change.scales)
    inner = weighted_change.sub_(change.values * mean).sub_(past.values * mean_change)
    return result.add_(inner.mul_(past.scales))


def silu_backward_tangent(
    gradient: torch.Tensor,
    gradient_change: torch.Tensor,
    values: torch.Tensor,
    change: torch.Tensor,
    sigmoids: torch.Tensor,
) -> torch.Tensor:
    """The change of `silu_backward`; the slope's own slope is s (1 - s) (2 + x (1 - 2 s))."""
    curve = (1.0 - sigmoids * 2.0).mul_(values).add_(2.0)
    curve.mul_(1.0 - sigmoids).mul_(sigmoids).mul_(change).mul_(gradient)
    return silu_backward(gradient_change, values, sigmoids).add_(curve)


def linear_tangent(
    group: LinearGroup, past: Passed, along: Along | None, change: torch.Tensor
) -> tuple[torch.Tensor, Passed]:
    """The change of a group's outputs [tokens, outputs], by that of inputs and adapter."""
    rows = rows_of(change)
    outputs = group.matrix.times(rows)
    passed = Passed(rows, past.kept, None)
    if along is not None:
        assert past.lows is not None  # noqa: S101 # the way forth went through the same part
        part, direction = along.part, along.direction
        lows = (passed.inputs() @ part.down.t()).mul_(rows.scales)
        lows.add_((past.inputs() @ direction.down.t()).mul_(past.rows.scales))
        passed.lows = lows.float().mul_(part.factor)
        moved = _by_rank(passed.lows, part)
        still = _by_rank(past.lows, part)
        for number, (up, turn) in enumerate(zip(part.ups, direction.ups, strict=True)):
            outputs[:, up.outputs].add_(moved[:, number] @ up.matrix.t())
            outputs[:, up.outputs].add_(still[:, number] @ turn.matrix.t())
    return outputs.float(), passed


def linear_backward_tangent(
    group: LinearGroup,
    returned: Returned,
    along: Along | None,
    passed_change: Passed,
    change: torch.Tensor,
    *,
    wanted: bool,
) -> Returned:
    """The change of what came back through a group, by that of the gradient at its outputs."""
    rows = rows_of(change)
    result = group.matrix.transposed_times(rows) if wanted else None
    if along is None:
        return Returned(rows, None, torch.empty(0) if result is None else result.float())
    assert returned.back is not None  # noqa: S101 # the way back went through the same part
    part, direction = along.part, along.direction
    still, moved = returned.rows, rows
    backs = [
        (moved.doubles()[:, up.outputs] @ up.matrix)
        .mul_(moved.scales)
        .add_((still.doubles()[:, up.outputs] @ turn.matrix).mul_(still.scales))
        for up, turn in zip(part.ups, direction.ups, strict=True)
    ]
    back = torch.cat(backs, -1).float().mul_(part.factor)
    if result is None:
        return Returned(rows, back, torch.empty(0))
    lowered = on_row_grid(back, ADAPTER_BITS) @ part.down
    lowered.add_(on_row_grid(returned.back, ADAPTER_BITS) @ direction.down)
    result.add_(lowered if passed_change.kept is None else lowered.mul_(passed_change.kept))
    return Returned(rows, back, result.float())


def feed_tangent(
    past: Passed,
    returned: Returned,
    part: AdapterPart,
    passed_change: Passed,
    returned_change: Returned,
    row_count: int,
    sink: GradientSink,
) -> None:
    """Feed the sink with the change of an adapter's gradients."""
    assert past.lows is not None  # noqa: S101 # all four went through the same part
    assert passed_change.lows is not None  # noqa: S101 # likewise
    assert returned.back is not None  # noqa: S101 # likewise
    assert returned_change.back is not None  # noqa: S101 # likewise

    def sums(left: torch.Tensor, right_scales: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return sums_over_tokens(left, right_scales, right, row_count)

    downs = sums(returned_change.back, past.rows.scales, past.inputs())
    downs.add_(sums(returned.back, passed_change.rows.scales, passed_change.inputs()))
    still, moved = returned.rows, returned_change.rows
    for number, up in enumerate(part.ups):
        ranks = slice(number * part.rank, (number + 1) * part.rank)
        sink.add(part.layer, up.module, "A", downs[:, ranks])
        ups = sums(past.lows[:, ranks], moved.scales, moved.doubles()[:, up.outputs])
        ups.add_(sums(passed_change.lows[:, ranks], still.scales, still.doubles()[:, up.outputs]))
        sink.add(part.layer, up.module, "B", ups.transpose(1, 2))


@dataclass(frozen=True, slots=True)
class AttendedTangent:
    """The change of what attention read and gave, in the shapes of `Attended`."""

    queries: torch.Tensor
    keys: torch.Tensor
    values: torch.Tensor
    weights: torch.Tensor
    outputs: torch.Tensor


def attend_tangent(
    past: Attended, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
) -> AttendedTangent:
    """The change of attention, by that of queries, keys and values."""
    scores = _operand(queries) @ _operand(past.keys).transpose(-1, -2)
    scores.add_(_operand(past.queries) @ _operand(keys).transpose(-1, -2))
    slopes = scores.float().mul_(queries.shape[-1] ** -0.5)
    weights = slopes.sub_(row_sum(past.weights * slopes)).mul_(past.weights)
    outputs = past.weights.double() @ _operand(values)
    outputs.add_(_on_head_grid(weights, SCORE_GRADIENT_BITS) @ _operand(past.values.float()))
    return AttendedTangent(queries, keys, values, weights, outputs.float())


def attend_backward_tangent(
    gradient: torch.Tensor, change: torch.Tensor, past: Attended, moved: AttendedTangent
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The change of `attend_backward`, by that of the gradient and of what was attended to."""
    factor = gradient.shape[-1] ** -0.5
    incoming, arriving = _operand(gradient), _operand(change)
    weights_change = _on_head_grid(moved.weights, SCORE_GRADIENT_BITS)
    coarse = _on_head_grid(change, OUTPUT_GRADIENT_BITS)
    values = past.weights.double().transpose(-1, -2) @ coarse
    values.add_(weights_change.transpose(-1, -2) @ incoming)
    still = (incoming @ past.values.transpose(-1, -2)).float()
    still.sub_(row_sum(gradient * past.outputs))
    values_grid = _operand(past.values.float()).transpose(-1, -2)
    inner = arriving @ values_grid
    inner.add_(incoming @ _operand(moved.values).transpose(-1, -2))
    mean = row_sum((change * past.outputs).add_(gradient * moved.outputs))
    scores = inner.float().sub_(mean).mul_(past.weights).add_(moved.weights * still)
    slopes_change = _on_head_grid(scores.mul_(factor), SCORE_GRADIENT_BITS)
    slopes = _on_head_grid(still.mul_(past.weights).mul_(factor), SCORE_GRADIENT_BITS)
    queries = slopes_change @ _operand(past.keys)
    queries.add_(slopes @ _operand(moved.keys))
    keys = slopes_change.transpose(-1, -2) @ _operand(past.queries)
    keys.add_(slopes.transpose(-1, -2) @ _operand(moved.queries))
    return queries.float(), keys.float(), values.float()


def _operand(values: torch.Tensor) -> torch.Tensor:
    return _on_head_grid(values, OPERAND_BITS)


def _on_head_grid(values: torch.Tensor, bits: int) -> torch.Tensor:
    return on_grid(values, absolute_maximum(values, (-2, -1)), bits)


def _by_rank(lows: torch.Tensor, part: AdapterPart) -> torch.Tensor:
    return on_row_grid(lows.view(len(lows), -1, part.rank), ADAPTER_BITS)
