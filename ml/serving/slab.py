"""The slots: adapters in the very place where a step reads them.

Slot i of every tensor here belongs to row i of the batch, so that a decoding step multiplies by
views of the slab and copies no weights (copying them into a batch each step is what made the plain
bmm variant of S-LoRA slow).  Beyond an adapter's own rank a slot is zero, so adapters of different
ranks share one product at the largest rank among them, and a row without adapter adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ml.serving.layout import RANKS, Part, RowLayout
from ml.serving.rows import AdapterRow

Rows = slice | torch.Tensor
"""Which slots a batch is made of: the first ones, or an index."""
Prepare = Callable[[RowLayout, AdapterRow], torch.Tensor]
"""The numbers of a row as a slot holds them."""


def as_it_is(_layout: RowLayout, row: AdapterRow) -> torch.Tensor:
    """A row's own numbers."""
    return row.values


@dataclass(frozen=True, slots=True)
class SlotAdapters:
    """The adapters of one batch, added to what the base layers give."""

    parts: Sequence[Sequence[Part]]
    rows: Rows
    rank: int
    """The largest rank in the batch; 0 if no row has an adapter."""
    scales: torch.Tensor
    """float32 [rows]: alpha / rank of each."""

    def add_to(
        self, outputs: torch.Tensor, inputs: torch.Tensor, layer: int, group: int
    ) -> torch.Tensor:
        """Add each row's update to `outputs` [rows, tokens, outputs of the group] in place."""
        if self.rank == 0:
            return outputs
        part = self.parts[layer][group]
        count, tokens, _ = inputs.shape
        # One product for each eight ranks: kernels differ with the width, and a neighbour of a
        # larger rank must not change the bits of an adapter.
        narrow = torch.cat(
            [
                torch.bmm(inputs, down.flatten(1, 2).transpose(1, 2))
                for start in range(0, self.rank, RANKS[0])
                for down in [part.down[self.rows, start : start + RANKS[0]]]
            ],
            dim=-1,
        ).mul_(self.scales[:, None, None])
        # [rows, tokens, rank, modules] -> [rows, modules, tokens, rank]
        by_module = narrow.view(count, tokens, self.rank, -1).permute(0, 3, 1, 2)
        module, start = 0, 0
        for up in part.ups:
            modules, width = up.shape[1], up.shape[3]
            weights = up[self.rows, :, : self.rank].flatten(0, 1)
            these = by_module[:, module : module + modules].reshape(-1, tokens, self.rank)
            update = torch.bmm(these, weights).view(count, modules, tokens, width)
            place = outputs[..., start : start + modules * width]
            place.view(count, tokens, modules, width).add_(update.transpose(1, 2))
            module, start = module + modules, start + modules * width
        return outputs


class Slab:
    """The adapters in all slots; used by the stepping thread alone."""

    def __init__(
        self,
        layout: RowLayout,
        slot_count: int,
        rank_max: int,
        device: torch.device,
        dtype: torch.dtype,
        prepare: Prepare,
    ) -> None:
        """Reserve room for `slot_count` adapters of rank `rank_max`, zero at first."""
        self._layout = layout
        self._prepare = prepare

        def room(*sizes: int) -> torch.Tensor:
            # numpy's zeros take no memory before they are written, torch's do at once: most slots
            # never hold the largest rank.
            zeros = torch.from_numpy(np.zeros((slot_count, *sizes, dtype.itemsize), dtype=np.uint8))
            return zeros.view(dtype).squeeze(-1).to(device)

        self._parts = [
            [
                Part(
                    room(rank_max, len(group.modules), group.inputs),
                    tuple(room(count, rank_max, outputs) for count, outputs in group.runs),
                )
                for group in layout.groups
            ]
            for _ in range(layout.shape.layer_count)
        ]
        self._adapters: list[bytes | None] = [None] * slot_count
        self._ranks = [0] * slot_count
        self._scales = torch.ones(slot_count, device=device)

    def adapter_in(self, slot: int) -> bytes | None:
        """The key of the adapter that the slot holds."""
        return self._adapters[slot]

    def place(self, slot: int, row: AdapterRow | None) -> None:
        """Let the slot hold `row`, or nothing; it costs a copy unless it already does."""
        key, rank = (None, 0) if row is None else (row.key, row.rank)
        if self._adapters[slot] == key:
            return
        former_rank, self._ranks[slot], self._adapters[slot] = self._ranks[slot], rank, key
        if rank < former_rank:
            for part in self._each_part():
                part.down[slot, rank:former_rank].zero_()
                for up in part.ups:
                    up[slot, :, rank:former_rank].zero_()
        if row is None:
            return
        self._scales[slot] = row.scale
        values = self._prepare(self._layout, row)
        for layer, layer_parts in enumerate(self._layout.parts(values, rank)):
            for target, source in zip(self._parts[layer], layer_parts, strict=True):
                target.down[slot, :rank].copy_(source.down)
                for up, from_up in zip(target.ups, source.ups, strict=True):
                    up[slot, :, :rank].copy_(from_up)

    def move(self, source: int, target: int) -> None:
        """Copy what slot `source` holds into slot `target`."""
        if self._adapters[source] == self._adapters[target]:
            return
        rank = max(self._ranks[source], self._ranks[target])
        for part in self._each_part():
            part.down[target, :rank].copy_(part.down[source, :rank])
            for up in part.ups:
                up[target, :, :rank].copy_(up[source, :, :rank])
        self._adapters[target] = self._adapters[source]
        self._ranks[target] = self._ranks[source]
        self._scales[target] = self._scales[source]

    def adapters_of(self, slots: Sequence[int], occupied: Sequence[int]) -> SlotAdapters:
        """The adapters of a batch whose row n is slot `slots[n]`; only `occupied` ones matter."""
        rank = max((self._ranks[slot] for slot in occupied), default=0)
        first, count = slots[0], len(slots)
        neighbours = list(slots) == list(range(first, first + count))
        rows: Rows = slice(first, first + count) if neighbours else torch.tensor(slots)
        return SlotAdapters(self._parts, rows, rank, self._scales[rows])

    def _each_part(self) -> Sequence[Part]:
        return [part for layer in self._parts for part in layer]
