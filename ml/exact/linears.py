"""The linear layers of a block that share an input, with their LoRA adapters, forth and back.

The frozen part is an exact product (`ml.exact.products`).  The adapter's part is exact too, in
float64 on both backends: A and B are rounded to 21 bits below the maximum of each matrix, what runs
between them to 21 bits below the token's.  The bounds, with activations of 13 bits:

    A x, and back through B       13 + 21 bits, sums over a width:             width <= 2**19
    B (A x), and back through A   21 + 21 bits, sums over the joined ranks:    3 * rank <= 2**11
    gradients of A and B          13 + 21 bits, sums over a row's tokens:      tokens <= 2**19

A row's gradient of A is `sum over tokens of back[token] * x[token]`: it is taken from the integers
of x that the product used already, each token's scale moved into its `back`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from ml.exact.adapter import Adapter
from ml.exact.grids import absolute_maximum, on_grid, on_row_grid
from ml.exact.products import FrozenMatrix, Rows, rows_of
from ml.exact.shape import MODULES

ADAPTER_BITS = 21
"""Of A, B and what runs between them."""


class GradientSink(Protocol):
    """Takes the gradients of single rows as they come."""

    def add(self, layer: int, module: str, part: str, gradients: torch.Tensor) -> None:
        """Take exact float64 gradients [rows, ...] of A [rank, inputs] or B [outputs, rank]."""


@dataclass(frozen=True, slots=True)
class Up:
    """B of one module."""

    module: str
    outputs: slice
    """Where the module's outputs lie among the group's."""
    matrix: torch.Tensor
    """float64 [outputs, rank], on one grid."""


@dataclass(frozen=True, slots=True)
class AdapterPart:
    """What one adapter adds to one group of one layer."""

    layer: int
    rank: int
    factor: float
    """alpha / rank, over the kept share where there is dropout."""
    down: torch.Tensor
    """float64 [modules * rank, inputs], on one grid."""
    ups: tuple[Up, ...]


@dataclass(slots=True)
class Passed:
    """What the way back reads of the way forth."""

    rows: Rows
    kept: torch.Tensor | None
    """bool [tokens, inputs]: what dropout kept."""
    lows: torch.Tensor | None
    """float32 [tokens, modules * rank]: A x times the factor."""

    def inputs(self) -> torch.Tensor:
        """The float64 integers that reached A."""
        doubles = self.rows.doubles()
        return doubles if self.kept is None else doubles * self.kept


@dataclass(frozen=True, slots=True)
class Returned:
    """What came back through a group of layers."""

    rows: Rows
    """The gradient at the outputs."""
    back: torch.Tensor | None
    """float32 [tokens, modules * rank]: the gradient at A's outputs times the factor."""
    gradient: torch.Tensor
    """float32 [tokens, inputs]: at the inputs; empty where it was not wanted."""


@dataclass(frozen=True, slots=True)
class LinearGroup:
    """Frozen layers side by side."""

    modules: tuple[str, ...]
    outputs: tuple[int, ...]
    matrix: FrozenMatrix
    bias: torch.Tensor | None

    def part_of(self, adapter: Adapter, layer: int, kept_share: float) -> AdapterPart | None:
        """What an adapter adds here, on its grids; None where it changes no module."""
        shape = adapter.layout.shape
        present = [module for module in MODULES if module in shape.target_modules]
        changed = [module for module in self.modules if module in present]
        if not changed:
            return None

        def tensor(module: str, part: str) -> torch.Tensor:
            return adapter.layout.view(adapter.vector, layer, module, part)

        stops = torch.tensor(self.outputs).cumsum(0).tolist()
        places = {
            module: slice(stop - count, stop)
            for module, stop, count in zip(self.modules, stops, self.outputs, strict=True)
        }
        return AdapterPart(
            layer,
            shape.rank,
            shape.alpha / shape.rank / kept_share,
            _on_matrix_grid(torch.cat([tensor(module, "A") for module in changed])),
            tuple(
                Up(module, places[module], _on_matrix_grid(tensor(module, "B")))
                for module in changed
            ),
        )

    def forward(
        self, values: torch.Tensor, part: AdapterPart | None, kept: torch.Tensor | None
    ) -> tuple[torch.Tensor, Passed]:
        """The joined outputs [tokens, outputs] of activations [tokens, inputs]."""
        rows = rows_of(values)
        outputs = self.matrix.times(rows)
        passed = Passed(rows, kept, None)
        if part is not None:
            lows = (passed.inputs() @ part.down.t()).mul_(rows.scales).float().mul_(part.factor)
            passed.lows = lows
            grid = on_row_grid(lows.view(len(lows), -1, part.rank), ADAPTER_BITS)
            for number, up in enumerate(part.ups):
                outputs[:, up.outputs].add_(grid[:, number] @ up.matrix.t())
        result = outputs.float()
        return (result if self.bias is None else result.add_(self.bias)), passed

    def backward(
        self,
        gradient: torch.Tensor,
        passed: Passed,
        part: AdapterPart | None,
        row_count: int,
        sink: GradientSink,
        wanted: bool,
    ) -> torch.Tensor:
        """The gradient at the inputs, of one at the outputs; feeds the sink.

        Unless `wanted`, because nothing before it is trained, it is left out and empty.
        """
        returned = self.returned(gradient, passed, part, wanted)
        if part is not None:
            self._feed(returned, passed, part, row_count, sink)
        return returned.gradient

    def returned(
        self, gradient: torch.Tensor, passed: Passed, part: AdapterPart | None, wanted: bool
    ) -> Returned:
        """The way back of one gradient at the outputs, without the adapter's own gradients."""
        rows = rows_of(gradient)
        result = self.matrix.transposed_times(rows) if wanted else None
        if part is None:
            return Returned(rows, None, torch.empty(0) if result is None else result.float())
        backs = [rows.doubles()[:, up.outputs] @ up.matrix for up in part.ups]
        back = torch.cat(backs, -1).mul_(rows.scales).float().mul_(part.factor)
        if result is None:
            return Returned(rows, back, torch.empty(0))
        lowered = on_row_grid(back, ADAPTER_BITS) @ part.down
        result.add_(lowered if passed.kept is None else lowered.mul_(passed.kept))
        return Returned(rows, back, result.float())

    @staticmethod
    def _feed(
        returned: Returned, passed: Passed, part: AdapterPart, row_count: int, sink: GradientSink
    ) -> None:
        assert returned.back is not None  # noqa: S101 # both ways went through the same part
        assert passed.lows is not None  # noqa: S101 # likewise
        rows = returned.rows
        downs = sums_over_tokens(returned.back, passed.rows.scales, passed.inputs(), row_count)
        for number, up in enumerate(part.ups):
            ranks = slice(number * part.rank, (number + 1) * part.rank)
            sink.add(part.layer, up.module, "A", downs[:, ranks])
            outputs = rows.doubles()[:, up.outputs]
            ups = sums_over_tokens(passed.lows[:, ranks], rows.scales, outputs, row_count)
            sink.add(part.layer, up.module, "B", ups.transpose(1, 2))


def sums_over_tokens(
    left: torch.Tensor, scales: torch.Tensor, integers: torch.Tensor, row_count: int
) -> torch.Tensor:
    """Exact float64 [rows, ranks, width]: over a row's tokens, left * scale * integers summed.

    `left` is float32 [tokens, ranks], rounded to 21 bits below each rank's maximum over the row;
    `scales` [tokens, 1] are those of the integers [tokens, width].
    """
    scaled = (left * scales).view(row_count, -1, left.shape[-1])
    grid = on_grid(scaled, absolute_maximum(scaled, 1), ADAPTER_BITS)
    return grid.transpose(1, 2) @ integers.reshape(row_count, -1, integers.shape[-1])


def part_table(
    groups: Sequence[Sequence[LinearGroup]], adapter: Adapter | None, kept_share: float
) -> list[list[AdapterPart | None]]:
    """What an adapter adds, by layer and group."""
    if adapter is None:
        return [[None] * len(layer) for layer in groups]
    return [
        [group.part_of(adapter, number, kept_share) for group in layer]
        for number, layer in enumerate(groups)
    ]


def _on_matrix_grid(matrix: torch.Tensor) -> torch.Tensor:
    return on_grid(matrix, absolute_maximum(matrix, (0, 1)), ADAPTER_BITS)
