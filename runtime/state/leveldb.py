"""LevelDB behind a small typed face: plyvel has no annotations, and its errors end here."""

from __future__ import annotations

import fcntl
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import plyvel

from runtime.errors import StoreError

WRITE_BUFFER_BYTES = 4 * 2**20
"""How much LevelDB keeps in memory before it writes a table file: what fits into a core's cache."""
CACHE_BYTES = 32 * 2**20
"""How much of the table files LevelDB keeps in memory."""
OPEN_FILES_MAX = 256
"""How many table files LevelDB keeps open."""

# LevelDB's own names: a log or table file holds data, the others do not; `lost` is what it could
# not repair.
_DATA_SUFFIXES = {".log", ".ldb", ".sst"}
_FIRST_MANIFEST = "MANIFEST-000001"
_OTHER_NAMES = {"CURRENT", "LOCK", "LOG", "LOG.old", "lost"}
_TABLE_LINE = re.compile(rb"^ (\d+):(\d+)\[", re.MULTILINE)
"""Number and length of a table in LevelDB's `sstables` property."""
_GONE = -1
_REMEDY = (
    "See what is left with `openledger db verify`; mend it with `openledger db rebuild`, or begin"
    " anew with `openledger db import` or a backup."
)


class DamagedStore(StoreError):
    """A state directory whose data cannot be trusted."""


class Batch(Protocol):
    """Writes that become visible and durable together."""

    def put(self, key: bytes, value: bytes) -> None:
        """Set a record."""

    def delete(self, key: bytes) -> None:
        """Remove a record, if there is one."""


class Snapshot:
    """The database as it was at one moment; LevelDB keeps overwritten records while it lives.

    It ends when nobody refers to it any more, or with the database.
    """

    def __init__(self, reader: Any, directory: Path) -> None:
        self._reader = reader
        self._directory = directory

    def get(self, key: bytes) -> bytes | None:
        """Return the record of `key`, or `None`."""
        # `_translated` would double the time of a read.
        try:
            value: bytes | None = self._reader.get(key, verify_checksums=True)
        except plyvel.Error as error:
            raise _store_error(error, self._directory) from error
        return value

    def items(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and records from `start` up to, not including, `stop`, in order."""
        with _translated(self._directory), self._iterator(start=start, stop=stop) as items:
            yield from items

    def keys(self, start: bytes, stop: bytes) -> Iterator[bytes]:
        """Yield keys from `start` up to, not including, `stop`, in order."""
        with (
            _translated(self._directory),
            self._iterator(start=start, stop=stop, include_value=False) as keys,
        ):
            yield from keys

    def joined(self, start: bytes, stop: bytes) -> list[bytes]:
        """Return keys without their first byte, each joined with its record, in order."""
        with _translated(self._directory), self._iterator(start=start, stop=stop) as items:
            return [key[1:] + value for key, value in items]

    def _iterator(self, **options: Any) -> Any:
        # A walk over a whole table must not push out what single reads need.
        return self._reader.iterator(verify_checksums=True, fill_cache=False, **options)


class Database(Snapshot):
    """An open LevelDB directory: ordered keys, atomic synced writes, reads checked by CRC."""

    def __init__(self, directory: Path, *, create: bool) -> None:
        """Open `directory`; raises `StoreError` when it is missing, in use or damaged."""
        with _translated(directory):
            database = plyvel.DB(
                str(directory),
                create_if_missing=create,
                write_buffer_size=WRITE_BUFFER_BYTES,
                lru_cache_size=CACHE_BYTES,
                max_open_files=OPEN_FILES_MAX,
                bloom_filter_bits=10,
                # Hashes and signatures do not get shorter: Snappy would save a sixth of the disk
                # and take a sixth of all CPU time, on the core that verifies signatures.
                compression=None,
                # A bad record in the middle of the log is an error, not a silent loss of a block; a
                # record cut short by a killed process is no error.
                paranoid_checks=True,
            )
        super().__init__(database, directory)
        try:
            self._check_tables()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def batch(self, *, sync: bool = True) -> Iterator[Batch]:
        """Write what is put into the batch: all or nothing and, with `sync`, on disk after it."""
        # A transaction: after an exception, plyvel would write what the batch already has.
        with (
            _translated(self._directory),
            self._reader.write_batch(sync=sync, transaction=True) as batch,
        ):
            yield batch

    def check(self, start: bytes, stop: bytes) -> None:
        """Read all records of a range; raises `StoreError` where their CRC does not hold."""
        with _translated(self._directory), self._iterator(start=start, stop=stop) as items:
            deque(items, maxlen=0)

    def _check_tables(self) -> None:
        """Refuse a table that lost its end, before any of its keys is asked for.

        LevelDB opens tables as it needs them.  Files that it does not list may be unfinished.
        """
        for number, length in _TABLE_LINE.findall(self._reader.get_property(b"leveldb.sstables")):
            names = [f"{int(number):06}.ldb", f"{int(number):06}.sst"]
            lengths = [_length(self._directory / name) for name in names]
            if max(lengths) not in {int(length), _GONE}:
                raise damaged(self._directory, f"{names[0]} has not the length it was written with")

    def snapshot(self) -> Snapshot:
        """Return a view of the database that later writes do not change."""
        return Snapshot(self._reader.snapshot(), self._directory)

    def close(self) -> None:
        """Release the directory; a closed database may be closed again."""
        self._reader.close()


def check_directory(directory: Path, *, create: bool) -> None:
    """Refuse what is not ours, so that LevelDB cannot create a store over other people's files."""
    names = _names_in(directory, create=create)
    foreign = sorted(name for name in names if not _is_leveldb_name(name))
    if foreign:
        raise StoreError(
            f"{directory} is not a state directory: it has the file {foreign[0]}.",
            remedy="Give the node an empty or a new --data directory.",
        )
    suffixes = {Path(name).suffix for name in names}
    # LevelDB would open without its log and call lost blocks unwritten.  It makes MANIFEST-000001
    # before its first log and drops it after: with that, there is no log yet.
    lost_log = "CURRENT" in names and ".log" not in suffixes and _FIRST_MANIFEST not in names
    if lost_log or ("CURRENT" not in names and suffixes & _DATA_SUFFIXES):
        raise damaged(directory, f"its {'log' if lost_log else 'file CURRENT'} is missing")
    if "CURRENT" not in names and not create:
        raise StoreError(
            f"There is no chain in {directory}.",
            remedy="Create one with `openledger init`, or give the --data directory of a node.",
        )


def _names_in(directory: Path, *, create: bool) -> set[str]:
    try:
        if create:
            directory.mkdir(parents=True, exist_ok=True)
        return {entry.name for entry in directory.iterdir()}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise StoreError(
            f"The state directory {directory} cannot be used ({error.strerror}).",
            remedy="Give the node a --data directory that this user may write to.",
        ) from error


def _is_leveldb_name(name: str) -> bool:
    stem, suffix = Path(name).stem, Path(name).suffix
    numbered = stem.isdecimal() and (suffix in _DATA_SUFFIXES or suffix == ".dbtmp")
    return numbered or name in _OTHER_NAMES or name.startswith("MANIFEST-")


def _length(path: Path) -> int:
    """The length of a file; a compaction may have removed it since it was listed."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return _GONE


def damaged(directory: Path, reason: str) -> DamagedStore:
    """The error for a directory whose data cannot be trusted."""
    return DamagedStore(f"The state directory {directory} is damaged ({reason}).", remedy=_REMEDY)


def repair(directory: Path) -> None:
    """Let LevelDB save what it can of a damaged directory; the rest goes to its folder `lost`.

    Raises `StoreError`, also when another process uses the directory: LevelDB would not notice.
    """
    try:
        lock = (directory / "LOCK").open("a")
    except OSError as error:
        raise _in_use(directory, str(error.strerror)) from error
    with _translated(directory), lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _in_use(directory, str(error.strerror)) from error
        # Paranoid: otherwise it keeps tables whose blocks do not have their CRC.
        plyvel.repair_db(str(directory), paranoid_checks=True, bloom_filter_bits=10)


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
        return _in_use(directory, reason)
    if isinstance(error, plyvel.CorruptionError):
        return damaged(directory, reason)
    return StoreError(
        f"LevelDB cannot use the state directory {directory} ({reason}).",
        remedy="Check that it exists, that this user may write to it and that the disk has space.",
    )


def _in_use(directory: Path, reason: str) -> StoreError:
    return StoreError(
        f"The state directory {directory} is in use or cannot be locked ({reason}).",
        remedy="Stop the node that uses it, or give another --data directory.",
    )


def _reason(error: Exception) -> str:
    detail = error.args[0] if error.args else error
    return detail.decode(errors="replace") if isinstance(detail, bytes) else str(detail)
