"""The store: state, blocks, commits and events of a chain in one LevelDB directory.

Each block is ONE synced write batch: values, the index H(key) -> H(value), block, commit, events,
look-up tables and the head.  A killed process therefore leaves the block whole or not at all.  The
Merkle tree is derived data: rebuilt from the index when the store is opened and compared with the
head's state root, so that the store checks itself.  Values are checked by LevelDB's CRC whenever
they are read.

For the last `HISTORY_HEIGHTS` heights since the store was opened, the tree and a LevelDB snapshot
are kept: path copying and snapshots share everything that did not change.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from runtime.errors import InvariantViolation, StoreError
from runtime.hashing import ZERO_HASH, hash_state_key, hash_state_value
from runtime.state.leveldb import Database, Snapshot
from runtime.state.proof import prove_entry
from runtime.state.tree import Tree
from runtime.wire.receipts import StateEntry

HISTORY_HEIGHTS = 256
"""How many heights, the head included, can be proved."""
KEYS_LIMIT_MAX = 1_000
"""The most keys of one page."""

# One byte in front of every key: the table it belongs to.
_VALUE, _INDEX, _BLOCK, _COMMIT, _EVENTS = b"v", b"i", b"b", b"c", b"e"
_HEIGHT, _EXTRINSIC, _META = b"h", b"x", b"m"
_FORMAT_KEY = _META + b"format"
_HEAD_KEY = _META + b"head"
_FORMAT = b"openledger store 1"
_HEIGHT_BYTES = 8
_POSITION_BYTES = 4
_HASH_BYTES = 32

# LevelDB's own names: a log or table file holds data, the others do not.
_DATA_SUFFIXES = {".log", ".ldb", ".sst"}
_FIRST_MANIFEST = "MANIFEST-000001"
_OTHER_NAMES = {"CURRENT", "LOCK", "LOG", "LOG.old"}

StorageChanges: TypeAlias = Mapping[bytes, bytes | None]
"""Storage keys with their new values, or with `None` to remove them."""


class UnknownHeight(StoreError):
    """A height whose state is not kept."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last committed block."""

    height: int
    block_id: bytes
    state_root: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """Changes on top of the head whose root is known, and that are not committed yet."""

    changes: StorageChanges
    index: tuple[tuple[bytes, bytes | None], ...]
    """The changes as (key hash, value hash)."""
    parent: Tree
    tree: Tree

    @property
    def root(self) -> bytes:
        """The 32-byte state root after the changes."""
        return self.tree.root


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """What is stored of a block beside its effect on the state."""

    height: int
    block_id: bytes
    block: bytes
    commit: bytes
    events: bytes
    extrinsic_hashes: tuple[bytes, ...]
    """In the order of the block."""


@dataclass(frozen=True, slots=True)
class _Version:
    """The state at one height."""

    height: int
    tree: Tree
    snapshot: Snapshot


class Store:
    """An open state directory; use `Store.open`, and `close` it in the end."""

    def __init__(self, database: Database, head: Head | None, tree: Tree) -> None:
        self._database = database
        self._head = head
        self._tree = tree
        self._history: deque[_Version] = deque()
        self._remember()

    @classmethod
    def open(cls, directory: Path, create: bool) -> Store:
        """Open the store in `directory` and check its state against the committed root.

        With `create`, a missing or half-created directory becomes an empty store.  Raises
        `StoreError`.
        """
        _check_directory(directory, create=create)
        database = Database(directory, create=create)
        try:
            _check_format(database, directory)
            head = _load_head(database, directory)
            return cls(database, head, _load_tree(database, head, directory))
        except BaseException:
            database.close()
            raise

    @property
    def head(self) -> Head | None:
        """The last committed block; `None` before genesis."""
        return self._head

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a storage key at the head."""
        return self._database.get(_VALUE + key)

    def keys(self, prefix: bytes, after: bytes | None, limit: int) -> list[bytes]:
        """Return the first `limit` (at most 1,000) keys with `prefix` that follow `after`."""
        # The key that follows `after` at once is `after` with a zero byte.
        start = prefix if after is None else max(prefix, after + b"\x00")
        found = self._database.keys(_VALUE + start, _end_of(_VALUE + prefix))
        return [key[1:] for key in islice(found, min(limit, KEYS_LIMIT_MAX))]

    def prepare(self, changes: StorageChanges) -> Prepared:
        """Return `changes` with the state root they lead to; nothing is written."""
        if b"" in changes.values():
            message = "A storage value is empty, which proofs of absence rely on never to happen."
            raise InvariantViolation(message, remedy="Store an encoding, or remove the key.")
        index = tuple(
            (hash_state_key(key), None if value is None else hash_state_value(value))
            for key, value in changes.items()
        )
        return Prepared(changes, index, self._tree, self._tree.update(index))

    def commit(self, prepared: Prepared, record: BlockRecord) -> None:
        """Write a block and its effects in one synced batch; they are durable on return."""
        expected = 0 if self._head is None else self._head.height + 1
        if prepared.parent is not self._tree or record.height != expected:
            message = (
                f"Block {record.height} was not prepared on the head, whose next is {expected}."
            )
            raise InvariantViolation(message, remedy="This is a bug: report it.")
        head = Head(record.height, record.block_id, prepared.root)
        self._database.write(_batch(prepared, record, head))
        self._head = head
        self._tree = prepared.tree
        self._remember()

    def block(self, height: int) -> bytes | None:
        """Return the encoded block of a height."""
        return self._at_height(_BLOCK, height)

    def commit_certificate(self, height: int) -> bytes | None:
        """Return the encoded certificate that finalised a height."""
        return self._at_height(_COMMIT, height)

    def events(self, height: int) -> bytes | None:
        """Return the encoded events of a height."""
        return self._at_height(_EVENTS, height)

    def height_of(self, block_id: bytes) -> int | None:
        """Return the height of a block."""
        height = self._database.get(_HEIGHT + block_id)
        return None if height is None else int.from_bytes(height, "big")

    def locate_extrinsic(self, extrinsic_hash: bytes) -> tuple[int, int] | None:
        """Return height and index in its block of an included extrinsic."""
        place = self._database.get(_EXTRINSIC + extrinsic_hash)
        if place is None:
            return None
        height, index = place[:_HEIGHT_BYTES], place[_HEIGHT_BYTES:]
        return int.from_bytes(height, "big"), int.from_bytes(index, "big")

    def prove(self, key: bytes) -> StateEntry:
        """Return the proof of a key's value, or of its absence, under the head's state root."""
        return prove_entry(self._tree, key, self.get(key))

    def prove_at(self, key: bytes, height: int) -> StateEntry:
        """Return the same under the state root of `height`; raises `UnknownHeight`."""
        first = self._history[0].height if self._history else 0
        index = height - first
        if not 0 <= index < len(self._history):
            raise UnknownHeight(
                f"The state of height {height} is not kept.",
                remedy=f"Ask for a height from {first} to {first + len(self._history) - 1}.",
            )
        version = self._history[index]
        return prove_entry(version.tree, key, version.snapshot.get(_VALUE + key))

    def close(self) -> None:
        """Release the directory; a closed store may be closed again."""
        while self._history:
            self._history.popleft().snapshot.close()
        self._database.close()

    def _at_height(self, table: bytes, height: int) -> bytes | None:
        if not 0 <= height < 2 ** (8 * _HEIGHT_BYTES):
            return None
        return self._database.get(table + height.to_bytes(_HEIGHT_BYTES, "big"))

    def _remember(self) -> None:
        if self._head is None:
            return
        self._history.append(_Version(self._head.height, self._tree, self._database.snapshot()))
        if len(self._history) > HISTORY_HEIGHTS:
            self._history.popleft().snapshot.close()


def _batch(
    prepared: Prepared, record: BlockRecord, head: Head
) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield every write of one block."""
    height = record.height.to_bytes(_HEIGHT_BYTES, "big")
    for key, value in prepared.changes.items():
        yield _VALUE + key, value
    for key_hash, value_hash in prepared.index:
        yield _INDEX + key_hash, value_hash
    yield _BLOCK + height, record.block
    yield _COMMIT + height, record.commit
    yield _EVENTS + height, record.events
    yield _HEIGHT + record.block_id, height
    for index, extrinsic_hash in enumerate(record.extrinsic_hashes):
        yield _EXTRINSIC + extrinsic_hash, height + index.to_bytes(_POSITION_BYTES, "big")
    yield _HEAD_KEY, height + head.block_id + head.state_root


def _check_directory(directory: Path, *, create: bool) -> None:
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
        raise _damaged(directory, f"its {'log' if lost_log else 'file CURRENT'} is missing")
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


def _check_format(database: Database, directory: Path) -> None:
    """Check the format mark, and set it on a database that has nothing in it yet."""
    mark = database.get(_FORMAT_KEY)
    if mark is None and next(database.items(b"", b"\xff" * 64), None) is None:
        database.write([(_FORMAT_KEY, _FORMAT)])
    elif mark != _FORMAT:
        raise StoreError(
            f"The LevelDB directory {directory} is not a store of this version.",
            remedy="Give the node another --data directory, or the version that wrote this one.",
        )


def _load_head(database: Database, directory: Path) -> Head | None:
    data = database.get(_HEAD_KEY)
    if data is None:
        return None
    if len(data) != _HEIGHT_BYTES + 2 * _HASH_BYTES:
        raise _damaged(directory, "its head record has a wrong length")
    height = int.from_bytes(data[:_HEIGHT_BYTES], "big")
    block_id = data[_HEIGHT_BYTES : _HEIGHT_BYTES + _HASH_BYTES]
    return Head(height, block_id, data[_HEIGHT_BYTES + _HASH_BYTES :])


def _load_tree(database: Database, head: Head | None, directory: Path) -> Tree:
    """Rebuild the tree from the index and compare it with the head's root."""
    tree = Tree().update((key[1:], value) for key, value in database.items(_INDEX, _end_of(_INDEX)))
    if tree.root != (ZERO_HASH if head is None else head.state_root):
        raise _damaged(directory, "its state does not lead to the committed state root")
    return tree


def _damaged(directory: Path, reason: str) -> StoreError:
    return StoreError(
        f"The state directory {directory} is damaged: {reason}.",
        remedy="Restore it from a backup, or move it away and synchronise again.",
    )


def _end_of(prefix: bytes) -> bytes:
    """The first key after all keys with `prefix`, whose first byte is a table and never 0xff."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1])
