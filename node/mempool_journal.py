"""The mempool's journal: what a node has acknowledged survives its end, whatever ended it.

An extrinsic is in the journal, and the journal on disk, before its sender hears that the node has
it.  What waits for the disk goes together: the next write begins when the last one ends, so that a
burst costs one fdatasync (a tenth of a millisecond here) for many extrinsics, and a single one
waits for nothing else.  After a start the journal is read back, and what no block has taken
meanwhile is admitted again.

    journal = record...
    record  = length (4 bytes, big-endian), CRC-32 of the extrinsic (4), extrinsic

Reading stops at the first record that is cut or damaged: only the last one can be, by a crash, and
that was not acknowledged.  The file holds what waits and what is over; when more than half of it is
over it is written anew, so that it has at most `JOURNAL_BYTES_MAX`.

Prior art: group commit (DeWitt et al. 1984); geth's transaction journal.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import structlog
import trio

from node.closing import Closing
from node.files import write_atomically
from node.mempool import BYTES_MAX
from runtime.block import EXTRINSIC_BYTES_MAX
from runtime.errors import StoreError

COMPACT_BYTES_MIN = 4 * 1024 * 1024
"""A smaller journal is left as it is."""
JOURNAL_BYTES_MAX = 3 * BYTES_MAX
"""Twice what may wait, and what may arrive while it is written anew."""
_HEAD_BYTES = 8
_NUMBER_BYTES = 4
_log = structlog.get_logger("mempool")


class MempoolJournal(Closing):
    """The open journal of one node; `run` it once, under trio."""

    def __init__(self, path: Path, waiting: Callable[[], Iterable[bytes]]) -> None:
        """Begin a new file with what is `waiting`, which gives it again whenever it is asked.

        Raises `StoreError`.
        """
        self._path = path
        self._waiting = waiting
        self._file: IO[bytes] | None = None
        self._size_bytes = self._compact_bytes = 0
        self._batch: list[bytes] = []
        self._arrived = trio.Event()
        self._written = trio.Event()
        self._rewrite(list(waiting()))

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    async def append(self, extrinsic: bytes) -> None:
        """Return when the extrinsic is on disk."""
        self._batch.append(extrinsic)
        await self.settled()

    async def settled(self) -> None:
        """Return when everything that was appended before is on disk."""
        written = self._written
        self._arrived.set()
        await written.wait()

    async def run(self) -> None:
        """Write until cancelled; raises `StoreError` when the disk takes no more."""
        while True:
            await self._arrived.wait()
            batch, self._batch = self._batch, []
            written, self._written = self._written, trio.Event()
            self._arrived = trio.Event()
            if batch:
                await trio.to_thread.run_sync(self._write, batch)
            written.set()
            if self._size_bytes > self._compact_bytes:
                await trio.to_thread.run_sync(self._rewrite, list(self._waiting()))

    def _write(self, batch: Sequence[bytes]) -> None:
        data = b"".join(map(_record, batch))
        try:
            if self._file is not None:
                self._file.write(data)
                os.fdatasync(self._file.fileno())
        except OSError as error:
            raise _unwritable(error) from error
        self._size_bytes += len(data)

    def _rewrite(self, waiting: Sequence[bytes]) -> None:
        """Replace the file by one with what waits; what is appended meanwhile comes behind it."""
        data = b"".join(map(_record, waiting))
        try:
            write_atomically(self._path, data, self._path.parent)
            self.close()
            self._file = self._path.open("ab", buffering=0)
        except OSError as error:
            raise _unwritable(error) from error
        self._size_bytes = len(data)
        self._compact_bytes = max(COMPACT_BYTES_MIN, 2 * len(data))


def read_journal(path: Path) -> list[bytes]:
    """The extrinsics of a node's last journal, in the order in which they came; none without one.

    Raises `StoreError` if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(JOURNAL_BYTES_MAX)
    except FileNotFoundError:
        return []
    except OSError as error:
        message = f"The mempool's journal {path} cannot be read: {error.strerror}."
        raise StoreError(message, remedy="Make it readable for this user, or remove it.") from error
    records = list(_records(data))
    rest_bytes = len(data) - sum(_HEAD_BYTES + len(each) for each in records)
    if rest_bytes:
        _log.warning("journal ends in the middle of a record", rest_bytes=rest_bytes)
    return records


def _record(extrinsic: bytes) -> bytes:
    head = len(extrinsic).to_bytes(_NUMBER_BYTES, "big")
    return head + zlib.crc32(extrinsic).to_bytes(_NUMBER_BYTES, "big") + extrinsic


def _records(data: bytes) -> Iterator[bytes]:
    position = 0
    while position + _HEAD_BYTES <= len(data):
        length = int.from_bytes(data[position : position + _NUMBER_BYTES], "big")
        checksum = int.from_bytes(data[position + _NUMBER_BYTES : position + _HEAD_BYTES], "big")
        position += _HEAD_BYTES
        extrinsic = data[position : position + length]
        if length > EXTRINSIC_BYTES_MAX or zlib.crc32(extrinsic) != checksum:
            return
        if len(extrinsic) != length:
            return
        position += length
        yield extrinsic


def _unwritable(error: OSError) -> StoreError:
    message = f"The mempool's journal cannot be written: {error.strerror}."
    remedy = "Make room on the disk of the data directory, and start the node again."
    return StoreError(message, remedy=remedy)
