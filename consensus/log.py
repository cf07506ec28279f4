"""The write-ahead log of one height: what must survive a crash before anything signed leaves.

    record := magic, payload length, height, sequence, durable, checksum, payload

`sequence` counts the records of the height from 0; `durable` is how many of them were on disk
when this one was written.  The checksum covers everything but the magic and itself.  A crash may
tear or lose whatever was not flushed, in any order, and nothing else.  So the records up to the
first bad one are replayed (W3), and that is all there was unless a later record says that the bad
one had been on disk: then the log is damaged, and its validator must not sign.

With the next height the file begins anew; what is left of a height before is of no use, and is
told apart by its height.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias

from consensus.errors import LogError
from consensus.messages import BlockBytes
from consensus.votes import Certificate, Vote
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.hashing import hasher
from runtime.types import Hash

MAGIC = b"OLW\x01"
RECORD_BYTES_MAX = 8 * 1024 * 1024
RECORDS_MAX = 65_536
"""The most records of one height."""
CHECKSUM_BYTES = 8
_HEAD = struct.Struct("<4sIQII")
_FRAME_BYTES = _HEAD.size + CHECKSUM_BYTES

_checksum = hasher(b"consensus log")


@dataclass(frozen=True, slots=True)
class KeptBlock:
    """A block this validator proposed, or voted for: it must not be lost with the others' power."""

    block_id: Hash
    block: BlockBytes


Record: TypeAlias = Vote | Certificate | KeptBlock
_TYPES: tuple[type[Record], ...] = (Vote, Certificate, KeptBlock)


@dataclass(frozen=True, slots=True)
class Frame:
    """A record with its place in the log."""

    height: int
    sequence: int
    durable: int
    record: Record

    def encode(self) -> bytes:
        """The bytes to append."""
        kind = _TYPES.index(type(self.record))
        payload = bytes([kind]) + codec_of(type(self.record)).encode(self.record)
        head = _HEAD.pack(MAGIC, len(payload), self.height, self.sequence, self.durable)
        return head + _checksum(head + payload)[:CHECKSUM_BYTES] + payload


class LogWriter:
    """Frames the records of one height; the caller writes them and says when they are safe."""

    def __init__(self, height: int, count: int = 0) -> None:
        """Go on after `count` records, all of which are on disk."""
        self.height = height
        self._count = self._durable = count

    def frame(self, record: Record) -> Frame:
        """What to append for a record; raises `LogError` beyond the limit."""
        if self._count >= RECORDS_MAX:
            message = f"Height {self.height} has {RECORDS_MAX} records in the log."
            raise LogError(message, remedy="The network does not agree: ask its operators.")
        frame = Frame(self.height, self._count, self._durable, record)
        self._count += 1
        return frame

    def flushed(self) -> None:
        """Note that everything framed so far is on disk."""
        self._durable = self._count


@dataclass(frozen=True, slots=True)
class RecoveredLog:
    """The records of the log's height, and the length in bytes of what holds them."""

    height: int
    records: tuple[Record, ...]
    valid_bytes: int


def recover(data: bytes) -> RecoveredLog | None:
    """Return what a log's bytes hold (W3); `None` if it is empty.

    Raises `LogError` if a record is damaged that had been on disk before the crash.
    """
    records: list[Record] = []
    height, offset = 0, 0
    while (parsed := _parse(data, offset)) is not None:
        head, record = parsed
        if records and (head.height, head.sequence) != (height, len(records)):
            break
        if not records and head.sequence != 0:
            break
        height = head.height
        records.append(record)
        offset = head.end
    _check_tail(data, offset, height, len(records))
    return RecoveredLog(height, tuple(records), offset) if records else None


@dataclass(frozen=True, slots=True)
class _Head:
    height: int
    sequence: int
    durable: int
    end: int


def _parse(data: bytes, offset: int) -> tuple[_Head, Record] | None:
    """The whole, undamaged record at an offset."""
    if len(data) - offset < _FRAME_BYTES:
        return None
    magic, length, height, sequence, durable = _HEAD.unpack_from(data, offset)
    start = offset + _FRAME_BYTES
    if magic != MAGIC or not 0 < length <= min(RECORD_BYTES_MAX, len(data) - start):
        return None
    checksum = data[start - CHECKSUM_BYTES : start]
    payload = data[start : start + length]
    head = data[offset : offset + _HEAD.size]
    if _checksum(head + payload)[:CHECKSUM_BYTES] != checksum or payload[0] >= len(_TYPES):
        return None
    try:
        record: Record = codec_of(_TYPES[payload[0]]).decode(payload[1:])
    except DecodeError:
        return None
    return _Head(height, sequence, durable, start + length), record


def _check_tail(data: bytes, offset: int, height: int, count: int) -> None:
    """Raise `LogError` if a record behind the first bad one says that this one had been on disk."""
    position = data.find(MAGIC, offset)
    while position != -1:
        parsed = _parse(data, position)
        if parsed is not None:
            head, _ = parsed
            if (count == 0 or head.height == height) and head.durable > count:
                message = f"Record {count} of height {head.height} is damaged in the log."
                remedy = "Restore the data directory, or start the node with a new signer file."
                raise LogError(message, remedy=remedy)
        position = data.find(MAGIC, position + 1)
