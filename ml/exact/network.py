"""A forward pass over whole rows, and the hand-ordered way back.

Rows are padded on the right, and padding is inert: whatever a layer gives it is replaced by zeros,
no earlier token sees it, and its gradients are exactly zero.  So it moves no scale and spreads no
infinity.  Where gradients meet they are added in the order
written here, two at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

Linear = Callable[[int, torch.Tensor], tuple[torch.Tensor, Passed]]
"""A group of a block's linear layers, by its index, on activations [tokens, inputs]."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded rows and where their tokens are."""

    tokens: torch.Tensor
    """int64 [rows, tokens]"""
    padding: torch.Tensor | None
    """bool [rows * tokens, 1]; None where all rows are equally long."""
    unseen: torch.Tensor
    """bool [tokens, tokens]: what a query may not see."""
    kept: Sequence[Sequence[torch.Tensor | None]]
    """By layer and group, bool [rows * tokens, inputs]: what dropout keeps."""


@dataclass(frozen=True, slots=True)
class BlockPassed:
    """What the way back through one block reads."""

    heads: Heads
    attended: Attended
    fed: Fed


def batch_of(
    tokens: torch.Tensor,
    lengths: torch.Tensor,
    kept: Sequence[Sequence[torch.Tensor | None]],
) -> Batch:
    """Padded int64 tokens [rows, tokens] and how many of each row are real."""
    index = torch.arange(tokens.shape[1])
    padding = (index >= lengths[:, None]).view(-1, 1)
    future = index > index[:, None]
    return Batch(tokens, padding if bool(padding.any()) else None, future, kept)


def forward(
    model: ExactModel,
    batch: Batch,
    parts: Sequence[Sequence[AdapterPart | None]],
    trace: list[BlockPassed] | None = None,
) -> torch.Tensor:
    """The states [rows * tokens, width] before the last norm; fills `trace` for the way back."""
    hidden = model.embedding[batch.tokens.reshape(-1)]
    if batch.padding is not None:
        hidden.masked_fill_(batch.padding, 0.0)
    tables = tables_of(model, 0, batch.tokens.shape[1])
    for block, part, kept in zip(model.blocks, parts, batch.kept, strict=True):
        linear = linear_of(block, part, kept, batch.padding)
        heads = heads_of(model, block, linear, hidden, tables)
        attended = attend(heads.queries, heads.keys, heads.values, batch.unseen)
        hidden, fed = feed(model, block, linear, hidden, attended.outputs)
        if trace is not None:
            trace.append(BlockPassed(heads, attended, fed))
    return hidden


def tables_of(model: ExactModel, start: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines [count, 1, head width] of the positions from `start`."""
    places = slice(start, start + count)
    return model.cosines[places, None], model.sines[places, None]


def linear_of(
    block: Block,
    parts: Sequence[AdapterPart | None],
    kept: Sequence[torch.Tensor | None],
    padding: torch.Tensor | None,
) -> Linear:
    """The block's groups of linear layers, by their index; padding comes out as zeros."""

    def linear(group: int, values: torch.Tensor) -> tuple[torch.Tensor, Passed]:
        outputs, passed = block.groups[group].forward(values, parts[group], kept[group])
        return outputs if padding is None else outputs.masked_fill_(padding, 0.0), passed

    return linear


@dataclass(frozen=True, slots=True)
class Heads:
    """What attention reads of some tokens, and what led to it."""

    queries: torch.Tensor
    """float32 [rows, key heads, group * tokens, width]"""
    keys: torch.Tensor
    """float32 [rows, key heads, tokens, width]"""
    values: torch.Tensor
    norm: Normalised
    head_norm: Normalised | None
    """Queries and keys before their norm's weight, where the model has one."""
    linear: Passed


@dataclass(frozen=True, slots=True)
class Fed:
    """What the way back reads of a block behind its attention."""

    attention_output: Passed
    norm: Normalised
    gate_up: Passed
    gates: torch.Tensor
    ups: torch.Tensor
    sigmoids: torch.Tensor
    activated: torch.Tensor
    """gates * sigmoids"""
    down: Passed


def heads_of(
    model: ExactModel,
    block: Block,
    linear: Linear,
    hidden: torch.Tensor,
    tables: tuple[torch.Tensor, torch.Tensor],
) -> Heads:
    """Queries, keys and values of states [rows * tokens, width], turned by the positions' tables.

    `tables` are cosines and sines [tokens, 1, head width].
    """
    shape, tokens = model.shape, len(tables[0])
    norm = rms_norm(hidden, model.epsilon)
    joined, passed = linear(QUERY_KEY_VALUE, norm.values * block.attention_norm)
    heads = joined.view(-1, tokens, joined.shape[-1] // shape.head_width, shape.head_width)
    turned = shape.head_count + shape.key_value_head_count
    turning, head_norm = _normalise_heads(heads[:, :, :turned], block, model)
    queries, keys = turn(turning, tables, shape)
    return Heads(
        queries,
        keys,
        heads[:, :, turned:].transpose(1, 2),
        norm,
        head_norm,
        passed,
    )


def feed(
    model: ExactModel, block: Block, linear: Linear, hidden: torch.Tensor, attended: torch.Tensor
) -> tuple[torch.Tensor, Fed]:
    """The block's states behind what its heads attended to (as the queries)."""
    mixed, attention_output = linear(ATTENTION_OUTPUT, ungrouped(attended, model.shape))
    hidden = hidden + mixed
    norm = rms_norm(hidden, model.epsilon)
    joined, gate_up = linear(GATE_UP, norm.values * block.feedforward_norm)
    gates, ups = joined.chunk(2, -1)
    sigmoids = sigmoid(gates)
    activated = gates * sigmoids
    lowered, down = linear(DOWN, activated * ups)
    fed = Fed(attention_output, norm, gate_up, gates, ups, sigmoids, activated, down)
    return hidden + lowered, fed


def backward(
    model: ExactModel,
    gradient: torch.Tensor,
    batch: Batch,
    parts: Sequence[Sequence[AdapterPart | None]],
    trace: Sequence[BlockPassed],
    sink: GradientSink,
) -> None:
    """Feed the sink with the adapter's gradients, from one at the states before the last norm."""
    tables = tables_of(model, 0, batch.tokens.shape[1])
    for number in reversed(range(len(model.blocks))):
        gradient = _backward_block(
            model, number, parts[number], trace[number], gradient, tables, sink
        )


def _backward_block(
    model: ExactModel,
    number: int,
    parts: Sequence[AdapterPart | None],
    passed: BlockPassed,
    gradient: torch.Tensor,
    tables: tuple[torch.Tensor, torch.Tensor],
    sink: GradientSink,
) -> torch.Tensor:
    """The gradient at the block's input; the first block's input is frozen and gets none."""
    block, shape, heads, fed = model.blocks[number], model.shape, passed.heads, passed.fed
    rows = len(heads.keys)

    def linear(group: int, past: Passed, values: torch.Tensor, wanted: bool = True) -> torch.Tensor:
        return block.groups[group].backward(values, past, parts[group], rows, sink, wanted)

    inner = linear(DOWN, fed.down, gradient)
    gates = silu_backward(inner * fed.ups, fed.gates, fed.sigmoids)
    inner = linear(GATE_UP, fed.gate_up, torch.cat([gates, inner.mul_(fed.activated)], -1))
    gradient = gradient + rms_norm_backward(inner, block.feedforward_norm, fed.norm)
    outputs = linear(ATTENTION_OUTPUT, fed.attention_output, gradient)
    outputs = outputs.view(rows, -1, shape.head_count, shape.head_width)
    queries, keys, values = attend_backward(grouped(outputs, shape), passed.attended)
    turning = turn_back(queries, keys, tables, shape)
    turning = _normalise_heads_backward(turning, block, shape, heads.head_norm)
    joined = torch.cat([turning, values.transpose(1, 2)], 2).flatten(2).flatten(0, 1)
    inner = linear(QUERY_KEY_VALUE, heads.linear, joined, wanted=number > 0)
    if number == 0:
        return inner
    return gradient + rms_norm_backward(inner, block.attention_norm, heads.norm)


def turn(
    heads: torch.Tensor, tables: tuple[torch.Tensor, torch.Tensor], shape: ModelShape
) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and keys from [rows, tokens, heads, width], turned by their positions."""
    turned = heads * tables[0] + heads.roll(shape.head_width // 2, -1) * tables[1]
    queries = grouped(turned[:, :, : shape.head_count], shape)
    return queries, turned[:, :, shape.head_count :].transpose(1, 2)


def turn_back(
    queries: torch.Tensor,
    keys: torch.Tensor,
    tables: tuple[torch.Tensor, torch.Tensor],
    shape: ModelShape,
) -> torch.Tensor:
    """The gradient [rows, tokens, heads, width] before `turn`, of those behind it."""
    turned = torch.cat([ungroup_heads(queries, shape), keys.transpose(1, 2)], 2)
    return turned * tables[0] - turned.roll(shape.head_width // 2, -1) * tables[1]


def grouped(heads: torch.Tensor, shape: ModelShape) -> torch.Tensor:
    """[rows, tokens, heads, width] to [rows, key heads, group * tokens, width]."""
    rows, tokens, _, width = heads.shape
    apart = heads.reshape(rows, tokens, shape.key_value_head_count, -1, width)
    return apart.permute(0, 2, 3, 1, 4).flatten(2, 3)


def ungroup_heads(heads: torch.Tensor, shape: ModelShape) -> torch.Tensor:
    """The inverse of `_grouped`."""
    group = shape.head_count // shape.key_value_head_count
    apart = heads.view(*heads.shape[:2], group, -1, heads.shape[-1])
    return apart.permute(0, 3, 1, 2, 4).flatten(2, 3)


def ungrouped(heads: torch.Tensor, shape: ModelShape) -> torch.Tensor:
    """The same as [rows * tokens, heads * width]."""
    return ungroup_heads(heads, shape).flatten(2).flatten(0, 1)


def _normalise_heads(
    heads: torch.Tensor, block: Block, model: ExactModel
) -> tuple[torch.Tensor, Normalised | None]:
    """Normalise queries and keys head by head, in models that do."""
    weight = head_weight(block, model.shape)
    if weight is None:
        return heads, None
    normalised = rms_norm(heads, model.epsilon)
    return normalised.values * weight, normalised


def _normalise_heads_backward(
    gradient: torch.Tensor, block: Block, shape: ModelShape, normalised: Normalised | None
) -> torch.Tensor:
    weight = head_weight(block, shape)
    if weight is None or normalised is None:
        return gradient
    return rms_norm_backward(gradient, weight, normalised)


def head_weight(block: Block, shape: ModelShape) -> torch.Tensor | None:
    """[heads, width]: the norm's weight of every query and key head."""
    if block.query_norm is None or block.key_norm is None:
        return None
    queries = block.query_norm.expand(shape.head_count, -1)
    return torch.cat([queries, block.key_norm.expand(shape.key_value_head_count, -1)])
