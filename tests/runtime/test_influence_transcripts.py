"""The shape of an attribute job's transcript: what each position is, and what it is judged from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import DecodeError
from runtime.hashing import ZERO_HASH
from runtime.merkle import InvalidLeaves
from runtime.wire.influence_transcripts import (
    NODES_MAX,
    InfluenceLeaf,
    InfluenceShape,
    Phase,
    decode_influence_leaf,
    needs,
    place_of,
)
from runtime.wire.transcripts import LEAF_BYTES_MAX

SHAPES = st.builds(InfluenceShape, st.integers(1, 50), st.integers(1, NODES_MAX))


def test_a_replay_of_two_steps_at_two_nodes_is_laid_out_as_drawn():
    """Begin, forward, target, backward from the last step on; then the next node; then the end."""
    shape = InfluenceShape(2, 2)
    places = [place_of(shape, position) for position in range(shape.leaf_count)]
    assert [(place.phase.name, place.node, place.step) for place in places] == [
        *[("BEGIN", 0, 0), ("FORWARD", 0, 1), ("FORWARD", 0, 2)],
        *[("TARGET", 0, 0), ("BACKWARD", 0, 2), ("BACKWARD", 0, 1)],
        *[("BEGIN", 1, 0), ("FORWARD", 1, 1), ("FORWARD", 1, 2)],
        *[("TARGET", 1, 0), ("BACKWARD", 1, 2), ("BACKWARD", 1, 1)],
        ("CONCLUSION", 2, 0),
    ]
    assert [needs(shape, position) for position in range(shape.leaf_count)] == [
        *[(), (0,), (1,), (2,), (3, 1), (4, 0)],
        *[(), (6,), (7,), (8, 5), (9, 7), (10, 6)],
        (11,),
    ]


@given(shape=SHAPES)
def test_a_leaf_is_judged_from_the_leaf_before_and_one_more_at_most(shape):
    """Nothing needs a later leaf, and a backward step needs the state its step started from."""
    for position in range(shape.leaf_count):
        place, needed = place_of(shape, position), needs(shape, position)
        if place.phase is Phase.BEGIN:
            assert needed == ()
            continue
        assert needed[0] == position - 1
        assert len(needed) <= 2
        if place.phase is Phase.BACKWARD:
            start = place_of(shape, needed[1])
            assert (start.node, start.step) == (place.node, place.step - 1)
            assert start.phase in {Phase.BEGIN, Phase.FORWARD}


@pytest.mark.parametrize("position", [-1, 13])
def test_no_place_is_outside_the_transcript(position):
    """A position that no transcript of the shape has is an error."""
    with pytest.raises(InvalidLeaves, match=f"no leaf {position}"):
        place_of(InfluenceShape(2, 2), position)


def test_a_leaf_is_its_bytes():
    """Encoding loses nothing, fits every opening, and cut bytes are none."""
    leaf = InfluenceLeaf("o" * 64, b"j" * 32, 2**32 - 1, b"s" * 32, ZERO_HASH, b"d" * 32, -5, 4)
    data = leaf.encode()
    assert decode_influence_leaf(data) == leaf
    assert len(data) <= LEAF_BYTES_MAX
    with pytest.raises(DecodeError):
        decode_influence_leaf(data[:-1])
