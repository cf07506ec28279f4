"""The full check of a state directory, and what can be mended in it.

`audit` reads every record.  Beyond what opening checks, it compares every value with the index, the
headers with each other, the look-up tables with the blocks, and the state root of every kept height
with what the undo logs lead to.

`rebuild` mends what is derived: the index and the tree from the values, LevelDB's own bookkeeping
from its tables and logs.  What a damaged table or log held is lost.  If that was a value of the
state, the state root tells, and nothing but a snapshot or the other nodes can help; if it was old
data, the store says from now on that it is kept from a later height on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from runtime.block import Block, Header
from runtime.codec import codec_of
from runtime.errors import OpenLedgerError, StoreError
from runtime.hashing import ZERO_HASH, hash_extrinsic, hash_state_key, hash_state_value
from runtime.state.leveldb import DamagedStore, Database, check_directory, damaged, repair
from runtime.state.store import check_format, load_record, load_tree
from runtime.state.tables import (
    BLOCK,
    COMMIT,
    EVENTS,
    EXTRINSIC,
    HEAD_KEY,
    HEADER,
    HEIGHT,
    INDEX,
    POSITION_BYTES,
    UNDO,
    VALUE,
    HeadRecord,
    Kept,
    at_height,
    decode_undo,
    end_of,
)
from runtime.state.tree import Tree

FINDINGS_MAX = 100
"""An audit that has found so much stops."""
REBUILD_BATCH_KEYS = 50_000
_ALL_KEYS = (b"", b"\xff")


@dataclass(slots=True)
class Audit:
    """What an audit counted and found."""

    keys: int = 0
    blocks: int = 0
    undo_logs: int = 0
    findings: list[str] = field(default_factory=list)
    """Sentences; empty: the directory is whole."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did."""

    keys: int
    repaired: bool
    """LevelDB itself had to be repaired."""
    kept: Kept
    lost: tuple[str, ...]
    """Sentences that say which old data is not there any more."""


def audit(directory: Path) -> Audit:
    """Check everything in a state directory that no node uses; raises `StoreError` if one does."""
    found = Audit()
    check_directory(directory, create=False)
    with closing(Database(directory, create=False)) as database:
        check_format(database, directory)
        try:
            database.check(*_ALL_KEYS)
            record = load_record(database, directory)
            if record is None:
                return found
            for finding in _findings(database, record, found):
                found.findings.append(finding)
                if len(found.findings) == FINDINGS_MAX:
                    break
        except OpenLedgerError as error:
            found.findings.append(error.message)
    return found


def rebuild(directory: Path) -> Rebuilt:
    """Mend what can be mended in a state directory; raises `StoreError` when its state is lost."""
    repaired = False
    try:
        check_directory(directory, create=False)
        with closing(Database(directory, create=False)) as database:
            database.check(*_ALL_KEYS)
    except StoreError as error:
        if not isinstance(error, DamagedStore):
            raise
        repair(directory)
        repaired = True
    with closing(Database(directory, create=False)) as database:
        record = load_record(database, directory)
        if record is None:
            raise damaged(directory, "its head record is lost")
        check_format(database, directory)
        pairs = _pairs_of_values(database)
        if Tree.of_pairs(pairs).root != record.head.state_root:
            raise damaged(directory, "values of the state are lost, and the index cannot give them")
        _replace_index(database, pairs)
        kept, lost = _still_kept(database, record, directory)
        with database.batch() as batch:
            batch.put(HEAD_KEY, HeadRecord(record.head, record.head.height, kept).encode())
    return Rebuilt(len(pairs), repaired, kept, lost)


def _findings(database: Database, record: HeadRecord, found: Audit) -> Iterator[str]:
    pairs = _pairs_of_values(database)
    found.keys = len(pairs)
    tree = Tree.of_pairs(pairs)
    if tree.root != record.head.state_root:
        yield "The values do not lead to the committed state root."
    elif load_tree(database, record)[0] != tree:
        yield "The index is not that of the values."
    headers: dict[int, Header] = {}
    yield from _check_blocks(database, record, found, headers)
    yield from _check_undo_logs(database, record, found, tree, headers)


def _pairs_of_values(database: Database) -> list[bytes]:
    """The sorted (key hash + value hash) pairs of all values."""
    return sorted(
        hash_state_key(key[1:]) + hash_state_value(value)
        for key, value in database.items(VALUE, end_of(VALUE))
    )


def _check_blocks(
    database: Database, record: HeadRecord, found: Audit, headers: dict[int, Header]
) -> Iterator[str]:
    parent = None
    for height in range(record.kept.headers, record.head.height + 1):
        header, block = _stored_block(database, height)
        if header is None:
            yield f"The block of height {height} is missing."
            parent = None
            continue
        found.blocks += 1
        headers[height] = header
        block_id = header.id()
        if header.height != height or (parent is not None and header.parent_hash != parent):
            yield f"The block of height {height} does not follow the one before it."
        parent = block_id
        if database.get(HEIGHT + block_id) != at_height(b"", height):
            yield f"The block of height {height} is not found by its id."
        if database.get(at_height(COMMIT, height)) is None:
            yield f"The certificate of height {height} is missing."
        if height >= record.kept.blocks:
            yield from _check_body(database, height, block)
    if parent != record.head.block_id:
        yield "The last block is not the head."


def _stored_block(database: Database, height: int) -> tuple[Header | None, Block | None]:
    encoded = database.get(at_height(BLOCK, height))
    if encoded is not None:
        block = codec_of(Block).decode(encoded)
        return block.header, block
    encoded = database.get(at_height(HEADER, height))
    return (None if encoded is None else codec_of(Header).decode(encoded)), None


def _check_body(database: Database, height: int, block: Block | None) -> Iterator[str]:
    if block is None:
        yield f"The extrinsics of height {height} are missing."
        return
    if database.get(at_height(EVENTS, height)) is None:
        yield f"The events of height {height} are missing."
    for index, extrinsic in enumerate(block.extrinsics):
        place = at_height(b"", height) + index.to_bytes(POSITION_BYTES, "big")
        if database.get(EXTRINSIC + hash_extrinsic(extrinsic)) != place:
            yield f"Extrinsic {index} of height {height} is not found by its hash."


def _check_undo_logs(
    database: Database, record: HeadRecord, found: Audit, tree: Tree, headers: dict[int, Header]
) -> Iterator[str]:
    """Go back to the first kept state, and compare each root on the way."""
    for height in range(record.head.height, record.kept.state, -1):
        log = database.get(at_height(UNDO, height))
        if log is None:
            yield f"The undo log of height {height} is missing."
            return
        found.undo_logs += 1
        tree = tree.update(
            (hash_state_key(key), None if value is None else hash_state_value(value))
            for key, value in decode_undo(log).items()
        )
        header = headers.get(height - 1)
        if header is not None and tree.root != header.state_root:
            yield f"The undo log of height {height} does not lead to the state before it."
            return


def _replace_index(database: Database, pairs: list[bytes]) -> None:
    stale = list(database.keys(INDEX, end_of(INDEX)))
    for start in range(0, len(stale), REBUILD_BATCH_KEYS):
        with database.batch(sync=False) as batch:
            for key in stale[start : start + REBUILD_BATCH_KEYS]:
                batch.delete(key)
    put_index(database, pairs)


def put_index(database: Database, pairs: list[bytes]) -> None:
    """Write an index in parts; it counts once the head record says which height it is of."""
    size = len(ZERO_HASH)
    for start in range(0, len(pairs), REBUILD_BATCH_KEYS):
        with database.batch(sync=False) as batch:
            for pair in pairs[start : start + REBUILD_BATCH_KEYS]:
                batch.put(INDEX + pair[:size], pair[size:])


def _still_kept(
    database: Database, record: HeadRecord, directory: Path
) -> tuple[Kept, tuple[str, ...]]:
    """From where on old data is there without a gap, and sentences for what is not."""
    head, kept = record.head.height, record.kept
    if database.get(at_height(BLOCK, head)) is None:
        raise damaged(directory, "the head's block is lost")
    found = Kept(
        state=_first_whole(head, kept.state + 1, lambda h: _has(database, UNDO, h)) - 1,
        blocks=_first_whole(
            head, kept.blocks, lambda h: _has(database, BLOCK, h) and _has(database, EVENTS, h)
        ),
        headers=_first_whole(
            head,
            kept.headers,
            lambda h: _has(database, BLOCK, h) or _has(database, HEADER, h),
        ),
    )
    lost = tuple(
        f"Old {name} from height {before} to {now - 1} cannot be rebuilt."
        for name, before, now in (
            ("states", kept.state, found.state),
            ("blocks or events", kept.blocks, found.blocks),
            ("headers", kept.headers, found.headers),
        )
        if now > before
    )
    return found, lost


def _has(database: Database, table: bytes, height: int) -> bool:
    return database.get(at_height(table, height)) is not None


def _first_whole(last: int, first: int, is_whole: Callable[[int], bool]) -> int:
    """The lowest height from `first` on from which all up to `last` are whole."""
    height = last + 1
    while height > first and is_whole(height - 1):
        height -= 1
    return height
