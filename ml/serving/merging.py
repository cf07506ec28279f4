"""Several adapters as one, for a single request.

- `linear` adds the weighted updates exactly: a row of the sum of the ranks holds them side by side
  (PEFT's combination type `cat`).
- `ties` trims each adapter to its largest numbers, elects a sign for each place by weight, and adds
  what agrees (Yadav et al. 2023; PEFT's `ties`, on A and B apart, as PEFT does).

Both are functions of the rows and the recipe alone.  A merge states what share of it each adapter
has, for attribution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from ml.serving.errors import RequestRefused
from ml.serving.layout import RANKS, RowLayout, rank_class
from ml.serving.rows import AdapterRow, new_values
from runtime.arithmetic import split_by_largest_remainder
from runtime.hashing import hasher
from runtime.types import PPB

ADAPTERS_MAX = 8
"""The most adapters of one merge."""
WEIGHT_PPB_MAX = 2 * PPB

Method = Literal["linear", "ties"]

_hash_merge = hasher(b"adapter merge")


@dataclass(frozen=True, slots=True)
class Merge:
    """The recipe of a merge; its order matters only to whom shares are stated."""

    method: Method
    adapters: tuple[bytes, ...]
    """Manifest hashes, each once."""
    weights_ppb: tuple[int, ...]
    density_ppb: int = PPB
    """What part of each adapter `ties` keeps."""

    def hash(self) -> bytes:
        """What the merged row is known by: adapters by content, and all numbers of the recipe."""
        numbers = (self.density_ppb, *self.weights_ppb)
        encoded = b"".join(number.to_bytes(8, "big") for number in numbers)
        return _hash_merge(self.method.encode() + b"".join(self.adapters) + encoded)

    def check(self) -> None:
        """Raise `RequestRefused` for a recipe that cannot be followed."""
        count = len(self.adapters)
        checks = (
            (2 <= count <= ADAPTERS_MAX, "adapters", count, f"2 to {ADAPTERS_MAX} adapters"),
            (len(set(self.adapters)) == count, "adapters", "named twice", "different adapters"),
            (len(self.weights_ppb) == count, "weights", len(self.weights_ppb), f"{count} weights"),
            (
                all(0 < weight <= WEIGHT_PPB_MAX for weight in self.weights_ppb),
                "weights",
                self.weights_ppb,
                f"above 0 and at most {WEIGHT_PPB_MAX // PPB}",
            ),
            (0 < self.density_ppb <= PPB, "density", self.density_ppb / PPB, "above 0, at most 1"),
        )
        for holds, parameter, found, wanted in checks:
            if not holds:
                raise RequestRefused(
                    f"The merge's {parameter}: {found}.",
                    remedy=f"It must be {wanted}.",
                    parameter=parameter,
                )


Place = tuple[torch.Tensor, torch.Tensor]
"""A [rank, inputs] and B transposed [rank, outputs] of one module."""


def merge_rows(merge: Merge, rows: Sequence[AdapterRow], layout: RowLayout) -> AdapterRow:
    """Merge the rows of `merge.adapters`; raises `RequestRefused` if their ranks are too large.

    An adapter's share is the size of what it adds to the linear layers (`linear`), or how much of
    its numbers was kept (`ties`).
    """
    rank_sum = sum(row.rank for row in rows) if merge.method == "linear" else 0
    wanted_rank = max(rank_sum, *(row.rank for row in rows))
    if wanted_rank > RANKS[-1]:
        raise RequestRefused(
            f"The merge's adapters have the ranks {[row.rank for row in rows]}, in all {rank_sum}.",
            remedy=f"A linear merge may have the rank {RANKS[-1]} in all.",
            parameter="adapters",
        )
    rank = rank_class(wanted_rank)
    values = new_values(layout.size(rank))
    targets = layout.places(values, rank)
    sources = [layout.places(row.values, row.rank) for row in rows]
    # Whatever is merged has the scale 1 afterwards.
    factors = [
        weight / PPB * row.scale for weight, row in zip(merge.weights_ppb, rows, strict=True)
    ]
    sizes = [0.0] * len(rows)
    for name, target in targets.items():
        places = [source[name] for source in sources]
        if merge.method == "linear":
            found = _add_linear(target, places, factors)
        else:
            found = _add_ties(target, places, factors, merge.density_ppb / PPB)
        sizes = [size + own for size, own in zip(sizes, found, strict=True)]
    return AdapterRow(merge.hash(), rank, 1.0, values, shares_ppb=_shares(merge, sizes))


def _add_linear(target: Place, places: Sequence[Place], factors: Sequence[float]) -> list[float]:
    """Put the adapters side by side; returns the squared norm of what each adds."""
    start, norms = 0, []
    for (down, up), factor in zip(places, factors, strict=True):
        rank = down.shape[0]
        target[0][start : start + rank].copy_(down)
        torch.mul(up, factor, out=target[1][start : start + rank])
        start += rank
        # |B A|^2 without the product: the sum over (A A^T) * (B^T B).
        norms.append(factor**2 * float(((down @ down.t()) * (up @ up.t())).sum()))
    return norms


def _add_ties(
    target: Place, places: Sequence[Place], factors: Sequence[float], density: float
) -> list[float]:
    """Merge A and B apart; returns how much of each adapter was kept."""
    kept = [0.0] * len(places)
    # A and B share the size of a factor; its sign is B's, as PEFT has it.
    roots = [math.sqrt(abs(factor)) for factor in factors]
    for half in (0, 1):
        signed = [
            math.copysign(root, factor) if half else root
            for root, factor in zip(roots, factors, strict=True)
        ]
        bare = [place[half] for place in places]
        rank = max(tensor.shape[0] for tensor in bare)
        stacked = torch.stack([_padded(_trimmed(tensor, density), rank) for tensor in bare])
        elected = torch.where(stacked.sum(dim=0) >= 0, 1.0, -1.0)
        agrees = stacked.sign() == elected
        weighted = stacked * torch.tensor(signed)[:, None, None] * agrees
        torch.div(weighted.sum(dim=0), agrees.sum(dim=0).clamp_min(1), out=target[half][:rank])
        kept = [
            size + float(own)
            for size, own in zip(kept, weighted.abs().sum(dim=(1, 2)), strict=True)
        ]
    return kept


def _trimmed(tensor: torch.Tensor, density: float) -> torch.Tensor:
    """The tensor with the largest part `density` of its non-zero numbers, the others zero."""
    flat = tensor.reshape(-1)
    count = int(density * int(torch.count_nonzero(flat)))
    order = flat.abs().argsort(descending=True, stable=True)
    return flat.index_fill(0, order[count:], 0.0).view_as(tensor)


def _padded(tensor: torch.Tensor, rank: int) -> torch.Tensor:
    return torch.nn.functional.pad(tensor, (0, 0, 0, rank - tensor.shape[0]))


def _shares(merge: Merge, sizes: Sequence[float]) -> tuple[int, ...]:
    """Split 10**9 by size, in integers; adapters that add nothing at all share by weight."""
    if merge.method == "linear":
        sizes = [math.sqrt(max(size, 0.0)) for size in sizes]
    largest = max(sizes)
    if not largest > 0 or not math.isfinite(largest):
        return tuple(split_by_largest_remainder(PPB, merge.weights_ppb))
    return tuple(split_by_largest_remainder(PPB, [round(PPB * size / largest) for size in sizes]))
