"""Transcripts: a dispute finds the first wrong leaf, and an opening proves nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.codec import codec_of
from runtime.errors import InvalidProof
from runtime.hashing import hash_list_leaf
from runtime.merkle import list_root
from runtime.wire.transcripts import (
    ROUND_NODES_MAX,
    STATE_CHUNK_BYTES,
    STATE_PART_BYTES,
    StateRecord,
    Subtree,
    TranscriptLeaf,
    blinded_root,
    check_split,
    decode_leaf,
    dispute_rounds,
    first_difference,
    leaf_result,
    open_step,
    parts_of,
    split,
    state_chunks,
    state_parts,
    state_root,
    verify_step,
    whole_tree,
)

LEAF = TranscriptLeaf(
    operators="x13.1",
    job=bytes(range(32)),
    step=7,
    state_root=bytes([1]) * 32,
    batch_root=bytes([2]) * 32,
    random_counter=9,
    cursor=350,
    learning_rate_bits=0x3BC49BA6,
    loss_grid=-3,
    fault=0,
)


def transcript(count: int, wrong_from: int | None = None) -> list[bytes]:
    """Leaves of a computation that goes wrong at a leaf and stays wrong."""
    return [
        b"%d %d" % (index, wrong_from is not None and index >= wrong_from) for index in range(count)
    ]


def disputed_leaf(own: list[bytes], committed: list[bytes]) -> tuple[int, int]:
    """The leaf that a dispute between two transcripts finds, and after how many rounds."""
    count = len(committed)
    expected, subtree, rounds = list_root(committed), whole_tree(count), 0
    while subtree.level:
        posted = split(committed, subtree)
        assert len(posted) <= ROUND_NODES_MAX
        check_split(expected, subtree, count, posted)
        place = first_difference(posted, split(own, subtree))
        assert place is not None
        expected, subtree = posted[place], parts_of(subtree, count)[place]
        rounds += 1
    return subtree.index, rounds


@settings(deadline=None)
@given(count=st.integers(1, 600), data=st.data())
def test_a_dispute_finds_the_first_wrong_leaf(count, data):
    """However long the transcript, honest play ends at the first leaf that differs, in time."""
    wrong = data.draw(st.integers(0, count - 1))
    found, rounds = disputed_leaf(transcript(count), transcript(count, wrong))
    assert found == wrong
    assert rounds == dispute_rounds(count)


@pytest.mark.parametrize(("steps", "rounds"), [(200, 2), (2_000, 3), (20_000, 4)])
def test_a_dispute_is_short(steps, rounds):
    """A run of T steps has T + 2 leaves; 16 nodes a round find one in 2, 3 or 4 rounds."""
    assert dispute_rounds(steps + 2) == rounds
    assert disputed_leaf(transcript(steps + 2), transcript(steps + 2, 37)) == (37, rounds)


@settings(deadline=None)
@given(count=st.integers(2, 300), data=st.data())
def test_a_worker_can_post_only_what_it_committed_to(count, data):
    """A changed, missing, repeated or swapped node never passes for the committed ones."""
    leaves = transcript(count)
    posted = split(leaves, whole_tree(count))
    place = data.draw(st.integers(0, len(posted) - 1))
    changed = (*posted[:place], bytes(32), *posted[place + 1 :])
    for bad in (changed, posted[:-1], (*posted, posted[-1]), posted[::-1], ()):
        if bad != posted:
            with pytest.raises(InvalidProof):
                check_split(list_root(leaves), whole_tree(count), count, bad)


def test_a_split_of_another_count_is_refused():
    """The root binds the number of leaves: a shorter transcript is another commitment."""
    leaves = transcript(16)
    posted = split(leaves, whole_tree(16))
    with pytest.raises(InvalidProof):
        check_split(list_root(transcript(15)), whole_tree(16), 16, posted)
    with pytest.raises(InvalidProof):
        check_split(list_root(leaves), Subtree(9, 3), 16, ())


def test_an_agreeing_challenger_has_no_difference():
    """Equal nodes name nothing; a shorter own list differs where it ends."""
    nodes = (bytes(32), bytes([1]) * 32)
    assert first_difference(nodes, nodes) is None
    assert first_difference(nodes, nodes[:1]) == 1


@settings(deadline=None)
@given(count=st.integers(1, 60), data=st.data())
def test_a_step_is_opened_at_its_own_place_only(count, data):
    """Two neighbouring leaves verify under the root; any other pair or root does not."""
    leaves = transcript(count)
    root = list_root(leaves)
    index = data.draw(st.integers(0, count - 1))
    opening = open_step(leaves, index, bytes(32))
    verify_step(root, count, index, opening)
    assert leaf_result(opening.after.leaf) == hash_list_leaf(leaves[index])
    other = replace(opening.after, leaf=b"another leaf")
    for bad_root, place, bad in (
        (bytes(32), index, opening),
        (root, index + 1, opening),
        (root, index, replace(opening, after=other)),
        (root, index, replace(opening, before=None if index else opening.after)),
        (root, index, replace(opening, state=None if index else bytes(32))),
    ):
        with pytest.raises(InvalidProof):
            verify_step(bad_root, count, place, bad)
    if index > 1:
        elsewhere = replace(opening, before=open_step(leaves, index - 1, bytes(32)).before)
        with pytest.raises(InvalidProof):
            verify_step(root, count, index, elsewhere)


@settings(deadline=None, max_examples=20)
@given(size=st.integers(1, 5 * STATE_CHUNK_BYTES), data=st.data())
def test_every_byte_of_a_state_is_committed_to(size, data):
    """Chunks put together are the state; changing any byte, or the length, changes the root."""
    state = bytes(number % 251 for number in range(size))
    assert b"".join(state_chunks(state)) == state
    place = data.draw(st.integers(0, size - 1))
    changed = state[:place] + bytes([state[place] ^ 1]) + state[place + 1 :]
    assert len({state_root(state), state_root(changed), state_root(state + b"\0")}) == 3


def test_a_kept_state_is_the_list_of_its_parts():
    """Each part is one that a content store takes; together they are the state."""
    state = bytes(STATE_PART_BYTES) + b"rest"
    assert [len(part) for part in state_parts(state)] == [STATE_PART_BYTES, 4]
    assert b"".join(state_parts(state)) == state
    record = StateRecord(step=3, state=bytes(32))
    assert codec_of(StateRecord).decode(record.encode()) == record


def test_every_field_of_a_leaf_is_committed_to():
    """Changing any field changes the encoding; decoding gives the leaf back."""
    assert decode_leaf(LEAF.encode()) == LEAF
    changed = (
        replace(LEAF, operators="x13.2"),
        replace(LEAF, job=bytes(32)),
        replace(LEAF, step=8),
        replace(LEAF, state_root=bytes(32)),
        replace(LEAF, batch_root=bytes(32)),
        replace(LEAF, random_counter=10),
        replace(LEAF, cursor=351),
        replace(LEAF, learning_rate_bits=0),
        replace(LEAF, loss_grid=3),
        replace(LEAF, fault=1),
    )
    assert len({leaf.encode() for leaf in [LEAF, *changed]}) == len(changed) + 1


def test_a_blinded_root_is_its_makers_own():
    """Root, account and salt all bind: nobody can commit to another's root unseen."""
    parts = [bytes([number]) * 32 for number in range(3)]
    blinded = blinded_root(*parts)
    for place in range(3):
        other = [*parts]
        other[place] = bytes([9]) * 32
        assert blinded_root(*other) != blinded
