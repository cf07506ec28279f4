"""Everything random, from SHAKE-128 counter streams.

Torch's generators are never used: what `torch.randn` draws depends on the instruction set.  A
stream is named by a key (of a job, a row, a request) and a purpose; streams of two names are
independent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

_BLOCK_BYTES = 4096
_WORD_BYTES = 8
_WORDS = 2 ** (8 * _WORD_BYTES)
SHARE_UNITS = 256
"""Dropout draws one byte a number, so its share is a multiple of 1/256."""


class CounterStream:
    """Random bits of one purpose: SHAKE-128(key length || key || purpose || 0 || what is drawn)."""

    def __init__(self, key: bytes, purpose: str) -> None:
        """Start the stream of `purpose`, a text without the character 0."""
        self._prefix = len(key).to_bytes(2, "big") + key + purpose.encode() + b"\x00"
        self._words = self._word_stream()

    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound), without modulo bias."""
        limit = _WORDS - _WORDS % bound
        # Each draw succeeds with probability above 1/2, so the loop ends.
        while (word := next(self._words)) >= limit:
            pass
        return word % bound

    def permutation(self, count: int) -> list[int]:
        """A uniform order of 0 .. count - 1 (Fisher and Yates)."""
        items = list(range(count))
        for last in range(count - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]
        return items

    def uniform(self, count: int) -> npt.NDArray[np.float32]:
        """`count` floats on the grid of 2**-23 in [-1, 1): exact in float32 on every machine."""
        raw = hashlib.shake_128(self._prefix + b"uniform").digest(4 * count)
        grid = np.frombuffer(raw, dtype="<u4") >> 8
        return (grid.astype(np.float64) / 2**23 - 1.0).astype(np.float32)

    def bytes(self, count: int) -> npt.NDArray[np.uint8]:
        """`count` uniform bytes; more of them begin with the same."""
        raw = hashlib.shake_128(self._prefix + b"bytes").digest(count)
        return np.frombuffer(raw, dtype=np.uint8)

    def words(self, count: int) -> npt.NDArray[np.uint32]:
        """`count` uniform 32-bit integers; more of them begin with the same."""
        raw = hashlib.shake_128(self._prefix + b"words").digest(4 * count)
        return np.frombuffer(raw, dtype="<u4")

    def _word_stream(self) -> Iterator[int]:
        counter = 0
        while True:
            block = hashlib.shake_128(self._prefix + counter.to_bytes(8, "big")).digest(
                _BLOCK_BYTES
            )
            for start in range(0, _BLOCK_BYTES, _WORD_BYTES):
                yield int.from_bytes(block[start : start + _WORD_BYTES], "big")
            counter += 1


def kept(key: bytes, purpose: str, tokens: int, width: int, dropped_units: int) -> torch.Tensor:
    """Bool [tokens, width]: what dropout of `dropped_units`/256 keeps of one row's activations.

    A token's draws do not depend on how many tokens follow it.
    """
    drawn = CounterStream(key, purpose).bytes(tokens * width)
    return torch.from_numpy(drawn >= dropped_units).view(tokens, width)
