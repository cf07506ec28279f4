"""Tombstones: an erased row leaves its hash, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import DecodeError
from runtime.hashing import hash_row
from runtime.merkle import list_root
from runtime.wire.rows import Row, hash_of_item, row_of_item, tombstone_of

TEXT = st.text(max_size=40)


@given(st.lists(st.builds(Row, TEXT, TEXT), min_size=1, max_size=6), st.data())
def test_a_blob_leads_to_the_same_root_without_some_rows(rows, data):
    """Whichever are erased; the others are read as before, and erasing twice changes nothing."""
    items = [row.encode() for row in rows]
    root = list_root([hash_row(item) for item in items])
    for index in data.draw(st.sets(st.integers(0, len(rows) - 1))):
        items[index] = tombstone_of(items[index])
        assert tombstone_of(items[index]) == items[index]
        assert row_of_item(items[index]) is None
        rows[index] = None
    assert list_root([hash_of_item(item) for item in items]) == root
    assert [row_of_item(item) for item in items] == rows


@pytest.mark.parametrize("item", [b"\0", b"\0" * 32, b"\0" * 34])
def test_a_tombstone_has_its_length(item):
    """Anything else that begins with a zero byte is refused."""
    for read in (row_of_item, hash_of_item, tombstone_of):
        with pytest.raises(DecodeError, match="tombstone"):
            read(item)
