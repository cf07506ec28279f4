"""A node's disk: what survives a crash is what was flushed, and whatever else luck leaves.

Committing a block (W4) and noting a signature (W5) are atomic and durable.  The log is a file that
is appended to: of the bytes after the last flush a crash keeps any part, in any order, torn
anywhere, with zeros in between; beginning it anew is not durable either until it is flushed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from consensus.log import RecoveredLog, recover
from consensus.signer import SignerState
from consensus.sim.chain import Head
from consensus.votes import Certificate

KEPT = 0.5
"""How much of what was not flushed survives a crash."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A block that this node committed, and all that is kept of how it was decided."""

    head: Head
    block: bytes
    certificate: Certificate
    justification: tuple[Certificate, ...]


@dataclass(slots=True)
class Disk:
    """The files of one node."""

    head: Head
    signer: SignerState | None
    """`None` when the signer's file was lost: then nothing is signed any more (W6)."""
    commits: dict[int, Commit] = field(default_factory=dict)
    _flushed: bytes = b""
    """The log as it was flushed last."""
    _base: bytes = b""
    """Where the bytes since then are appended: to the same, or to nothing."""
    _tail: list[bytes] = field(default_factory=list)

    def begin_log(self) -> None:
        """Truncate the log."""
        self._base, self._tail = b"", []

    def append(self, data: bytes) -> None:
        """Write bytes at the log's end."""
        self._tail.append(data)

    def flush(self) -> None:
        """Have the log as it is on disk."""
        self._base += b"".join(self._tail)
        self._tail = []
        self._flushed = self._base

    def read_log(self) -> RecoveredLog | None:
        """What the log holds now; raises `LogError` if it is damaged."""
        return recover(self._base + b"".join(self._tail))

    def recover_log(self) -> RecoveredLog | None:
        """After a start: what the log holds, with everything behind it cut off."""
        recovered = self.read_log()
        valid_bytes = 0 if recovered is None else recovered.valid_bytes
        self._base = (self._base + b"".join(self._tail))[:valid_bytes]
        self._tail = []
        self._flushed = self._base
        return recovered

    def crash(self, random: Random) -> None:
        """Lose power."""
        if self._base != self._flushed and random.random() < KEPT:
            self._base, self._tail = self._flushed, []  # that it was truncated is forgotten
        self._base = self._flushed = self._base + _remains(random, self._tail)
        self._tail = []


def _remains(random: Random, writes: Iterable[bytes]) -> bytes:
    """What is left of writes that were not flushed: some whole, some torn, some only a hole."""
    data = b""
    for write in writes:
        luck = random.random()
        kept = len(write) if luck < KEPT else int(random.random() * len(write))
        data += write[:kept].ljust(len(write), b"\0") if luck < 0.9 else bytes(len(write))
    return data.rstrip(b"\0") if random.random() < KEPT else data
