"""A node's disk: what survives a crash is what was flushed, and whatever else luck leaves.

Committing a block (W4) and noting a signature (W5) are atomic and durable.  The log is a file that
is appended to: of the bytes after the last flush a crash keeps any part, in any order, torn
anywhere, with zeros in between; beginning it anew is not durable either until it is flushed.
Frames become bytes when somebody reads them, after a crash or at a fork: most are never read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from consensus.log import Frame, RecoveredLog, recover
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
    _flushed: list[bytes | Frame] = field(default_factory=list)
    """The log as it was flushed last."""
    _base: list[bytes | Frame] = field(default_factory=list)
    """What is appended to since then: the same list, or one that was begun anew."""
    _tail: list[Frame] = field(default_factory=list)

    def begin_log(self) -> None:
        """Truncate the log."""
        self._base, self._tail = [], []

    def append(self, frame: Frame) -> None:
        """Write a frame at the log's end."""
        self._tail.append(frame)

    def flush(self) -> None:
        """Have the log as it is on disk."""
        self._base += self._tail
        self._tail = []
        self._flushed = self._base

    def read_log(self) -> RecoveredLog | None:
        """What the log holds now; raises `LogError` if it is damaged."""
        return recover(_bytes_of((*self._base, *self._tail)))

    def recover_log(self) -> RecoveredLog | None:
        """After a start: what the log holds, with everything behind it cut off."""
        recovered = self.read_log()
        valid_bytes = 0 if recovered is None else recovered.valid_bytes
        self._restore(_bytes_of((*self._base, *self._tail))[:valid_bytes])
        return recovered

    def crash(self, random: Random) -> None:
        """Lose power."""
        if self._base is not self._flushed and self._flushed and random.random() < KEPT:
            self._base, self._tail = self._flushed, []  # that it was truncated is forgotten
        self._restore(_bytes_of(self._base) + _remains(random, self._tail))

    def _restore(self, data: bytes) -> None:
        """Have these bytes as the log, and on disk."""
        self._base = self._flushed = [data] if data else []
        self._tail = []


def _bytes_of(written: Iterable[bytes | Frame]) -> bytes:
    return b"".join([each if isinstance(each, bytes) else each.encode() for each in written])


def _remains(random: Random, frames: Iterable[Frame]) -> bytes:
    """What is left of writes that were not flushed: some whole, some torn, some only a hole."""
    data = b""
    for frame in frames:
        write = frame.encode()
        luck = random.random()
        kept = len(write) if luck < KEPT else int(random.random() * len(write))
        data += write[:kept].ljust(len(write), b"\0") if luck < 0.9 else bytes(len(write))
    return data.rstrip(b"\0") if random.random() < KEPT else data
