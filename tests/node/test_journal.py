"""The journal: what is appended survives, what is torn is dropped, what is damaged is refused."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.errors import InUse
from node.workers.journal import (
    RECORD_BYTES_MAX,
    Journal,
    JournalDamaged,
    JournalError,
    JournalFull,
)

RECORDS = st.lists(
    st.tuples(st.integers(0, 2**64), st.binary(max_size=64), st.text(max_size=16)), max_size=8
)


def contents(path):
    with Journal(path) as journal:
        return [record for _offset, record in journal.records()]


def filled(path, records):
    path.unlink(missing_ok=True)
    with Journal(path) as journal:
        return [journal.append(record) for record in records]


@given(records=RECORDS)
@settings(deadline=None, max_examples=30)
def test_records_come_back_in_order(tmp_path_factory, records):
    """A reopened journal gives every record, in order, and each at its own offset."""
    path = tmp_path_factory.mktemp("journal") / "records"
    offsets = filled(path, records)
    assert contents(path) == [list(record) for record in records]
    with Journal(path) as journal:
        assert [journal.read(offset) for offset in offsets] == [list(each) for each in records]


@given(records=RECORDS.filter(len), data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_file_cut_anywhere_keeps_all_whole_records(tmp_path_factory, records, data):
    """Whatever prefix of the file survives, exactly the records that are whole in it are there."""
    path = tmp_path_factory.mktemp("journal") / "records"
    offsets = filled(path, records)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    ends = [*offsets[1:], len(whole)]
    kept = [list(record) for record, end in zip(records, ends, strict=True) if end <= cut]
    assert contents(path) == kept
    with Journal(path) as journal:
        journal.append(["after"])
    assert contents(path) == [*kept, ["after"]]


def test_zeros_after_the_last_record_are_a_torn_tail(tmp_path):
    """A file system may have grown the file before it wrote the frame."""
    path = tmp_path / "records"
    filled(path, [["one"]])
    with path.open("ab") as file:
        file.write(bytes(100))
    assert contents(path) == [["one"]]


@pytest.mark.parametrize("position", [0, 5, 9, 13])
def test_damage_before_the_last_record_is_refused(tmp_path, position):
    """A flipped bit in length, checks or payload of an earlier record starts nothing."""
    path = tmp_path / "records"
    filled(path, [["one"], ["two"]])
    damaged = bytearray(path.read_bytes())
    damaged[position] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(JournalDamaged, match="at byte 0"):
        Journal(path)
    assert path.read_bytes() == damaged


def test_one_process_at_a_time(tmp_path):
    """A second opening is refused while the first one lasts, and possible after it."""
    path = tmp_path / "records"
    with Journal(path), pytest.raises(InUse):
        Journal(path)
    assert contents(path) == []


def test_a_record_over_the_limit_leaves_the_journal_usable(tmp_path):
    """Too large a record is refused before anything is written."""
    path = tmp_path / "records"
    with Journal(path) as journal:
        with pytest.raises(JournalFull):
            journal.append([bytes(RECORD_BYTES_MAX)])
        journal.append(["small"])
    assert contents(path) == [["small"]]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    """A file where the folder should be is a typed error with a remedy."""
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path / "file" / "records")


def test_the_frame_is_pinned(tmp_path):
    """The format of the file on disk: length, its check, the payload's check, the payload."""
    path = tmp_path / "records"
    filled(path, [[1, b"x"]])
    payload = bytes.fromhex("82014178")
    length = len(payload).to_bytes(4, "big")
    checks = b"".join(zlib.crc32(part).to_bytes(4, "big") for part in (length, payload))
    assert path.read_bytes() == length + checks + payload
