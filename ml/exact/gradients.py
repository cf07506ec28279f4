"""Losses and gradients of rows: the unit is one row, and a batch is a sum of integers.

A row's gradient is rounded to the grid of 2**-40; the gradient of a batch is the integer sum of its
rows' gradients.  So it has the same bits under any micro-batching, order, padding or number of
workers, and the gradient of one row, which attribution needs, is there for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import torch

from ml.errors import OrderInvalid
from ml.exact.adapter import Adapter, AdapterLayout
from ml.exact.linears import AdapterPart, part_table
from ml.exact.loss import IGNORED, row_losses
from ml.exact.model import ExactModel
from ml.exact.network import Batch, BlockPassed, backward, batch_of, forward
from ml.exact.shape import GROUPS
from ml.exact.streams import SHARE_UNITS, kept

GRADIENT_UNITS = 2.0**40
"""A gradient is an integer of 1 / GRADIENT_UNITS."""
ROW_GRADIENT_MAX = 2.0**52
"""The most units of one row's gradient (4,096); beyond is a fault."""
ROWS_MAX = 2**10
"""The most rows of a batch: their sum stays below 2**62."""
LOSS_MAX = 2.0**62
PART_NUMBERS = 2**17
"""How many numbers of a layer's input go through at once: they stay in a core's second cache."""


PartTable = Sequence[Sequence[AdapterPart | None]]
"""What an adapter adds, by layer and group."""


class Fault(IntEnum):
    """Why a row has no gradient; the job ends with the code in its transcript."""

    NONE = 0
    LOSS_NOT_FINITE = 1
    STATE_NOT_FINITE = 2
    GRADIENT_TOO_LARGE = 3
    """Or not finite."""
    ADJOINT_NOT_FINITE = 4
    """On the way back through a training."""
    CONTRIBUTION_TOO_LARGE = 5


def first_fault(*faults: Fault) -> Fault:
    """The fault that counts: the lowest, so that it is the same whatever was computed together."""
    return min((fault for fault in faults if fault), default=Fault.NONE)


class TokenRow(Protocol):
    """A row as tokens."""

    @property
    def ids(self) -> tuple[int, ...]:
        """The tokens."""

    @property
    def labels(self) -> tuple[int, ...]:
        """For each token the one after it where a loss is taken, else `IGNORED`."""


@dataclass(frozen=True, slots=True)
class Dropout:
    """What dropout drops: units of 1/256, by a key for each row of the call."""

    dropped_units: int
    keys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class RowGradients:
    """Every row's own loss and gradient."""

    losses: tuple[int, ...]
    """Integers of 2**-30 nats; 0 where there is a fault."""
    gradients: torch.Tensor
    """int64 [rows, numbers of the adapter] of 2**-40."""
    fault: Fault


@dataclass(frozen=True, slots=True)
class BatchGradient:
    """The sum of rows' losses and gradients."""

    loss: int
    """Sum of the rows' losses in 2**-30 nats; 0 where there is a fault."""
    gradient: torch.Tensor
    """int64 [numbers of the adapter]: the sum of the rows' gradients in 2**-40."""
    row_count: int
    fault: Fault

    def __add__(self, other: BatchGradient) -> BatchGradient:
        """The same of both batches together: any split over workers has the same sum."""
        return _batch(
            self.loss + other.loss,
            self.gradient + other.gradient,
            self.row_count + other.row_count,
            first_fault(self.fault, other.fault),
        )


def row_gradients(
    model: ExactModel, adapter: Adapter, rows: Sequence[TokenRow], dropout: Dropout | None = None
) -> RowGradients:
    """Each row's loss and gradient, in the order of the rows; raises as `batch_gradient`."""
    losses = [0] * len(rows)
    gradients = torch.zeros((len(rows), adapter.layout.size), dtype=torch.int64)
    fault = Fault.NONE
    table = table_of(model, adapter, dropout)
    for part in parts_of(model, rows):
        sink = Sink(adapter.layout, len(part))
        found, part_fault = _run(model, table, rows, part, dropout, sink)
        fault = first_fault(fault, part_fault, sink.fault)
        gradients[part] = sink.units
        for place, loss in zip(part, found, strict=True):
            losses[place] = loss
    return RowGradients(tuple(losses), gradients, fault)


def batch_gradient(
    model: ExactModel, adapter: Adapter, rows: Sequence[TokenRow], dropout: Dropout | None = None
) -> BatchGradient:
    """The sums over at most `ROWS_MAX` rows; raises `OrderInvalid` for rows it cannot take."""
    if len(rows) > ROWS_MAX:
        message = f"A batch of {len(rows)} rows was asked for."
        raise OrderInvalid(message, remedy=f"Use at most {ROWS_MAX} rows a batch.")
    sink = Sink(adapter.layout)
    loss, fault = 0, Fault.NONE
    table = table_of(model, adapter, dropout)
    for part in parts_of(model, rows):
        found, part_fault = _run(model, table, rows, part, dropout, sink)
        loss += sum(found)
        fault = first_fault(fault, part_fault)
    return _batch(loss, sink.units, len(rows), first_fault(fault, sink.fault))


def evaluate(
    model: ExactModel, adapter: Adapter | None, rows: Sequence[TokenRow]
) -> tuple[int, ...]:
    """Each row's loss in 2**-30 nats, in their order; -1 where it is not finite."""
    table = table_of(model, adapter, None)
    losses = [0] * len(rows)
    for part in parts_of(model, rows):
        tokens, labels, lengths = _padded([rows[place] for place in part])
        hidden = forward(model, batch_of(tokens, lengths, _all_kept(model)), table)
        found = row_losses(model, hidden, labels, backward=False)
        for place, units in zip(part, found.units.tolist(), strict=True):
            losses[place] = int(units) if is_loss(units) else -1
    return tuple(losses)


def parts_of(model: ExactModel, rows: Sequence[TokenRow]) -> list[list[int]]:
    """Places of rows that go through together: of similar length, and few enough for the cache.

    It changes no bit of any result, only the time.  Raises `OrderInvalid` for a row that the model
    cannot read.
    """
    for row in rows:
        _check_row(model, row)
    room = max(1, PART_NUMBERS // model.shape.width)
    parts: list[list[int]] = []
    for place in sorted(range(len(rows)), key=lambda place: -len(rows[place].ids)):
        if parts and (len(parts[-1]) + 1) * len(rows[parts[-1][0]].ids) <= room:
            parts[-1].append(place)
        else:
            parts.append([place])
    return parts


def _run(
    model: ExactModel,
    table: PartTable,
    rows: Sequence[TokenRow],
    part: Sequence[int],
    dropout: Dropout | None,
    sink: Sink,
) -> tuple[list[int], Fault]:
    batch, labels = padded_batch(model, table, rows, part, dropout)
    trace: list[BlockPassed] = []
    hidden = forward(model, batch, table, trace)
    losses = row_losses(model, hidden, labels, backward=True)
    units = losses.units.tolist()
    if not all(is_loss(each) for each in units):
        return [0] * len(part), Fault.LOSS_NOT_FINITE
    assert losses.gradient is not None  # noqa: S101 # asked for
    backward(model, losses.gradient, batch, table, trace, sink)
    return [int(each) for each in units], Fault.NONE


def padded_batch(
    model: ExactModel,
    table: PartTable,
    rows: Sequence[TokenRow],
    part: Sequence[int],
    dropout: Dropout | None,
) -> tuple[Batch, torch.Tensor]:
    """The rows at the places of `part` as one batch, and their labels [rows, tokens]."""
    tokens, labels, lengths = _padded([rows[place] for place in part])
    masks = _all_kept(model)
    if dropout is not None:
        keys = [dropout.keys[place] for place in part]
        masks = _kept(table, keys, lengths, tokens.shape[1], dropout.dropped_units)
    return batch_of(tokens, lengths, masks), labels


def _batch(loss: int, gradient: torch.Tensor, row_count: int, fault: Fault) -> BatchGradient:
    """A faulty batch is zeros: what was summed before the fault depends on the machine."""
    if fault:
        return BatchGradient(0, torch.zeros_like(gradient), row_count, fault)
    return BatchGradient(loss, gradient, row_count, fault)


def _check_row(model: ExactModel, row: TokenRow) -> None:
    shape, count = model.shape, len(row.ids)
    taken = [label for label in row.labels if label != IGNORED]
    if not 2 <= count <= shape.positions_max or len(row.labels) != count or not taken:
        message = f"A row has {count} tokens, {len(row.labels)} labels, {len(taken)} with a loss."
        remedy = f"Use rows of 2 to {shape.positions_max} tokens, each with a label."
        raise OrderInvalid(message, remedy=remedy)
    if min(*row.ids, *taken) < 0 or max(*row.ids, *taken) >= shape.vocabulary:
        message = f"A row has a token outside 0 to {shape.vocabulary - 1}."
        raise OrderInvalid(message, remedy="Encode the rows with the model's own tokenizer.")


def table_of(model: ExactModel, adapter: Adapter | None, dropout: Dropout | None) -> PartTable:
    """What an adapter adds under a dropout."""
    share = 1.0 if dropout is None else 1.0 - dropout.dropped_units / SHARE_UNITS
    return part_table([block.groups for block in model.blocks], adapter, share)


class Sink:
    """Rounds gradients to their grid, watches their size, and keeps or adds the rows."""

    def __init__(self, layout: AdapterLayout, row_count: int | None = None) -> None:
        """Keep every one of `row_count` rows apart, or with None their sum."""
        self._layout = layout
        self._apart = row_count is not None
        sizes = (layout.size,) if row_count is None else (row_count, layout.size)
        self.units = torch.zeros(sizes, dtype=torch.int64)
        self.fault = Fault.NONE

    def add(self, layer: int, module: str, part: str, gradients: torch.Tensor) -> None:
        """Add exact float64 gradients [rows, ...] of A or B."""
        scaled = gradients.mul_(GRADIENT_UNITS).round_()
        # Written so that NaN, which compares false, is a fault.
        if not bool(torch.maximum(scaled.amax(), -scaled.amin()) <= ROW_GRADIENT_MAX):
            self.fault = Fault.GRADIENT_TOO_LARGE
            return
        units = scaled.to(torch.int64)
        view = self._layout.view(self.units, layer, module, part)
        view.add_(units if self._apart else units.sum(0))


def _padded(rows: Sequence[TokenRow]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens and labels [rows, tokens], padded on the right, and lengths [rows].

    A label is the token after its position; padding is token 0, and inert.
    """
    lengths = torch.tensor([len(row.ids) for row in rows])
    tokens = torch.zeros((len(rows), int(lengths.max())), dtype=torch.int64)
    labels = torch.full_like(tokens, IGNORED)
    for number, row in enumerate(rows):
        ids = torch.tensor(row.ids, dtype=torch.int64)
        tokens[number, : len(ids)] = ids
        labels[number, : len(ids)] = torch.tensor(row.labels, dtype=torch.int64)
    return tokens, labels, lengths


def _all_kept(model: ExactModel) -> list[list[torch.Tensor | None]]:
    return [[None] * len(GROUPS) for _ in model.blocks]


def _kept(
    table: PartTable,
    keys: Sequence[bytes],
    lengths: torch.Tensor,
    tokens: int,
    dropped_units: int,
) -> list[list[torch.Tensor | None]]:
    """What dropout keeps of the inputs of every adapted group: padding is kept, it is inert."""

    def mask(layer: int, group: int, part: AdapterPart | None) -> torch.Tensor | None:
        if part is None:
            return None
        width = part.down.shape[1]
        result = torch.ones((len(keys), tokens, width), dtype=torch.bool)
        for row, (key, length) in enumerate(zip(keys, lengths.tolist(), strict=True)):
            purpose = f"dropout {layer} {group}"
            result[row, :length] = kept(key, purpose, length, width, dropped_units)
        return result.flatten(0, 1)

    return [
        [mask(layer, group, part) for group, part in enumerate(parts)]
        for layer, parts in enumerate(table)
    ]


def is_loss(units: float) -> bool:
    """Whether a row's loss is one that can be committed to."""
    return 0.0 <= units <= LOSS_MAX
