"""The index of blocks, extrinsics and events."""

from __future__ import annotations

from studio.chain.follower import indexed_block
from studio.chain.index import PAGE_ROWS_MAX, Index, mentioned
from tests.studio.conftest import ALICE, BOB, block


def test_the_newest_come_first_and_pages_follow_each_other(index):
    """Two pages of extrinsics are neighbours, without a gap or an overlap."""
    first, second = index.extrinsics(0, 5), index.extrinsics(5, 5)
    places = [(row.height, row.place) for row in (*first, *second)]
    assert places == sorted(places, reverse=True)
    assert places[0] == (11, 1)
    assert len(set(places)) == 10


def test_extrinsics_are_found_by_hash_signer_and_call(index):
    """Each way to look for an extrinsic finds it, and counts agree with lists."""
    wanted = index.extrinsics(3, 1)[0]
    assert index.extrinsics(0, 2, hash=wanted.hash) == (wanted,)
    assert index.extrinsic_count(signer=ALICE) == len(index.extrinsics(0, 100, signer=ALICE)) == 24
    assert index.extrinsic_count(call="Balances.burn") == 0


def test_an_account_finds_the_events_that_name_it(index):
    """Any 32-byte value of an event's fields leads to the event."""
    assert index.mention_count(BOB) == 24
    assert {event.fields["receiver"] for event in index.mentions(BOB, 0, 3)} == {BOB}
    assert index.mentions("c0" * 32, 0, 3) == ()


def test_a_block_that_is_added_again_replaces_itself(index):
    """The follower may repeat a block after a lost connection; nothing is counted twice."""
    index.add([block(11, 1)])
    assert index.height() == 11
    assert len(index.block_extrinsics(11)) == 1
    assert index.mention_count(BOB) == 23


def test_old_blocks_can_be_forgotten(index):
    """Below a height nothing is left, in any table."""
    index.drop_below(10)
    assert index.block_count() == 2
    assert index.mention_count(ALICE) == 4


def test_a_page_is_bounded(index):
    """However many rows a caller asks for, a page has a limit."""
    index.add(block(height, 100) for height in range(20, 40))
    assert len(index.extrinsics(0, 10**9)) == PAGE_ROWS_MAX


def test_the_last_minutes_are_counted_from_the_newest_block(index):
    """Twelve blocks of one second each are in the last minute, whatever the clock says."""
    assert index.per_minute(3) == [0, 0, 24]


def test_an_index_of_another_version_is_made_anew(tmp_path):
    """A file that another version wrote is emptied, not misread."""
    path = tmp_path / "index.sqlite"
    with Index(path) as made:
        made.add([block(5)])
        made._database.execute("PRAGMA user_version = 999")
    with Index(path) as again:
        assert again.height() is None


def test_what_a_node_tells_of_a_block_is_indexed_by_names():
    """A block's view and its events become rows; hooks' events have no extrinsic."""
    view = {
        "height": 7,
        "id": "07" * 32,
        "header": {"time_ms": 5, "proposer": BOB},
        "extrinsics": [
            {
                "hash": "aa" * 32,
                "call": "System.remark",
                "ok": False,
                "error_name": "X.Y",
                "signer": ALICE,
            }
        ],
    }
    hook = {"extrinsic_index": None, "pallet": "Fees", "name": "Collected", "fields": {"fees": 1}}
    found = indexed_block(view, [hook])
    assert found.block.extrinsic_count == 1
    assert found.extrinsics[0].ok is False
    assert found.events[0].name == "Fees.Collected"
    assert found.events[0].extrinsic_index is None


def test_only_32_byte_values_are_mentioned():
    """Numbers, names and shorter digits are not searched for."""
    assert mentioned({"a": [ALICE, {"b": BOB}], "c": "ab" * 16, "d": 5, "e": "zz" * 32}) == {
        ALICE,
        BOB,
    }
