"""Where each number of an adapter lies in its row.

A row is the whole adapter as one contiguous float32 vector, at the rank of its class (8, 16, 32 or
64; what a smaller rank leaves is zero).  Layers that share their input are one *group*.  For every
layer and group the row holds

    down   [rank, modules, inputs]            the A's, a rank of all modules side by side
    up     [modules, rank, outputs]           the B's transposed; one such part for each run of
                                              modules with as many outputs

so that a step multiplies by all A's of a group at once, and by all B's of a run at once.

Prior art: S-LoRA (Sheng et al. 2023) keeps adapters in pages beside the key-value cache; one row
for each adapter is simpler and as fast where adapters are of few ranks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import torch

from ml.serving.base import BaseShape

RANKS = (8, 16, 32, 64)
"""The classes of ranks; an adapter takes the smallest that holds it."""


@dataclass(frozen=True, slots=True)
class Module:
    """A linear layer of a block that an adapter may change."""

    name: str
    """As PEFT writes it behind `layers.N.`"""
    outputs: int


@dataclass(frozen=True, slots=True)
class Group:
    """The modules of a block that share their input."""

    modules: tuple[Module, ...]
    inputs: int

    @property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """(module count, outputs) of each run of neighbours with as many outputs."""
        found = groupby(module.outputs for module in self.modules)
        return tuple((len(list(members)), outputs) for outputs, members in found)


@dataclass(frozen=True, slots=True)
class Part:
    """The views of one layer's group in a row."""

    down: torch.Tensor
    """[rank, modules, inputs]"""
    ups: tuple[torch.Tensor, ...]
    """[modules, rank, outputs] for each run."""


@dataclass(frozen=True)
class RowLayout:
    """The places of all parts in the rows of one base model."""

    shape: BaseShape

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The groups of a block in the order of computation."""
        shape = self.shape
        queries = shape.head_count * shape.head_width
        keys = shape.key_value_head_count * shape.head_width
        attention = (
            Module("self_attn.q_proj", queries),
            Module("self_attn.k_proj", keys),
            Module("self_attn.v_proj", keys),
        )
        gates = (
            Module("mlp.gate_proj", shape.inner_width),
            Module("mlp.up_proj", shape.inner_width),
        )
        return (
            Group(attention, shape.width),
            Group((Module("self_attn.o_proj", shape.width),), queries),
            Group(gates, shape.width),
            Group((Module("mlp.down_proj", shape.width),), shape.inner_width),
        )

    @cached_property
    def numbers_per_rank(self) -> int:
        """How many numbers a row has for each unit of its rank."""
        per_layer = sum(
            len(group.modules) * group.inputs + sum(module.outputs for module in group.modules)
            for group in self.groups
        )
        return per_layer * self.shape.layer_count

    def size(self, rank: int) -> int:
        """How many numbers a row of this rank has."""
        return self.numbers_per_rank * rank

    def parts(self, values: torch.Tensor, rank: int) -> list[list[Part]]:
        """The views into a row's `values`, by layer and group."""
        start = 0

        def take(*sizes: int) -> torch.Tensor:
            nonlocal start
            view = values[start : start + sizes[0] * sizes[1] * sizes[2]].view(*sizes)
            start += view.numel()
            return view

        return [
            [
                Part(
                    take(rank, len(group.modules), group.inputs),
                    tuple(take(count, rank, outputs) for count, outputs in group.runs),
                )
                for group in self.groups
            ]
            for _ in range(self.shape.layer_count)
        ]

    def places(
        self, values: torch.Tensor, rank: int
    ) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """Where A [rank, inputs] and B transposed [rank, outputs] of each module lie in a row.

        By the module's name in the model's body, such as `layers.0.self_attn.q_proj`.
        """
        found = {}
        for number, parts in enumerate(self.parts(values, rank)):
            for group, part in zip(self.groups, parts, strict=True):
                ups = [up for run in part.ups for up in run.unbind()]
                for index, (module, up) in enumerate(zip(group.modules, ups, strict=True)):
                    found[f"layers.{number}.{module.name}"] = (part.down[:, index], up)
        return found


def rank_class(rank: int) -> int:
    """The smallest class that holds `rank`, which is at most the largest."""
    return next(each for each in RANKS if rank <= each)
