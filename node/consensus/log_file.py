"""The write-ahead log on disk: one file, begun anew with every height."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from consensus.errors import LogError
from consensus.log import LogWriter, Record, recover
from node.closing import Closing
from node.files import sync_directory
from runtime.errors import StoreError

LOG_BYTES_MAX = 256 * 1024 * 1024
"""The largest log that is read on start: the blocks and certificates of a very long height."""


class LogFile(Closing):
    """The open log of one node; use `open`, and `close` it in the end."""

    def __init__(self, descriptor: int, path: Path, data: bytes) -> None:
        """Take over an open file that holds `data`; raises `LogError` if it is damaged."""
        if len(data) > LOG_BYTES_MAX:
            message = f"The log {path} has more than {LOG_BYTES_MAX} bytes."
            raise LogError(message, remedy="Move it away; the node will only observe a while.")
        self._descriptor = descriptor
        self._path = path
        recovered = recover(data)
        self._height = 0 if recovered is None else recovered.height
        self._records = () if recovered is None else recovered.records
        self._writer = LogWriter(self._height, len(self._records))
        os.ftruncate(descriptor, 0 if recovered is None else recovered.valid_bytes)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create a log; raises `LogError` if it is damaged, `StoreError` if unreadable."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            sync_directory(path.parent)
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(LOG_BYTES_MAX + 1)
        except OSError as error:
            raise _unusable(path, error) from error
        try:
            return cls(descriptor, path, data)
        except BaseException:
            os.close(descriptor)
            raise

    def close(self) -> None:
        """Release the file."""
        os.close(self._descriptor)

    def records_of(self, height: int) -> tuple[Record, ...]:
        """What was logged of a height before the start; what is of another one is over."""
        return self._records if height == self._height else ()

    def begin(self, height: int) -> None:
        """Log `height` from now on; the records of any other are forgotten."""
        if height == self._height:
            return
        try:
            os.ftruncate(self._descriptor, 0)
        except OSError as error:
            raise _unusable(self._path, error) from error
        self._height, self._records = height, ()
        self._writer = LogWriter(height)

    def append(self, record: Record) -> None:
        """Write a record, which is safe after the next `flush`; raises `StoreError`."""
        try:
            left = memoryview(self._writer.frame(record).encode())
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError as error:
            raise _unusable(self._path, error) from error

    def flush(self) -> None:
        """Have all records on disk; raises `StoreError`."""
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise _unusable(self._path, error) from error
        self._writer.flushed()


def _unusable(path: Path, error: OSError) -> StoreError:
    message = f"The log {path} cannot be used: {error.strerror}."
    return StoreError(message, remedy="Make room on the disk, or make the file readable.")
