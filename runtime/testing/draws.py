"""Where random choices come from: one method, so that a seed and Hypothesis are interchangeable."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol, TypeVar

T = TypeVar("T")

_WORD_BYTES = 8
_CHUNK_BYTES = 64


class Draws(Protocol):
    """A source of choices; smaller integers are the simpler choices."""

    def integer(self, least: int, most: int) -> int:
        """An integer from `least` to `most`, both included."""


def choose(draws: Draws, items: Sequence[T]) -> T:
    """One of at least one item; the first is the simplest."""
    return items[draws.integer(0, len(items) - 1)]


class SeededDraws:
    """Choices that follow from a seed alone, on every machine and version of Python.

    The stream is blake2b of the seed and a counter.  A range takes as many bytes as it has, and 8
    more, so that the bias of the remainder is below 2**-64.
    """

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._counter = 0
        self._buffer = b""

    def integer(self, least: int, most: int) -> int:
        """An integer from `least` to `most`, both included."""
        span = most - least + 1
        count = (span.bit_length() + 7) // 8 + _WORD_BYTES
        while len(self._buffer) < count:
            counter = self._counter.to_bytes(_WORD_BYTES, "big")
            self._buffer += blake2b(counter + self._seed, digest_size=_CHUNK_BYTES).digest()
            self._counter += 1
        drawn, self._buffer = self._buffer[:count], self._buffer[count:]
        return least + int.from_bytes(drawn, "big") % span
