"""How rows' losses change along directions: the slope of each, and the sum of Hessians times it.

The hand-ordered passes of `ml.exact.network` are differentiated along each direction
(`ml.exact.tangents`): once forward and back as in training, and beside it, for every direction, the
change of all that they compute.  Like a gradient, a row's slope and its product are integers of its
own, so a batch has the same bits under any micro-batching, order or number of workers.

A direction is scaled by a power of two to magnitudes below 1, where the grids lie, and its results
are scaled back: so its size does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ml.exact.adapter import Adapter
from ml.exact.attention import attend_backward
from ml.exact.elementary import Normalised, rms_norm_backward, silu_backward
from ml.exact.gradients import (
    GRADIENT_UNITS,
    Dropout,
    Fault,
    PartTable,
    Sink,
    TokenRow,
    first_fault,
    padded_batch,
    parts_of,
    table_of,
)
from ml.exact.grids import EXPONENT_MIN, exponent_of
from ml.exact.linears import Passed, Returned
from ml.exact.loss import LossTangents, loss_tangents
from ml.exact.model import ExactModel
from ml.exact.network import (
    ATTENTION_OUTPUT,
    DOWN,
    GATE_UP,
    QUERY_KEY_VALUE,
    Batch,
    BlockPassed,
    Fed,
    forward,
    grouped,
    head_weight,
    tables_of,
    turn,
    turn_back,
    ungrouped,
)
from ml.exact.tangents import (
    Along,
    AttendedTangent,
    attend_backward_tangent,
    attend_tangent,
    feed_tangent,
    linear_backward_tangent,
    linear_tangent,
    norm_backward_tangent,
    norm_tangent,
    silu_backward_tangent,
)


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
    """Slopes and curvature along finite float32 directions [directions, numbers]."""
    scales = _scales(directions)
    table, turns = _tables(model, adapter, directions.double() / scales, dropout)
    sinks = [Sink(adapter.layout) for _ in turns]
    found = torch.zeros((len(turns), len(rows)), dtype=torch.float64)
    for part in parts_of(model, rows):
        batch, labels = padded_batch(model, table, rows, part, dropout)
        found[:, part] = _Pass(model, batch, table, turns).run(labels, sinks)
    fault = first_fault(*(sink.fault for sink in sinks))
    if not bool(torch.isfinite(found).all()):
        fault = first_fault(fault, Fault.GRADIENT_TOO_LARGE)
    units = torch.stack([sink.units for sink in sinks]).double()
    return Curvature(found.mul_(scales), units.mul_(scales).mul_(1 / GRADIENT_UNITS), fault)


def slopes(
    model: ExactModel,
    adapter: Adapter,
    rows: Sequence[TokenRow],
    directions: torch.Tensor,
    dropout: Dropout | None = None,
) -> torch.Tensor:
    """The slopes of `curvature` alone, without a way back; not finite where there is a fault."""
    scales = _scales(directions)
    table, turns = _tables(model, adapter, directions.double() / scales, dropout)
    found = torch.zeros((len(turns), len(rows)), dtype=torch.float64)
    for part in parts_of(model, rows):
        batch, labels = padded_batch(model, table, rows, part, dropout)
        found[:, part] = _Pass(model, batch, table, turns).forward(labels)[0].slopes
    return found.mul_(scales)


def _tables(
    model: ExactModel, adapter: Adapter, directions: torch.Tensor, dropout: Dropout | None
) -> tuple[PartTable, list[PartTable]]:
    """What the adapter adds, and what each direction does."""
    layout = adapter.layout
    turns = [Adapter(layout, direction) for direction in directions.float()]
    return table_of(model, adapter, dropout), [table_of(model, turn, dropout) for turn in turns]


def _scales(directions: torch.Tensor) -> torch.Tensor:
    """float64 [directions, 1]: the powers of two above the largest magnitudes."""
    exponents = exponent_of(directions.abs().amax(-1, keepdim=True)).clamp_(min=EXPONENT_MIN)
    return torch.ldexp(torch.ones_like(exponents, dtype=torch.float64), exponents)


@dataclass(frozen=True, slots=True)
class _BlockMoved:
    """The change of what a block computed, in one direction; as `BlockPassed`."""

    norm: Normalised
    head_norm: Normalised | None
    linear: Passed
    attended: AttendedTangent
    attention_output: Passed
    fed_norm: Normalised
    gate_up: Passed
    gates: torch.Tensor
    ups: torch.Tensor
    activated: torch.Tensor
    down: Passed


@dataclass(frozen=True, slots=True)
class _BlockBack:
    """What a block's way back computed."""

    down: Returned
    gate_up: Returned
    attention_output: Returned
    outputs: torch.Tensor
    """The gradient at attention's outputs, as the queries."""
    turned: torch.Tensor
    """The gradient at queries and keys before they were turned."""
    linear: Returned


class _Pass:
    """One part of a batch, forward and back, and its change along every direction."""

    def __init__(
        self, model: ExactModel, batch: Batch, table: PartTable, turns: Sequence[PartTable]
    ) -> None:
        self._model = model
        self._batch = batch
        self._table = table
        self._turns = turns
        self._tables = tables_of(model, 0, batch.tokens.shape[1])
        self._trace: list[BlockPassed] = []

    def forward(self, labels: torch.Tensor) -> tuple[LossTangents, list[list[_BlockMoved]]]:
        """The rows' slopes, and by direction the change of all blocks."""
        hidden = forward(self._model, self._batch, self._table, self._trace)
        moved = [self._forward(turns, hidden) for turns in self._turns]
        changes = [change for change, _trace in moved]
        found = loss_tangents(self._model, hidden, labels, changes)
        return found, [trace for _change, trace in moved]

    def run(self, labels: torch.Tensor, sinks: Sequence[Sink]) -> torch.Tensor:
        """Feed the sinks with the rows' products; the slopes [directions, rows] are returned."""
        found, moved = self.forward(labels)
        if not bool(torch.isfinite(found.slopes).all()):
            return found.slopes
        gradient, changes = found.gradient, list(found.changes)
        for number in reversed(range(len(self._trace))):
            gradient, back = self._block_back(number, gradient)
            for place, trace in enumerate(moved):
                changes[place] = self._block_back_moved(
                    number, place, back, trace[number], changes[place], sinks[place]
                )
        return found.slopes

    def _along(self, number: int, group: int, turns: PartTable) -> Along | None:
        part, direction = self._table[number][group], turns[number][group]
        return None if part is None or direction is None else Along(part, direction)

    def _forward(
        self, turns: PartTable, hidden: torch.Tensor
    ) -> tuple[torch.Tensor, list[_BlockMoved]]:
        """The change of the last states, and of all blocks."""
        change, trace = torch.zeros_like(hidden), []
        for number in range(len(self._trace)):
            change, moved = self._block(number, turns, change)
            trace.append(moved)
        return change, trace

    def _linear(
        self, number: int, group: int, past: Passed, turns: PartTable, change: torch.Tensor
    ) -> tuple[torch.Tensor, Passed]:
        layers = self._model.blocks[number].groups[group]
        outputs, moved = linear_tangent(layers, past, self._along(number, group, turns), change)
        padding = self._batch.padding
        return outputs if padding is None else outputs.masked_fill_(padding, 0.0), moved

    def _block(
        self, number: int, turns: PartTable, hidden: torch.Tensor
    ) -> tuple[torch.Tensor, _BlockMoved]:
        """The change of a block's states, by that of the states before it."""
        block, shape, passed = self._model.blocks[number], self._model.shape, self._trace[number]
        heads, fed = passed.heads, passed.fed
        norm = norm_tangent(hidden, heads.norm)
        inputs = norm.values * block.attention_norm
        joined, linear = self._linear(number, QUERY_KEY_VALUE, heads.linear, turns, inputs)
        parts = joined.view(
            len(heads.keys), -1, joined.shape[-1] // shape.head_width, shape.head_width
        )
        turning = parts[:, :, : shape.head_count + shape.key_value_head_count]
        weight, head_norm = head_weight(block, shape), None
        if weight is not None and heads.head_norm is not None:
            head_norm = norm_tangent(turning, heads.head_norm)
            turning = head_norm.values * weight
        queries, keys = turn(turning, self._tables, shape)
        values = parts[:, :, shape.head_count + shape.key_value_head_count :].transpose(1, 2)
        attended = attend_tangent(passed.attended, queries, keys, values)
        mixed, attention_output = self._linear(
            number,
            ATTENTION_OUTPUT,
            fed.attention_output,
            turns,
            ungrouped(attended.outputs, shape),
        )
        hidden = hidden + mixed
        fed_norm = norm_tangent(hidden, fed.norm)
        inputs = fed_norm.values * block.feedforward_norm
        joined, gate_up = self._linear(number, GATE_UP, fed.gate_up, turns, inputs)
        gates, ups = joined.chunk(2, -1)
        activated = silu_backward(gates, fed.gates, fed.sigmoids)
        inner = (activated * fed.ups).add_(fed.activated * ups)
        lowered, down = self._linear(number, DOWN, fed.down, turns, inner)
        moved = _BlockMoved(
            norm,
            head_norm,
            linear,
            attended,
            attention_output,
            fed_norm,
            gate_up,
            gates,
            ups,
            activated,
            down,
        )
        return hidden + lowered, moved

    def _returned(
        self, number: int, group: int, past: Passed, gradient: torch.Tensor, *, wanted: bool = True
    ) -> Returned:
        layers = self._model.blocks[number].groups[group]
        return layers.returned(gradient, past, self._table[number][group], wanted)

    def _block_back(self, number: int, gradient: torch.Tensor) -> tuple[torch.Tensor, _BlockBack]:
        """The gradient at the block's input, as `network.backward` finds it, and what led to it."""
        block, shape = self._model.blocks[number], self._model.shape
        heads, fed = self._trace[number].heads, self._trace[number].fed
        down = self._returned(number, DOWN, fed.down, gradient)
        gates = silu_backward(down.gradient * fed.ups, fed.gates, fed.sigmoids)
        inner = torch.cat([gates, down.gradient * fed.activated], -1)
        gate_up = self._returned(number, GATE_UP, fed.gate_up, inner)
        gradient = gradient + rms_norm_backward(gate_up.gradient, block.feedforward_norm, fed.norm)
        output = self._returned(number, ATTENTION_OUTPUT, fed.attention_output, gradient)
        outputs = self._grouped(output.gradient)
        queries, keys, values = attend_backward(outputs, self._trace[number].attended)
        turned = turn_back(queries, keys, self._tables, shape)
        turning, weight = turned, head_weight(block, shape)
        if weight is not None and heads.head_norm is not None:
            turning = rms_norm_backward(turned, weight, heads.head_norm)
        joined = torch.cat([turning, values.transpose(1, 2)], 2).flatten(2).flatten(0, 1)
        linear = self._returned(number, QUERY_KEY_VALUE, heads.linear, joined, wanted=number > 0)
        back = _BlockBack(down, gate_up, output, outputs, turned, linear)
        if number == 0:
            return linear.gradient, back
        return gradient + rms_norm_backward(linear.gradient, block.attention_norm, heads.norm), back

    def _grouped(self, outputs: torch.Tensor) -> torch.Tensor:
        shape, rows = self._model.shape, len(self._batch.tokens)
        return grouped(outputs.view(rows, -1, shape.head_count, shape.head_width), shape)

    def _block_back_moved(
        self,
        number: int,
        place: int,
        back: _BlockBack,
        moved: _BlockMoved,
        change: torch.Tensor,
        sink: Sink,
    ) -> torch.Tensor:
        """The change of the gradient at the block's input, by that of the one at its output."""
        block, shape, passed = self._model.blocks[number], self._model.shape, self._trace[number]
        heads, fed = passed.heads, passed.fed

        def linear(
            group: int,
            past: tuple[Passed, Returned, Passed],
            change: torch.Tensor,
            *,
            wanted: bool = True,
        ) -> torch.Tensor:
            forth, returned, forth_moved = past
            along = self._along(number, group, self._turns[place])
            found = linear_backward_tangent(
                block.groups[group], returned, along, forth_moved, change, wanted=wanted
            )
            if along is not None:
                rows = len(self._batch.tokens)
                feed_tangent(forth, returned, along.part, forth_moved, found, rows, sink)
            return found.gradient

        inner = linear(DOWN, (fed.down, back.down, moved.down), change)
        inner = _gates_back_moved(fed, moved, back.down.gradient, inner)
        inner = linear(GATE_UP, (fed.gate_up, back.gate_up, moved.gate_up), inner)
        change = change + norm_backward_tangent(
            back.gate_up.gradient, inner, block.feedforward_norm, fed.norm, moved.fed_norm
        )
        past = (fed.attention_output, back.attention_output, moved.attention_output)
        outputs = self._grouped(linear(ATTENTION_OUTPUT, past, change))
        queries, keys, values = attend_backward_tangent(
            back.outputs, outputs, passed.attended, moved.attended
        )
        turned = turn_back(queries, keys, self._tables, shape)
        weight = head_weight(block, shape)
        if weight is not None and heads.head_norm is not None and moved.head_norm is not None:
            turned = norm_backward_tangent(
                back.turned, turned, weight, heads.head_norm, moved.head_norm
            )
        joined = torch.cat([turned, values.transpose(1, 2)], 2).flatten(2).flatten(0, 1)
        past = (heads.linear, back.linear, moved.linear)
        inner = linear(QUERY_KEY_VALUE, past, joined, wanted=number > 0)
        if number == 0:
            return inner
        return change + norm_backward_tangent(
            back.linear.gradient, inner, block.attention_norm, heads.norm, moved.norm
        )


def _gates_back_moved(
    fed: Fed, moved: _BlockMoved, gradient: torch.Tensor, change: torch.Tensor
) -> torch.Tensor:
    """The change at gates and ups, by that of the gradient at their product."""
    gates = silu_backward_tangent(
        gradient * fed.ups,
        (change * fed.ups).add_(gradient * moved.ups),
        fed.gates,
        moved.gates,
        fed.sigmoids,
    )
    ups = (change * fed.activated).add_(gradient * moved.activated)
    return torch.cat([gates, ups], -1)
