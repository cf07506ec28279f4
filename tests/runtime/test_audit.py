"""Audits find every kind of damage; a rebuild mends what is derived and says what is lost."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import plyvel
import pytest

from runtime.errors import StoreError
from runtime.hashing import hash_extrinsic
from runtime.state.audit import Audit, audit, rebuild
from runtime.state.leveldb import repair
from runtime.state.store import Kept, Retention, Store
from runtime.state.tables import HEAD_KEY, HeadRecord, at_height
from tests.runtime.stored_chain import grow

ROOT = Path(__file__).parents[2]
BLOCKS = 20


@pytest.fixture
def directory(tmp_path):
    """A state directory with 20 blocks."""
    store = Store.open(tmp_path / "state", create=True)
    grow(store, BLOCKS)
    store.close()
    return tmp_path / "state"


def _change(directory, *changes):
    database = plyvel.DB(str(directory))
    for key, value in changes:
        database.put(key, value) if value is not None else database.delete(key)
    database.close()


def _first(directory, table):
    database = plyvel.DB(str(directory))
    key, value = next(iter(database.iterator(prefix=table)))
    database.close()
    return key, value


def _compacted(directory):
    database = plyvel.DB(str(directory))
    database.compact_range()
    database.close()


def test_a_whole_directory_has_no_finding(directory, tmp_path):
    """Everything is read and counted, also after pruning, also without a block."""
    found = audit(directory)
    assert (found.blocks, found.undo_logs, found.findings) == (BLOCKS, BLOCKS - 1, [])
    assert found.keys > 10
    store = Store.open(directory, create=False, retention=Retention(5, 5))
    grow(store, 80)
    kept = store.kept
    store.close()
    found = audit(directory)
    assert (found.blocks, found.undo_logs) == (BLOCKS + 80, BLOCKS + 79 - kept.state)
    assert found.findings == []
    Store.open(tmp_path / "empty", create=True).close()
    assert audit(tmp_path / "empty") == Audit()


@pytest.mark.parametrize(
    ("key", "value", "finding"),
    [
        (b"vkey 3", b"other", "values do not lead"),
        (b"v", b"added", "values do not lead"),
        (at_height(b"u", 9), None, "undo log of height 9 is missing"),
        (at_height(b"u", 9), b"\x82\x80\x80", "undo log of height 9 does not lead"),
        (at_height(b"u", 9), b"\xff", "not CBOR"),
        (at_height(b"b", 9), None, "block of height 9 is missing"),
        (at_height(b"b", 9), b"\x00", "not"),
        (at_height(b"c", 9), None, "certificate of height 9"),
        (at_height(b"e", 9), None, "events of height 9"),
        (b"x" + hash_extrinsic(b"extrinsic 9"), None, "Extrinsic 0 of height 9"),
    ],
)
def test_every_missing_or_changed_record_is_found(directory, key, value, finding):
    """The finding says which."""
    _change(directory, (key, value))
    found = audit(directory)
    assert any(finding in each for each in found.findings), found.findings


def test_what_does_not_fit_together_is_found(directory):
    """Index, order of blocks, ids, head, bodies."""
    key, _ = _first(directory, b"i")
    _change(directory, (key, bytes(32)))
    assert audit(directory).findings == ["The index is not that of the values."]
    database = plyvel.DB(str(directory))
    blocks = [database.get(at_height(b"b", height)) for height in range(BLOCKS)]
    database.close()
    _change(directory, (at_height(b"b", 9), blocks[8]), (at_height(b"b", 19), blocks[18]))
    findings = audit(directory).findings
    assert "The block of height 9 does not follow the one before it." in findings
    assert "The block of height 9 is not found by its id." in findings
    assert "The last block is not the head." in findings
    _change(directory, (at_height(b"b", 5), None), (at_height(b"d", 5), b""))
    assert any("not" in each for each in audit(directory).findings)


def test_a_pruned_body_where_it_should_be_kept_is_found(directory):
    """A header alone is not the block."""
    database = plyvel.DB(str(directory))
    record = HeadRecord.decode(database.get(HEAD_KEY))
    database.close()
    store = Store.open(directory, create=False, retention=Retention(None, 10))
    grow(store, 1)
    store.close()
    database = plyvel.DB(str(directory))
    record = HeadRecord.decode(database.get(HEAD_KEY))
    database.close()
    forged = replace(record, kept=replace(record.kept, blocks=0))
    _change(directory, (HEAD_KEY, forged.encode()))
    assert "The extrinsics of height 0 are missing." in audit(directory).findings


def test_an_audit_stops_after_a_hundred_findings(directory):
    """A ruin is not listed to its end."""
    store = Store.open(directory, create=False)
    grow(store, 110)
    store.close()
    _change(directory, *((at_height(b"c", height), None) for height in range(120)))
    assert len(audit(directory).findings) == 100


_REBUILD = """
import sys
from pathlib import Path
from runtime.errors import StoreError
from runtime.state.audit import rebuild
try:
    rebuild(Path(sys.argv[1]))
except StoreError as error:
    print(error)
"""


def test_a_directory_in_use_is_neither_audited_nor_mended(directory):
    """A running node keeps its directory, also one without a file that should be there."""
    with closing(Store.open(directory, create=False)):
        for work in (audit, rebuild):
            with pytest.raises(StoreError, match="in use"):
                work(directory)
    # A process does not lock itself out, so here the node and the rebuild are two.
    with closing(Store.open(directory, create=False)):
        (directory / "CURRENT").unlink()
        command = [sys.executable, "-c", _REBUILD, str(directory)]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "in use" in said
    assert not (directory / "lost").exists()


def test_a_damaged_index_is_rebuilt(directory):
    """Changed, missing and surplus index records; the directory opens again."""
    key, value = _first(directory, b"i")
    _change(directory, (key, value[::-1]), (b"i" + bytes(32), bytes(32)))
    with pytest.raises(StoreError, match="db rebuild"):
        Store.open(directory, create=False)
    done = rebuild(directory)
    assert (done.repaired, done.kept, done.lost) == (False, Kept(0, 0, 0), ())
    assert audit(directory).findings == []
    Store.open(directory, create=False).close()


@pytest.mark.parametrize("pattern", ["CURRENT", "MANIFEST-*"])
def test_lost_bookkeeping_of_leveldb_is_rebuilt(directory, pattern):
    """LevelDB's tables and logs say themselves what they hold."""
    _compacted(directory)
    (path,) = directory.glob(pattern)
    path.unlink()
    with pytest.raises(StoreError, match="damaged"):
        Store.open(directory, create=False)
    assert rebuild(directory).repaired
    assert audit(directory).findings == []
    Store.open(directory, create=False).close()


def test_lost_values_cannot_be_rebuilt(directory):
    """The error says so, the remedy names the import, and nothing is opened by mistake."""
    _change(directory, (b"vkey 3", b"other"))
    with pytest.raises(StoreError, match="values of the state are lost") as caught:
        rebuild(directory)
    assert "db import" in caught.value.remedy
    _change(directory, (HEAD_KEY, None))
    with pytest.raises(StoreError, match="head record is lost"):
        rebuild(directory)


def test_lost_old_data_is_named_and_kept_from_a_later_height_on(directory):
    """Old states, blocks and headers end where the first gap is."""
    _change(directory, (at_height(b"u", 5), None), (at_height(b"e", 7), None))
    done = rebuild(directory)
    assert done.kept == Kept(state=5, blocks=8, headers=0)
    assert [sentence.split(" cannot")[0] for sentence in done.lost] == [
        "Old states from height 0 to 4",
        "Old blocks or events from height 0 to 7",
    ]
    _change(directory, (at_height(b"b", 11), None))
    assert rebuild(directory).kept == Kept(state=5, blocks=12, headers=12)
    assert audit(directory).findings == []
    _change(directory, (at_height(b"b", BLOCKS - 1), None))
    with pytest.raises(StoreError, match="head's block is lost"):
        rebuild(directory)


def test_a_damaged_table_loses_what_was_in_its_block(directory):
    """LevelDB saves the rest and keeps the bad file aside; what was in it is lost."""
    _compacted(directory)
    (table,) = directory.glob("*.ldb")
    data = bytearray(table.read_bytes())
    data[len(data) // 2] ^= 1
    table.write_bytes(data)
    with pytest.raises(StoreError, match="lost"):
        rebuild(directory)
    assert any((directory / "lost").iterdir())


def test_a_directory_that_cannot_be_locked_is_not_repaired(tmp_path):
    """Nothing is written where nothing is."""
    with pytest.raises(StoreError, match="cannot be locked"):
        repair(tmp_path / "none")
