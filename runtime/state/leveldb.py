"""LevelDB behind a small typed face: plyvel has no annotations, and its errors end here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import plyvel

from runtime.errors import StoreError

WRITE_BUFFER_BYTES = 16 * 2**20
"""How much LevelDB keeps in memory before it writes a table file."""
CACHE_BYTES = 32 * 2**20
"""How much of the table files LevelDB keeps uncompressed in memory."""
OPEN_FILES_MAX = 256
"""How many table files LevelDB keeps open."""


class _Reader(Protocol):
    """What we use of `plyvel.DB` and of its snapshots."""

    def get(self, key: bytes, *, verify_checksums: bool) -> bytes | None: ...

    def close(self) -> None: ...


class Snapshot:
    """The database as it was at one moment; it costs nothing until overwritten values pile up."""

    def __init__(self, snapshot: _Reader, directory: Path) -> None:
        self._snapshot = snapshot
        self._directory = directory

    def get(self, key: bytes) -> bytes | None:
        """Return the value that `key` had at that moment."""
        with _translated(self._directory):
            return self._snapshot.get(key, verify_checksums=True)

    def close(self) -> None:
        """Let LevelDB forget overwritten values again."""
        self._snapshot.close()


class Database:
    """An open LevelDB directory: ordered keys, atomic synced writes, reads checked by CRC."""

    def __init__(self, directory: Path, *, create: bool) -> None:
        """Open `directory`; raises `StoreError` when it is missing, in use or damaged."""
        self._directory = directory
        with _translated(directory):
            self._database = plyvel.DB(
                str(directory),
                create_if_missing=create,
                write_buffer_size=WRITE_BUFFER_BYTES,
                lru_cache_size=CACHE_BYTES,
                max_open_files=OPEN_FILES_MAX,
                bloom_filter_bits=10,
                # A bad record in the middle of the log is an error, not a silent loss of a block; a
                # record cut short by a killed process is no error.
                paranoid_checks=True,
            )

    def get(self, key: bytes) -> bytes | None:
        """Return the value of `key`, or `None`."""
        with _translated(self._directory):
            value: bytes | None = self._database.get(key, verify_checksums=True)
            return value

    def items(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values from `start` up to, not including, `stop`, in order."""
        with (
            _translated(self._directory),
            self._database.iterator(start=start, stop=stop, verify_checksums=True) as items,
        ):
            yield from items

    def keys(self, start: bytes, stop: bytes) -> Iterator[bytes]:
        """Yield keys from `start` up to, not including, `stop`, in order."""
        with (
            _translated(self._directory),
            self._database.iterator(
                start=start, stop=stop, include_value=False, verify_checksums=True
            ) as keys,
        ):
            yield from keys

    def write(self, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Put every value, and delete every key with `None`: all or nothing, on disk on return."""
        with _translated(self._directory), self._database.write_batch(sync=True) as batch:
            for key, value in changes:
                if value is None:
                    batch.delete(key)
                else:
                    batch.put(key, value)

    def snapshot(self) -> Snapshot:
        """Return a view of the database that later writes do not change."""
        return Snapshot(self._database.snapshot(), self._directory)

    def close(self) -> None:
        """Release the directory; a closed database may be closed again."""
        self._database.close()


@contextmanager
def _translated(directory: Path) -> Iterator[None]:
    """Turn plyvel's errors into a `StoreError` that says what to do."""
    try:
        yield
    except plyvel.Error as error:
        raise _store_error(error, directory) from error


def _store_error(error: Exception, directory: Path) -> StoreError:
    reason = _reason(error)
    if "lock" in reason.lower() and isinstance(error, plyvel.IOError):
        return StoreError(
            f"The state directory {directory} is in use or cannot be locked ({reason}).",
            remedy="Stop the other node that uses it, or give this one another --data directory.",
        )
    if isinstance(error, plyvel.CorruptionError):
        return StoreError(
            f"The state directory {directory} is damaged ({reason}).",
            remedy="Restore it from a backup, or move it away and synchronise again.",
        )
    return StoreError(
        f"LevelDB cannot use the state directory {directory} ({reason}).",
        remedy="Check that it exists, that this user may write to it and that the disk has space.",
    )


def _reason(error: Exception) -> str:
    detail = error.args[0] if error.args else error
    return detail.decode(errors="replace") if isinstance(detail, bytes) else str(detail)
