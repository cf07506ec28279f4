"""The store: state, blocks, commits and events of a chain in one LevelDB directory.

Each block is ONE synced write batch: values, undo log, block, commit, events, look-up tables and
the head record.  A killed process therefore leaves the block whole or not at all.

The Merkle tree is derived data.  It is rebuilt when the store is opened, from the index
H(key) -> H(value), and compared with the head's state root, so that the store checks itself; the
values are read once, so that their CRC is checked.  The index is derived, too: it is written for
many blocks at once, so that a key that changes in each of them is written once; after a crash, the
undo logs since then name the keys to hash again.

Memory: the tree (about 140 MB for a million keys), `RECENT_CHANGES_MAX` changed paths of older
trees, and two caches of 32 MB with the values that were written and read lately.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Final, TypeAlias, TypeVar

from runtime.block import Block, Header
from runtime.codec import codec_of
from runtime.errors import DecodeError, InvariantViolation, StoreError
from runtime.hashing import (
    ZERO_HASH,
    begin_state_key,
    begin_state_value,
    hash_extrinsic,
    hash_state_key,
    hash_state_value,
)
from runtime.state.history import OldVersions, Pruned, StateAt, Version, View
from runtime.state.leveldb import Batch, Database, Snapshot, check_directory, damaged
from runtime.state.multiproof import prove_entries
from runtime.state.proof import prove_entry
from runtime.state.tables import (
    BLOCK,
    COMMIT,
    EVENTS,
    EXTRINSIC,
    FORMAT,
    FORMAT_KEY,
    HEAD_KEY,
    HEADER,
    HEIGHT,
    HEIGHT_BYTES,
    INDEX,
    METADATA,
    METADATA_BYTES_MAX,
    POSITION_BYTES,
    UNDO,
    VALUE,
    Head,
    HeadRecord,
    Kept,
    Replaced,
    SpecMetadata,
    at_height,
    at_version,
    decode_undo,
    encode_undo,
    end_of,
)
from runtime.state.tree import Tree
from runtime.wire.receipts import StateEntry
from runtime.wire.state_proof import StateProof

__all__ = ["BlockRecord", "Frozen", "Head", "Kept", "Prepared", "Pruned", "Retention", "Store"]

KEYS_LIMIT_MAX = 1_000
"""The most keys of one page."""
INDEX_HEIGHTS_MAX = 64
"""How many blocks may pass until the index is written."""
INDEX_KEYS_MAX = 50_000
"""How many changed keys may wait for that."""
PRUNED_PER_BLOCK_MAX = 2
"""How many old heights a commit removes: more than one, so that a lower limit is reached."""
CACHE_BYTES_MAX = 16 * 2**20
"""The size at which a generation of remembered values ends; two are kept."""
CACHE_ENTRY_BYTES = 200
"""What Python needs for a remembered value beside its bytes."""

StorageChanges: TypeAlias = Mapping[bytes, bytes | None]
"""Storage keys with their new values, or with `None` to remove them."""

T = TypeVar("T")

_UNKNOWN: Final = b""
"""What the caches say of a key they do not have; no value is empty."""


@dataclass(frozen=True, slots=True)
class Retention:
    """For how many heights, the head included, old data is kept; `None`: for ever."""

    state_heights: int | None = None
    """Of values, for reads and proofs at old heights."""
    block_heights: int | None = None
    """Of extrinsics and events; headers and certificates always stay."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Changes on top of the head whose root is known, and that are not committed yet."""

    changes: StorageChanges
    """Those that change something."""
    replaced: Replaced
    """What their keys held before."""
    index: dict[bytes, bytes | None]
    """The changes as key hash -> value hash."""
    values_bytes: int
    """Length of all new values."""
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
class Frozen:
    """The state as of one block, with that block, whatever is committed later."""

    genesis_header: bytes
    block: bytes
    commit: bytes
    events: bytes
    metadata: tuple[SpecMetadata, ...]
    """Of every spec version that the chain had, in order."""
    snapshot: Snapshot

    def values(self) -> Iterator[tuple[bytes, bytes]]:
        """Every storage key and its value, in the order of the keys."""
        for key, value in self.snapshot.items(VALUE, end_of(VALUE)):
            yield key[1:], value


class Store:
    """An open state directory; use `Store.open`, and `close` it in the end.

    `prepare` and `commit` are for one thread at a time; everything else is for any.
    """

    def __init__(
        self,
        database: Database,
        record: HeadRecord | None,
        tree: Tree,
        unindexed: dict[bytes, bytes | None],
        retention: Retention,
    ) -> None:
        self._database = database
        self._record = record
        self._tree = tree
        self._retention = retention
        self._unindexed = unindexed
        # Values written lately, in two generations, and those read since the last commit.  The
        # latter is a new dictionary after each commit, so that a thread that read an old value
        # just before cannot put it where the next block looks.
        self._written: dict[bytes, bytes | None] = {}
        self._written_before: dict[bytes, bytes | None] = {}
        self._written_bytes = 0
        self._read: dict[bytes, bytes | None] = {}
        self._old_versions = OldVersions()
        self._rebuilding = Lock()
        recent = () if record is None else (Version(record.head.height, tree, {}),)
        state_from = 0 if record is None else record.kept.state
        self._view = View(database.snapshot(), state_from, recent)

    @classmethod
    def open(cls, directory: Path, create: bool, retention: Retention | None = None) -> Store:
        """Open the store in `directory` and check its state against the committed root.

        With `create`, a missing or half-created directory becomes an empty store.  Without
        `retention`, everything is kept.  Raises `StoreError`.
        """
        check_directory(directory, create=create)
        database = Database(directory, create=create)
        try:
            check_format(database, directory)
            record = load_record(database, directory)
            tree, unindexed = load_tree(database, record)
            check_root(tree, record, directory)
            database.check(VALUE, end_of(VALUE))
            return cls(database, record, tree, unindexed, retention or Retention())
        except BaseException:
            database.close()
            raise

    @property
    def head(self) -> Head | None:
        """The last committed block; `None` before genesis."""
        return None if self._record is None else self._record.head

    @property
    def kept(self) -> Kept:
        """From which heights on old data is kept."""
        return Kept(0, 0, 0) if self._record is None else self._record.kept

    # Values

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a storage key at the head."""
        value = self._remembered(key)
        if value == _UNKNOWN:
            read = self._read
            value = self._database.get(VALUE + key)
            if len(read) * CACHE_ENTRY_BYTES < CACHE_BYTES_MAX:
                read[key] = value
        return value

    def keys(self, prefix: bytes, after: bytes | None, limit: int) -> list[bytes]:
        """Return the first `limit` (at most 1,000) keys with `prefix` that follow `after`."""
        # The key that follows `after` at once is `after` with a zero byte.
        start = prefix if after is None else max(prefix, after + b"\x00")
        found = self._database.keys(VALUE + start, end_of(VALUE + prefix))
        return [key[1:] for key in islice(found, min(limit, KEYS_LIMIT_MAX))]

    def get_at(self, key: bytes, height: int) -> bytes | None:
        """Return the value of a storage key at a kept height; raises `UnknownHeight`."""
        return self.state_at(height).get(key)

    def state_at(self, height: int) -> StateAt:
        """Return the state of a kept height; raises `UnknownHeight`.

        Rebuilding an old one takes as long as reading all blocks since, and only one is rebuilt at
        a time: call it in a thread.
        """
        with self._rebuilding:
            return self._old_versions.at(self._view, height)

    def freeze(self) -> Frozen:
        """Return the state at the head, for an export; raises `StoreError` before genesis."""
        snapshot = self._database.snapshot()
        data = snapshot.get(HEAD_KEY)
        if data is None:
            raise StoreError("There is no state before genesis.", remedy="Start the node first.")
        height = HeadRecord.decode(data).head.height
        records = [snapshot.get(at_height(table, height)) for table in (BLOCK, COMMIT, EVENTS)]
        block, commit, events = [_needed(record, height) for record in records]
        genesis = _needed(self.header(0), 0).encode()
        metadata = tuple(
            SpecMetadata(int.from_bytes(key[1:], "big"), encoded)
            for key, encoded in snapshot.items(METADATA, end_of(METADATA))
        )
        return Frozen(genesis, block, commit, events, metadata, snapshot)

    # Changing the state

    def prepare(self, changes: StorageChanges) -> Prepared:
        """Return `changes` with the state root they lead to; nothing is written."""
        replaced: dict[bytes, bytes | None] = {}
        index: dict[bytes, bytes | None] = {}
        values_bytes = 0
        written = self._written
        for key, value in changes.items():
            try:
                before = written[key]
            except KeyError:
                before = self._remembered(key)
                if before == _UNKNOWN:
                    before = self._database.get(VALUE + key)
            if value == before:
                continue
            hashing = begin_state_key()
            hashing.update(key)
            key_hash = hashing.digest()
            if value is None:
                index[key_hash] = None
            else:
                if not value:
                    raise _empty_value()
                values_bytes += len(value)
                hashing = begin_state_value()
                hashing.update(value)
                index[key_hash] = hashing.digest()
            replaced[key] = before
        effective = changes
        if len(replaced) < len(changes):
            effective = {key: changes[key] for key in replaced}
        tree = self._tree.update(index.items())
        return Prepared(effective, replaced, index, values_bytes, self._tree, tree)

    def commit(self, prepared: Prepared, record: BlockRecord) -> None:
        """Write a block and its effects in one synced batch; they are durable on return."""
        expected = 0 if self._record is None else self._record.head.height + 1
        if prepared.parent is not self._tree or record.height != expected:
            message = (
                f"Block {record.height} was not prepared on the head, whose next is {expected}."
            )
            raise InvariantViolation(message, remedy="This is a bug: report it.")
        indexed = self._indexed_after(prepared, record.height)
        with self._database.batch() as batch:
            _write_block(batch, prepared, record)
            if indexed == record.height:
                _put_index(batch, self._unindexed | prepared.index)
            kept = self._prune(batch, record.height, indexed)
            head = Head(record.height, record.block_id, prepared.root)
            head_record = HeadRecord(head, indexed, kept)
            batch.put(HEAD_KEY, head_record.encode())
        self._advance(prepared, head_record)

    def close(self) -> None:
        """Release the directory; a closed store may be closed again."""
        try:
            if self._unindexed and self._record is not None:
                self._write_index(self._record)
        finally:
            self._unindexed = {}
            self._database.close()

    # Blocks

    def block(self, height: int) -> bytes | None:
        """Return the encoded block of a height; raises `Pruned`."""
        return self._kept_record(BLOCK, height, self.kept.blocks, "block")

    def header(self, height: int) -> Header | None:
        """Return the header of a height, which outlives its block; raises `Pruned`."""
        encoded = self._at_height(HEADER, height)
        if encoded is not None:
            return codec_of(Header).decode(encoded)
        block = self._kept_record(BLOCK, height, self.kept.headers, "header")
        return None if block is None else codec_of(Block).decode(block).header

    def commit_certificate(self, height: int) -> bytes | None:
        """Return what was committed with the block of how it was decided."""
        return self._at_height(COMMIT, height)

    def events(self, height: int) -> bytes | None:
        """Return the encoded events of a height; raises `Pruned`."""
        return self._kept_record(EVENTS, height, self.kept.blocks, "events")

    def height_of(self, block_id: bytes) -> int | None:
        """Return the height of a block."""
        height = self._database.get(HEIGHT + block_id)
        return None if height is None else int.from_bytes(height, "big")

    def locate_extrinsic(self, extrinsic_hash: bytes) -> tuple[int, int] | None:
        """Return height and index in its block of an included extrinsic, unless it is pruned."""
        place = self._database.get(EXTRINSIC + extrinsic_hash)
        if place is None:
            return None
        height, index = place[:HEIGHT_BYTES], place[HEIGHT_BYTES:]
        return int.from_bytes(height, "big"), int.from_bytes(index, "big")

    # Spec versions

    def metadata(self, spec_version: int) -> bytes | None:
        """Return the metadata of a spec version that this chain had here."""
        return self._database.get(at_version(spec_version))

    def put_metadata(self, spec_version: int, encoded: bytes) -> None:
        """Keep the metadata of a spec version, for ever; raises `StoreError`."""
        if len(encoded) > METADATA_BYTES_MAX:
            message = f"The runtime's metadata have {len(encoded)} bytes."
            remedy = f"Compose fewer pallets: {METADATA_BYTES_MAX} bytes are the most."
            raise StoreError(message, remedy=remedy)
        with self._database.batch() as batch:
            batch.put(at_version(spec_version), encoded)

    # Proofs

    def prove(self, key: bytes) -> StateEntry:
        """Return the proof of a key's value, or of its absence, under the head's state root."""
        return prove_entry(self._tree, key, self.get(key))

    def prove_many_at(self, keys: list[bytes], height: int) -> StateProof:
        """Return one proof of 1 to 1,024 keys at a kept height; raises `UnknownHeight`."""
        state = self.state_at(height)
        return prove_entries(state.tree, {key: state.get(key) for key in keys})

    # Helpers

    def _remembered(self, key: bytes) -> bytes | None:
        value = self._written.get(key, _UNKNOWN)
        if value == _UNKNOWN:
            value = self._written_before.get(key, _UNKNOWN)
            if value == _UNKNOWN:
                value = self._read.get(key, _UNKNOWN)
        return value

    def _indexed_after(self, prepared: Prepared, height: int) -> int:
        """The height that the index is as of after a commit."""
        last = 0 if self._record is None else self._record.indexed
        waiting = len(self._unindexed) + len(prepared.index)
        if height == 0 or height - last >= INDEX_HEIGHTS_MAX or waiting > INDEX_KEYS_MAX:
            return height
        return last

    def _write_index(self, record: HeadRecord) -> None:
        """Write what waits, so that the next start need not hash it."""
        with self._database.batch() as batch:
            _put_index(batch, self._unindexed)
            batch.put(HEAD_KEY, HeadRecord(record.head, record.head.height, record.kept).encode())

    def _advance(self, prepared: Prepared, record: HeadRecord) -> None:
        if record.indexed == record.head.height:
            self._unindexed = {}
        else:
            self._unindexed.update(prepared.index)
        self._written.update(prepared.changes)
        self._written_bytes += prepared.values_bytes + CACHE_ENTRY_BYTES * len(prepared.changes)
        if self._written_bytes > CACHE_BYTES_MAX:
            self._written_before, self._written, self._written_bytes = self._written, {}, 0
        self._read = {}
        self._record = record
        self._tree = prepared.tree
        version = Version(record.head.height, prepared.tree, prepared.replaced)
        self._view = self._view.extended(version, self._database.snapshot(), record.kept.state)

    def _prune(self, batch: Batch, height: int, indexed: int) -> Kept:
        """Remove what the retention does not keep after block `height`; returns what is kept."""
        kept = self.kept
        state, blocks = kept.state, kept.blocks
        for _ in range(PRUNED_PER_BLOCK_MAX):
            # The undo logs since the index was written are needed after a crash.
            if state < indexed and _is_old(state, height, self._retention.state_heights):
                state += 1
                batch.delete(at_height(UNDO, state))
            if _is_old(blocks, height, self._retention.block_heights):
                self._prune_block(batch, blocks)
                blocks += 1
        return Kept(state, blocks, kept.headers)

    def _prune_block(self, batch: Batch, height: int) -> None:
        encoded = self._database.get(at_height(BLOCK, height))
        block = codec_of(Block).decode(_needed(encoded, height))
        batch.put(at_height(HEADER, height), codec_of(Header).encode(block.header))
        batch.delete(at_height(BLOCK, height))
        batch.delete(at_height(EVENTS, height))
        for extrinsic in block.extrinsics:
            batch.delete(EXTRINSIC + hash_extrinsic(extrinsic))

    def _at_height(self, table: bytes, height: int) -> bytes | None:
        if not 0 <= height < 2 ** (8 * HEIGHT_BYTES):
            return None
        return self._database.get(at_height(table, height))

    def _kept_record(self, table: bytes, height: int, first: int, what: str) -> bytes | None:
        record = self._at_height(table, height)
        if record is None and 0 <= height < first:
            raise Pruned(
                f"The {what} of height {height} is not kept.",
                remedy=f"Ask for a height from {first} on, or another node, which may keep more.",
            )
        return record


def _empty_value() -> InvariantViolation:
    message = "A storage value is empty, which proofs of absence rely on never to happen."
    return InvariantViolation(message, remedy="Store an encoding, or remove the key.")


def _needed(record: T | None, height: int) -> T:
    if record is None:
        raise StoreError(
            f"A record of height {height} is missing.",
            remedy="Check the directory with `openledger db verify`.",
        )
    return record


def _is_old(height: int, head: int, heights: int | None) -> bool:
    return heights is not None and height <= head - heights


def _write_block(batch: Batch, prepared: Prepared, record: BlockRecord) -> None:
    put, delete = batch.put, batch.delete
    for key, value in prepared.changes.items():
        if value is None:
            delete(VALUE + key)
        else:
            put(VALUE + key, value)
    height = record.height.to_bytes(HEIGHT_BYTES, "big")
    put(UNDO + height, encode_undo(prepared.replaced))
    put(BLOCK + height, record.block)
    put(COMMIT + height, record.commit)
    put(EVENTS + height, record.events)
    put(HEIGHT + record.block_id, height)
    for index, extrinsic_hash in enumerate(record.extrinsic_hashes):
        put(EXTRINSIC + extrinsic_hash, height + index.to_bytes(POSITION_BYTES, "big"))


def _put_index(batch: Batch, index: Mapping[bytes, bytes | None]) -> None:
    for key_hash, value_hash in index.items():
        if value_hash is None:
            batch.delete(INDEX + key_hash)
        else:
            batch.put(INDEX + key_hash, value_hash)


def check_format(database: Database, directory: Path) -> None:
    """Check the format mark, and set it on a database that has nothing in it yet."""
    mark = database.get(FORMAT_KEY)
    if mark is None and next(database.items(b"", b"\xff" * 64), None) is None:
        with database.batch() as batch:
            batch.put(FORMAT_KEY, FORMAT)
    elif mark != FORMAT:
        raise StoreError(
            f"The LevelDB directory {directory} is not a store of this version.",
            remedy="Give the node another --data directory, or the version that wrote this one.",
        )


def load_record(database: Database, directory: Path) -> HeadRecord | None:
    """The head record, or `None` before genesis; raises `StoreError`."""
    data = database.get(HEAD_KEY)
    if data is None:
        return None
    try:
        return HeadRecord.decode(data)
    except DecodeError as error:
        raise damaged(directory, "its head record does not decode") from error


def check_root(tree: Tree, record: HeadRecord | None, directory: Path) -> None:
    """Raise `StoreError` unless the tree has the head's state root."""
    if tree.root != (ZERO_HASH if record is None else record.head.state_root):
        raise damaged(directory, "its state does not lead to the committed state root")


def load_tree(
    database: Snapshot, record: HeadRecord | None
) -> tuple[Tree, dict[bytes, bytes | None]]:
    """The tree, and the part of the index that is not written yet: none after a clean end."""
    tree = Tree.of_pairs(database.joined(INDEX, end_of(INDEX)))
    if record is None or record.indexed == record.head.height:
        return tree, {}
    changed: dict[bytes, bytes | None] = {}
    for _, log in database.items(at_height(UNDO, record.indexed + 1), end_of(UNDO)):
        changed.update(decode_undo(log))
    unindexed: dict[bytes, bytes | None] = {}
    for key in changed:
        value = database.get(VALUE + key)
        unindexed[hash_state_key(key)] = None if value is None else hash_state_value(value)
    return tree.update(unindexed.items()), unindexed
