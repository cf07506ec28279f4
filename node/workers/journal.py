"""An append-only file of records that are on disk before anybody acts on them.

    frame = length (4 bytes) | CRC-32 of the length (4) | CRC-32 of the payload (4) | payload

Invariants, in the manner of every write-ahead log since ARIES (1992):

- `append` returns after fsync; only then may its effect leave the process.  So all frames but the
  last were durable once, and a power cut can tear the last one only.
- Opening drops exactly such a torn tail: a frame that ends after the file does, or a run of zeros.
  Anything else that does not check is damage: the file is left as it is, and nothing starts on it.
- One process at a time: the file is locked while it is open.

A payload is canonical CBOR of the runtime's codec.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from node.closing import Closing
from node.errors import NodeError
from node.files import write_atomically
from node.locks import lock
from runtime.codec import decode, encode

RECORD_BYTES_MAX = 16 * 1024 * 1024
"""The largest payload."""
JOURNAL_BYTES_MAX = 16 * 1024**3
"""The largest file: a full journal refuses records instead of filling the disk."""
_FRAME = struct.Struct(">III")


class JournalError(NodeError):
    """The journal cannot be used."""


class JournalDamaged(JournalError):
    """A record before the last one does not check."""


class JournalFull(JournalError):
    """The record, or all records together, are larger than allowed."""


class Journal(Closing):
    """Durable records in the order they were appended."""

    def __init__(self, path: Path) -> None:
        """Open or create the file and drop a torn tail.

        Raises `InUse`, `JournalDamaged` and, for a folder that cannot be written,
        `JournalError`.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                write_atomically(path, b"", path.parent)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            message = f"The journal {path} cannot be opened: {error.strerror}."
            raise JournalError(
                message, remedy="Choose a folder that this user may write."
            ) from error
        try:
            lock(self._descriptor, path)
            self._size_bytes = self._recover()
        except BaseException:
            os.close(self._descriptor)
            raise

    def close(self) -> None:
        """Close the file; every record is on disk already."""
        # Whoever still holds the journal must not write into the next file with this number.
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def append(self, record: Sequence[Any]) -> int:
        """Write one record durably and return its offset; raises `JournalFull`."""
        payload = encode(list(record))
        frame_bytes = _FRAME.size + len(payload)
        if len(payload) > RECORD_BYTES_MAX or self._size_bytes + frame_bytes > JOURNAL_BYTES_MAX:
            message = f"A record of {len(payload)} bytes does not fit the journal {self.path}."
            raise JournalFull(message, remedy="Settle what is open, then move the journal away.")
        length = struct.pack(">I", len(payload))
        head = _FRAME.pack(len(payload), zlib.crc32(length), zlib.crc32(payload))
        offset = self._size_bytes
        try:
            _write_all(self._descriptor, head + payload, offset)
            os.fsync(self._descriptor)
        except OSError as error:
            # Whatever part of the frame arrived must not be followed by another one.
            os.ftruncate(self._descriptor, offset)
            message = f"The journal {self.path} cannot be written: {error.strerror}."
            raise JournalError(message, remedy="Make room on the disk and start again.") from error
        self._size_bytes += frame_bytes
        return offset

    def read(self, offset: int) -> list[Any]:
        """The record at an offset that `append` or `records` has given."""
        payload = self._payload_at(offset, self._size_bytes)
        if payload is None:
            raise self._damaged(offset)
        return _record(payload)

    def records(self) -> Iterator[tuple[int, list[Any]]]:
        """Every record with its offset, oldest first."""
        offset = 0
        while offset < self._size_bytes:
            payload = self._payload_at(offset, self._size_bytes)
            if payload is None:
                raise self._damaged(offset)
            yield offset, _record(payload)
            offset += _FRAME.size + len(payload)

    def _recover(self) -> int:
        """Check all frames, cut a torn tail off, and return the size that stands."""
        size_bytes = os.fstat(self._descriptor).st_size
        offset = 0
        while offset < size_bytes:
            payload = self._payload_at(offset, size_bytes)
            if payload is None:
                os.ftruncate(self._descriptor, offset)
                os.fsync(self._descriptor)
                break
            offset += _FRAME.size + len(payload)
        return offset

    def _payload_at(self, offset: int, size_bytes: int) -> bytes | None:
        """The payload of the frame at `offset`, None for a torn tail; raises `JournalDamaged`."""
        head = os.pread(self._descriptor, _FRAME.size, offset)
        if len(head) < _FRAME.size:
            return None
        length, length_check, payload_check = _FRAME.unpack(head)
        if zlib.crc32(head[:4]) != length_check or length > RECORD_BYTES_MAX:
            if self._is_zero_from(offset, size_bytes):
                return None
            raise self._damaged(offset)
        payload = os.pread(self._descriptor, length, offset + _FRAME.size)
        if len(payload) < length:
            return None
        if zlib.crc32(payload) != payload_check:
            # The last frame may have its size on disk before its bytes.
            if offset + _FRAME.size + length == size_bytes:
                return None
            raise self._damaged(offset)
        return payload

    def _is_zero_from(self, offset: int, size_bytes: int) -> bool:
        """Whether the rest of the file is zeros, and no longer than one frame."""
        rest_bytes = size_bytes - offset
        if rest_bytes > _FRAME.size + RECORD_BYTES_MAX:
            return False
        return not any(os.pread(self._descriptor, rest_bytes, offset))

    def _damaged(self, offset: int) -> JournalDamaged:
        message = f"The journal {self.path} is damaged at byte {offset}."
        remedy = "Restore it from a copy; or cut it there, and lose the records that follow."
        return JournalDamaged(message, remedy=remedy)


def _record(payload: bytes) -> list[Any]:
    record = decode(payload)
    if not isinstance(record, list | tuple):
        raise JournalDamaged("A journal record is not a list.", remedy="Restore it from a copy.")
    return list(record)


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    written = 0
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], offset + written)
