"""Weights: what a call may cost, as counts that are metered and one scalar for fees and blocks.

A weight is a promise.  Reads, writes, hashes and bytes are metered while the call runs, and a call
that takes more than it declares is rolled back; computation is measured by `openledger pallet
bench`, because a clock has no place in a state transition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

READ_NS = 3_000
"""Reference cost of one distinct storage entry read, in nanoseconds."""
WRITE_NS = 9_000
"""Reference cost of one distinct storage entry written: encoding, tree, database."""
HASH_NS = 600
"""Reference cost of one hash of a short input."""
BYTE_NS = 2
"""Reference cost of one byte that is hashed, sent or stored."""


def units_of(reads: int, writes: int, hashes: int, size_bytes: int) -> int:
    """Return the weight units of what an overlay metered."""
    return reads * READ_NS + writes * WRITE_NS + hashes * HASH_NS + size_bytes * BYTE_NS


@dataclass(frozen=True, slots=True)
class Weight:
    """The most a call costs: distinct storage keys read and written, hashes, bytes, computation."""

    reads: int
    writes: int
    hashes: int = 0
    bytes: int = 0
    """Bytes that are hashed."""
    time_ns: int = 0
    """Computation beside the above, in nanoseconds of the reference machine."""
    units: int = field(init=False, compare=False)
    """All of it in nanoseconds of the reference machine: what fees and block limits count."""

    def __post_init__(self) -> None:
        units = units_of(self.reads, self.writes, self.hashes, self.bytes) + self.time_ns
        object.__setattr__(self, "units", units)

    def __add__(self, other: Weight) -> Weight:
        """The weight of doing both."""
        return Weight(
            reads=self.reads + other.reads,
            writes=self.writes + other.writes,
            hashes=self.hashes + other.hashes,
            bytes=self.bytes + other.bytes,
            time_ns=self.time_ns + other.time_ns,
        )


Weigher = Callable[..., Weight]
"""The weight of a call by its arguments, in the order of the call and without pallet and origin."""
