"""A forward pass over whole rows, and the hand-ordered way back.

Rows are padded on the right; padding is inert: it attends to nothing, so its states are zeros or
its own, and its gradients are exactly zero.  Where gradients meet they are added in the order
written here, two at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ml.exact.attention import Attended, attend, attend_backward
from ml.exact.elementary import (
    Normalised,
    rms_norm,
    rms_norm_backward,
    sigmoid,
    silu_backward,
)
from ml.exact.linears import AdapterPart, GradientSink, Passed
from ml.exact.model import Block, ExactModel
from ml.exact.shape import GROUPS, ModelShape

QUERY_KEY_VALUE, ATTENTION_OUTPUT, GATE_UP, DOWN = range(len(GROUPS))


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded rows and where their tokens are."""

    tokens: torch.Tensor
    """int64 [rows, tokens]"""
    unseen: torch.Tensor
    """bool [rows, 1, 1, tokens, tokens]: what a query may not see; padding sees nothing."""
    kept: Sequence[Sequence[torch.Tensor | None]]
    """By layer and group, bool [rows * tokens, inputs]: what dropout keeps."""


@dataclass(frozen=True, slots=True)
class BlockPassed:
    """What the way back through one block reads."""

    attention_norm: Normalised
    heads: Normalised | None
    """Queries and keys before their norm's weight, where the model has one."""
    linears: tuple[Passed, ...]
    attended: Attended
    feedforward_norm: Normalised
    gates: torch.Tensor
    ups: torch.Tensor
    sigmoids: torch.Tensor
    activated: torch.Tensor
    """gates * sigmoids"""


def batch_of(
    tokens: torch.Tensor,
    lengths: torch.Tensor,
    kept: Sequence[Sequence[torch.Tensor | None]],
) -> Batch:
    """Padded int64 tokens [rows, tokens] and how many of each row are real."""
    index = torch.arange(tokens.shape[1])
    future = index[None, :] > index[:, None]
    padding = index[None, :, None] >= lengths[:, None, None]
    return Batch(tokens, (future | padding)[:, None, None], kept)


def forward(
    model: ExactModel,
    batch: Batch,
    parts: Sequence[Sequence[AdapterPart | None]],
    trace: list[BlockPassed] | None = None,
) -> torch.Tensor:
    """The states [rows * tokens, width] before the last norm; fills `trace` for the way back."""
    hidden = model.embedding[batch.tokens.reshape(-1)]
    cosines, sines = (
        table[: batch.tokens.shape[1], None] for table in (model.cosines, model.sines)
    )
    for block, part, kept in zip(model.blocks, parts, batch.kept, strict=True):
        hidden, passed = _forward_block(
            model, block, part, kept, hidden, batch.unseen, cosines, sines
        )
        if trace is not None:
            trace.append(passed)
    return hidden


def _forward_block(
    model: ExactModel,
    block: Block,
    parts: Sequence[AdapterPart | None],
    kept: Sequence[torch.Tensor | None],
    hidden: torch.Tensor,
    unseen: torch.Tensor,
    cosines: torch.Tensor,
    sines: torch.Tensor,
) -> tuple[torch.Tensor, BlockPassed]:
    shape, rows = model.shape, unseen.shape[0]

    def linear(group: int, values: torch.Tensor) -> tuple[torch.Tensor, Passed]:
        return block.groups[group].forward(values, parts[group], kept[group])

    attention_norm = rms_norm(hidden, model.epsilon)
    joined, first = linear(QUERY_KEY_VALUE, attention_norm.values * block.attention_norm)
    heads = joined.view(
        rows, -1, shape.head_count + 2 * shape.key_value_head_count, shape.head_width
    )
    turned = shape.head_count + shape.key_value_head_count
    turning, normalised = _normalise_heads(heads[:, :, :turned], block, model)
    turning = turning * cosines + turning.roll(shape.head_width // 2, -1) * sines
    attended = attend(
        _grouped(turning[:, :, : shape.head_count], shape),
        turning[:, :, shape.head_count :].transpose(1, 2),
        heads[:, :, turned:].transpose(1, 2),
        unseen,
    )
    mixed, second = linear(ATTENTION_OUTPUT, _ungrouped(attended.outputs, shape))
    hidden = hidden + mixed
    feedforward_norm = rms_norm(hidden, model.epsilon)
    inputs = feedforward_norm.values * block.feedforward_norm
    gates_ups, third = linear(GATE_UP, inputs)
    gates, ups = gates_ups.chunk(2, -1)
    sigmoids = sigmoid(gates)
    activated = gates * sigmoids
    lowered, fourth = linear(DOWN, activated * ups)
    passed = BlockPassed(
        attention_norm,
        normalised,
        (first, second, third, fourth),
        attended,
        feedforward_norm,
        gates,
        ups,
        sigmoids,
        activated,
    )
    return hidden + lowered, passed


def backward(
    model: ExactModel,
    gradient: torch.Tensor,
    batch: Batch,
    parts: Sequence[Sequence[AdapterPart | None]],
    trace: Sequence[BlockPassed],
    sink: GradientSink,
) -> None:
    """Feed the sink with the adapter's gradients, from one at the states before the last norm."""
    cosines, sines = (
        table[: batch.tokens.shape[1], None] for table in (model.cosines, model.sines)
    )
    for number in reversed(range(len(model.blocks))):
        gradient = _backward_block(
            model, number, parts[number], trace[number], gradient, cosines, sines, sink
        )


def _backward_block(
    model: ExactModel,
    number: int,
    parts: Sequence[AdapterPart | None],
    passed: BlockPassed,
    gradient: torch.Tensor,
    cosines: torch.Tensor,
    sines: torch.Tensor,
    sink: GradientSink,
) -> torch.Tensor:
    """The gradient at the block's input; at the first block's, which is frozen, only as it came."""
    block, shape, rows = model.blocks[number], model.shape, passed.attended.outputs.shape[0]

    def linear(group: int, values: torch.Tensor, wanted: bool = True) -> torch.Tensor:
        found = block.groups[group].backward(
            values, passed.linears[group], parts[group], rows, sink, wanted
        )
        return values if found is None else found

    inner = linear(DOWN, gradient)
    gates = silu_backward(inner * passed.ups, passed.gates, passed.sigmoids)
    inner = linear(GATE_UP, torch.cat([gates, inner.mul_(passed.activated)], -1))
    gradient = gradient + rms_norm_backward(inner, block.feedforward_norm, passed.feedforward_norm)
    outputs = linear(ATTENTION_OUTPUT, gradient)
    outputs = outputs.view(rows, -1, shape.head_count, shape.head_width)
    queries, keys, values = attend_backward(_grouped(outputs, shape), passed.attended)
    turning = torch.cat([_ungroup_heads(queries, shape), keys.transpose(1, 2)], 2)
    turning = turning * cosines - turning.roll(shape.head_width // 2, -1) * sines
    turning = _normalise_heads_backward(turning, block, shape, passed.heads)
    joined = torch.cat([turning, values.transpose(1, 2)], 2).flatten(2).flatten(0, 1)
    inner = linear(QUERY_KEY_VALUE, joined, wanted=number > 0)
    if number == 0:
        return gradient
    return gradient + rms_norm_backward(inner, block.attention_norm, passed.attention_norm)


def _grouped(heads: torch.Tensor, shape: ModelShape) -> torch.Tensor:
    """[rows, tokens, heads, width] to [rows, key heads, group * tokens, width]."""
    rows, tokens, _, width = heads.shape
    apart = heads.reshape(rows, tokens, shape.key_value_head_count, -1, width)
    return apart.permute(0, 2, 3, 1, 4).flatten(2, 3)


def _ungroup_heads(heads: torch.Tensor, shape: ModelShape) -> torch.Tensor:
    """The inverse of `_grouped`."""
    group = shape.head_count // shape.key_value_head_count
    apart = heads.view(*heads.shape[:2], group, -1, heads.shape[-1])
    return apart.permute(0, 3, 1, 2, 4).flatten(2, 3)


def _ungrouped(heads: torch.Tensor, shape: ModelShape) -> torch.Tensor:
    """The same as [rows * tokens, heads * width]."""
    return _ungroup_heads(heads, shape).flatten(2).flatten(0, 1)


def _normalise_heads(
    heads: torch.Tensor, block: Block, model: ExactModel
) -> tuple[torch.Tensor, Normalised | None]:
    """Normalise queries and keys head by head, in models that do."""
    weight = _head_weight(block, model.shape)
    if weight is None:
        return heads, None
    normalised = rms_norm(heads, model.epsilon)
    return normalised.values * weight, normalised


def _normalise_heads_backward(
    gradient: torch.Tensor, block: Block, shape: ModelShape, normalised: Normalised | None
) -> torch.Tensor:
    weight = _head_weight(block, shape)
    if weight is None or normalised is None:
        return gradient
    return rms_norm_backward(gradient, weight, normalised)


def _head_weight(block: Block, shape: ModelShape) -> torch.Tensor | None:
    """[heads, width]: the norm's weight of every query and key head."""
    if block.query_norm is None or block.key_norm is None:
        return None
    queries = block.query_norm.expand(shape.head_count, -1)
    return torch.cat([queries, block.key_norm.expand(shape.key_value_head_count, -1)])
