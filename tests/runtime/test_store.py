"""The store: one batch a block, checked when it is opened, and clear about what is wrong."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import plyvel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import InvariantViolation, StoreError
from runtime.hashing import ZERO_HASH
from runtime.state.history import RECENT_HEIGHTS_MAX, UnknownHeight
from runtime.state.multiproof import verify_entries
from runtime.state.proof import verify_entry
from runtime.state.store import BlockRecord, Head, Store
from runtime.state.tables import HeadRecord

ROOT = Path(__file__).parents[2]


def _record(height):
    number = height.to_bytes(31, "big")
    return BlockRecord(
        height=height,
        block_id=b"i" + number,
        block=b"block %d" % height,
        commit=b"commit %d" % height,
        events=b"events %d" % height,
        extrinsic_hashes=(b"x" + number, b"y" + number),
    )


def _commit(store, changes):
    height = 0 if store.head is None else store.head.height + 1
    prepared = store.prepare(changes)
    store.commit(prepared, _record(height))
    return prepared.root


@pytest.fixture
def directory(tmp_path):
    """Where the store of a test lies."""
    return tmp_path / "state"


@pytest.fixture
def store(directory):
    """A new store, closed after the test."""
    opened = Store.open(directory, create=True)
    yield opened
    opened.close()


def test_a_new_store_is_empty(store):
    """No head, no keys; a root of zero; nothing to look up."""
    assert store.head is None
    assert store.get(b"key") is None
    assert store.keys(b"", None, 10) == []
    assert store.block(0) is store.commit_certificate(0) is store.events(0) is None
    assert store.prepare({}).root == ZERO_HASH
    with pytest.raises(UnknownHeight):
        store.state_at(0).prove(b"key")


def test_a_committed_block_is_found_by_every_look_up(directory, store):
    """Block, commit, events, heights and extrinsics come back, also after a restart."""
    _commit(store, {b"a": b"1"})
    root = _commit(store, {b"b": b"2", b"a": None})
    store.close()
    again = Store.open(directory, create=False)
    assert again.head == Head(1, _record(1).block_id, root)
    assert (again.get(b"a"), again.get(b"b")) == (None, b"2")
    assert again.block(1) == b"block 1"
    assert again.commit_certificate(0) == b"commit 0"
    assert again.events(1) == b"events 1"
    assert again.block(2) is again.block(-1) is again.block(2**64) is None
    assert again.height_of(_record(1).block_id) == 1
    assert again.height_of(bytes(32)) is None
    assert again.locate_extrinsic(_record(1).extrinsic_hashes[1]) == (1, 1)
    assert again.locate_extrinsic(bytes(32)) is None
    again.close()


def test_keys_are_paged_in_order(store):
    """Pages by prefix follow each other without gap or repetition, whatever bytes the keys have."""
    keys = sorted([b"", b"a", b"a\x00", b"ab", b"a\xff", b"a\xff\xff", b"b", b"\xff", b"\xff\xff"])
    _commit(store, dict.fromkeys(keys, b"value"))
    for prefix in (b"", b"a", b"a\xff", b"b", b"\xff", b"c"):
        expected, found, after = [key for key in keys if key.startswith(prefix)], [], None
        while page := store.keys(prefix, after, 2):
            assert len(page) <= 2
            found += page
            after = page[-1]
        assert found == expected
    assert store.keys(b"b", b"a", 5) == [b"b"]
    assert store.keys(b"a", b"b", 5) == []


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.dictionaries(
            st.binary(min_size=1, max_size=2),
            st.one_of(st.none(), st.binary(min_size=1, max_size=4)),
            max_size=12,
        ),
        min_size=1,
        max_size=6,
    )
)
def test_a_store_is_a_dictionary_with_a_past(tmp_path_factory, batches):
    """Values and proofs of every height equal those of a dictionary; a reopened store has its head."""
    directory = tmp_path_factory.mktemp("state")
    store, past = Store.open(directory, create=True), []
    model: dict[bytes, bytes] = {}
    for batch in batches:
        root = _commit(store, batch)
        model = {k: v for k, v in {**model, **batch}.items() if v is not None}
        past.append((root, model))
    keys = {key for batch in batches for key in batch} | {b"absent"}
    for height, (root, then) in enumerate(past):
        for key in keys:
            entry = store.state_at(height).prove(key)
            assert entry.value == then.get(key, b"")
            verify_entry(root, entry)
    store.close()
    store = Store.open(directory, create=False)
    assert {key: store.get(key) for key in store.keys(b"", None, 100)} == model
    for key in keys:
        verify_entry(past[-1][0], store.prove(key))
    store.close()


def test_every_height_is_kept_unless_it_is_pruned(directory):
    """Beyond memory, and after a restart, undo logs give values and proofs of any height."""
    store = Store.open(directory, create=True)
    roots = []
    heights = RECENT_HEIGHTS_MAX + 20
    for height in range(heights):
        changes: dict[bytes, bytes | None] = {
            b"height": b"%d" % height,
            b"key %d" % (height % 7): b"%d" % (height // 7 or 1),
        }
        if height % 5 == 0:
            changes[b"key 3"] = None
        roots.append((_commit(store, changes), dict.fromkeys(store.keys(b"", None, 100))))
        roots[-1] = (roots[-1][0], {key: store.get(key) for key in roots[-1][1]})
    for _ in range(2):
        for height in (19, 0, 7, 19, 18, 20, 275, 3, 100, 1, 2, 0):
            root, values = roots[height]
            for key in (*values, b"absent"):
                entry = store.state_at(height).prove(key)
                assert (entry.value or None) == values.get(key) == store.get_at(key, height)
                verify_entry(root, entry)
        for height in (heights, -1):
            with pytest.raises(UnknownHeight, match=f"from 0 to {heights - 1}"):
                store.state_at(height).prove(b"height")
        store.close()
        store = Store.open(directory, create=False)
    store.close()


def test_preparing_writes_nothing(store):
    """Changes have a root before anybody commits them."""
    _commit(store, {b"a": b"1"})
    assert store.prepare({b"a": b"2"}).root != store.head.state_root
    assert store.get(b"a") == b"1"
    assert store.prepare({}).root == store.head.state_root


def test_what_was_prepared_on_an_older_head_is_refused(store):
    """A root is only true on the state it was computed on."""
    stale = store.prepare({b"a": b"1"})
    _commit(store, {b"b": b"1"})
    with pytest.raises(InvariantViolation):
        store.commit(stale, _record(1))
    with pytest.raises(InvariantViolation):
        store.commit(store.prepare({}), _record(2))


def test_an_empty_value_is_refused(store):
    """An empty value stands for absence in proofs."""
    with pytest.raises(InvariantViolation):
        store.prepare({b"a": b""})


def test_a_directory_in_use_is_refused(directory, store):
    """The second node gets a sentence and a remedy, and the first goes on."""
    with pytest.raises(StoreError, match="in use") as caught:
        Store.open(directory, create=True)
    assert "--data" in caught.value.remedy
    _commit(store, {b"a": b"1"})


def test_a_missing_directory_is_refused_unless_it_may_be_created(tmp_path):
    """Opening never creates by accident."""
    with pytest.raises(StoreError, match="no chain"):
        Store.open(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


def test_other_peoples_directories_are_left_alone(tmp_path):
    """A foreign file, a plain file and another program's LevelDB are refused untouched."""
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match="the file thesis"):
        Store.open(tmp_path, create=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(StoreError, match="cannot be used"):
        Store.open(tmp_path / "thesis.txt", create=True)
    with pytest.raises(StoreError, match="cannot be used"):
        Store.open(tmp_path / "thesis.txt" / "state", create=True)
    other = plyvel.DB(str(tmp_path / "other"), create_if_missing=True)
    other.put(b"theirs", b"1")
    other.close()
    with pytest.raises(StoreError, match="not a store"):
        Store.open(tmp_path / "other", create=True)


@pytest.mark.parametrize(
    "names", [[], ["LOCK", "LOG"], ["LOCK", "LOG", "MANIFEST-000001", "000001.dbtmp"]]
)
def test_a_store_half_created_by_a_killed_process_recovers(directory, names):
    """Until CURRENT exists there is nothing to lose: creating goes on, opening says what to do."""
    directory.mkdir()
    for name in names:
        (directory / name).write_bytes(b"")
    with pytest.raises(StoreError, match="no chain"):
        Store.open(directory, create=False)
    store = Store.open(directory, create=True)
    _commit(store, {b"a": b"1"})
    store.close()


def test_a_leveldb_without_anything_in_it_becomes_a_store(directory):
    """A process killed between LevelDB's creation and our first write leaves this."""
    plyvel.DB(str(directory), create_if_missing=True).close()
    store = Store.open(directory, create=True)
    assert store.head is None
    store.close()


def test_a_leveldb_killed_before_its_first_log_becomes_a_store(directory):
    """LevelDB writes MANIFEST-000001 and CURRENT first; nothing can be lost before there is a log."""
    plyvel.DB(str(directory), create_if_missing=True).close()
    _only(directory, "MANIFEST-*").rename(directory / "MANIFEST-000001")
    (directory / "CURRENT").write_text("MANIFEST-000001\n")
    _only(directory, "*.log").unlink()
    store = Store.open(directory, create=True)
    assert store.head is None
    store.close()


@pytest.mark.parametrize("name", ["notes.log", "7.txt", "CURRENT.bak"])
def test_names_that_only_look_like_leveldbs_are_foreign(directory, name):
    """LevelDB's data files are numbers with its own endings."""
    directory.mkdir()
    (directory / name).write_text("mine")
    with pytest.raises(StoreError, match="not a state directory"):
        Store.open(directory, create=True)


def _filled(directory):
    store = Store.open(directory, create=True)
    for height in range(20):
        _commit(store, {b"%d %d" % (height, key): b"v" * 50 for key in range(20)})
    store.close()


def _only(directory, pattern):
    (path,) = directory.glob(pattern)
    return path


@pytest.mark.parametrize("pattern", ["CURRENT", "MANIFEST-*", "*.log"])
def test_missing_files_are_named_damage(directory, pattern):
    """No file of LevelDB can vanish unnoticed."""
    _filled(directory)
    _only(directory, pattern).unlink()
    with pytest.raises(StoreError, match="damaged") as caught:
        Store.open(directory, create=True)
    assert "backup" in caught.value.remedy


def test_a_record_cut_short_at_the_end_of_the_log_is_an_unfinished_block(directory):
    """A killed process leaves the block before; nothing else changes."""
    _filled(directory)
    log = _only(directory, "*.log")
    # The last record is the index, written when the store is closed; the one before is block 19.
    log.write_bytes(log.read_bytes()[: -(20 * 20 * 68 + 150)])
    store = Store.open(directory, create=False)
    assert store.head is not None
    assert store.head.height == 18
    assert (store.get(b"18 0"), store.get(b"19 0")) == (b"v" * 50, None)
    _commit(store, {})
    store.close()


@pytest.mark.parametrize("part", [0.01, 0.3, 0.6, 0.9])
def test_flipped_bits_in_the_log_are_damage(directory, part):
    """A bad record that is not at the end is never skipped."""
    _filled(directory)
    log = _only(directory, "*.log")
    data = bytearray(log.read_bytes())
    data[int(len(data) * part)] ^= 4
    log.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        Store.open(directory, create=False)


def test_flipped_bits_in_a_table_are_damage(directory):
    """Compacted files are checked, too: when the store is opened, or when the value is read."""
    _filled(directory)
    database = plyvel.DB(str(directory))
    database.compact_range()
    database.close()
    table = _only(directory, "*.ldb")
    whole = table.read_bytes()
    for position in range(50, len(whole), len(whole) // 12):
        table.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        with pytest.raises(StoreError, match="damaged"):
            _read_everything(directory)
    table.write_bytes(whole)
    _read_everything(directory)


def _read_everything(directory):
    store = Store.open(directory, create=False)
    try:
        for key in store.keys(b"", None, 1000):
            store.get(key)
        for height in range(20):
            store.block(height), store.commit_certificate(height), store.events(height)
            store.locate_extrinsic(_record(height).extrinsic_hashes[0])
            store.height_of(_record(height).block_id)
    finally:
        store.close()


@pytest.mark.parametrize("table", [b"i", b"m"])
def test_a_state_that_does_not_lead_to_its_root_is_refused(directory, table):
    """The tree is rebuilt and compared with the committed root on every start."""
    _filled(directory)
    database = plyvel.DB(str(directory))
    key, value = next((k, v) for k, v in database.iterator(prefix=table) if k != b"mformat")
    record = HeadRecord.decode(value) if table == b"m" else None
    if record:
        value = replace(record, head=replace(record.head, state_root=bytes(32))).encode()
    else:
        value = value[:-1] + bytes([value[-1] ^ 1])
    database.put(key, value)
    database.close()
    with pytest.raises(StoreError, match="does not lead to the committed state root"):
        Store.open(directory, create=False)
    database = plyvel.DB(str(directory))
    database.put(b"mhead", b"short")
    database.close()
    with pytest.raises(StoreError, match="head record"):
        Store.open(directory, create=False)


_WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from runtime.state.store import BlockRecord, Store
store = Store.open(Path(sys.argv[1]), True)
for height in range(store.head.height + 1 if store.head else 0, 10**6):
    number = height.to_bytes(32, "big")
    prepared = store.prepare({b"%d" % (height % 50): number, b"height": number})
    store.commit(prepared, BlockRecord(height, number, number, number, number, (number,)))
    print(height, flush=True)
"""


def test_kill_9_leaves_the_last_reported_block(directory):
    """Whatever a killed process reported as committed is there; the root is checked on opening."""
    reported = -1
    for blocks in (3, 40):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(directory)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        ) as process:
            assert process.stdout is not None
            for _ in range(blocks):
                reported = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().split("\n")
        reported = max([reported, *(int(line) for line in rest[:-1])])
        store = Store.open(directory, create=False)
        assert store.head is not None
        assert reported <= store.head.height <= reported + 1
        assert store.get(b"height") == store.head.height.to_bytes(32, "big")
        store.close()


def _tables(directory):
    """A store whose values are in one table, and whose log is empty."""
    _filled(directory)
    database = plyvel.DB(str(directory))
    database.compact_range()
    database.close()
    Store.open(directory, create=False).close()


def _cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("pattern", ["CURRENT", "MANIFEST-*", "*.ldb"])
@pytest.mark.parametrize("damage", [Path.unlink, _cut, _flip])
def test_damage_to_any_file_is_told_at_the_start(directory, pattern, damage):
    """Lost, cut short or a bit flipped: one sentence, and a remedy that helps."""
    _tables(directory)
    damage(_only(directory, pattern))
    with pytest.raises(StoreError) as caught:
        Store.open(directory, create=False)
    assert "damaged" in caught.value.message
    assert "\n" not in caught.value.message
    for command in ("db verify", "db rebuild", "db import"):
        assert command in caught.value.remedy


def test_damaged_values_are_told_at_the_start(directory):
    """Every value is read once, whatever table it is in."""
    _filled(directory)
    database = plyvel.DB(str(directory))
    database.compact_range()
    database.close()
    whole = _only(directory, "*.ldb").read_bytes()
    place = whole.rfind(b"v18 ")
    assert place > 0
    table = bytearray(whole)
    table[place + 1] ^= 1
    _only(directory, "*.ldb").write_bytes(table)
    with pytest.raises(StoreError, match="damaged"):
        Store.open(directory, create=False)


def test_a_failed_write_writes_nothing(directory, store):
    """An error while the batch is filled leaves the store as it was."""

    def fail():
        with store._database.batch() as batch:
            batch.put(b"half", b"1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store._database.get(b"half") is None


def test_many_keys_are_proved_at_once(store):
    """At the head and before, in one proof."""
    before = _commit(store, {b"a": b"1", b"b": b"2"})
    after = _commit(store, {b"a": b"3"})
    keys = [b"a", b"b", b"c"]
    proof = store.prove_many_at(keys, 0)
    assert verify_entries(before, proof) == {b"a": b"1", b"b": b"2", b"c": None}
    proof = store.prove_many_at(keys, 1)
    assert verify_entries(after, proof) == {b"a": b"3", b"b": b"2", b"c": None}
