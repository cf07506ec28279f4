"""An adapter as one row of numbers in memory."""

from __future__ import annotations

import mmap
from dataclasses import dataclass

import numpy as np
import torch

NUMBER_BYTES = 4
"""A row is float32."""


@dataclass(frozen=True, slots=True)
class AdapterRow:
    """An adapter, or a merge of some; immutable, so that requests may share it."""

    key: bytes
    """The adapter's manifest hash, or the hash of a merge."""
    rank: int
    """One of `ml.serving.layout.RANKS`."""
    scale: float
    """alpha / rank, which the B's in the row have not as a factor yet."""
    values: torch.Tensor
    """float32 [size], laid out by `ml.serving.layout.RowLayout`."""
    verifiable: bool = False
    """Whether the exact operators read the adapter too: `ml.exact.adapter.load_adapter`."""
    shares_ppb: tuple[int, ...] = ()
    """Of a merge: what part of it each adapter has, together 10**9."""

    @property
    def size_bytes(self) -> int:
        """What the row takes in memory."""
        return self.values.numel() * NUMBER_BYTES


def new_values(size: int) -> torch.Tensor:
    """A float32 vector of zeros for a row, in a mapping of its own.

    Rows come and go by the thousand: malloc's heap would fragment, a mapping is given back whole.
    """
    mapping = mmap.mmap(-1, size * NUMBER_BYTES)
    return torch.from_numpy(np.frombuffer(mapping, dtype=np.float32))
