"""Frames: the same plaintexts come out however the bytes arrive, and nothing else ever does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.p2p import frames
from node.p2p.errors import FrameDamaged
from node.p2p.frames import LENGTH_BYTES, SEAL_BYTES
from node.p2p.limits import FRAME_BYTES_MAX
from tests.node.p2p.wires import channel


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=300), max_size=8), st.data())
def test_any_chunking_gives_the_same_plaintexts(plaintexts, data):
    """TCP may cut the stream anywhere."""
    sealer, opener = channel()
    stream = b"".join(sealer.seal(each) for each in plaintexts)
    opened: list[bytes] = []
    while stream:
        count = data.draw(st.integers(1, len(stream)))
        opened += opener.feed(stream[:count])
        stream = stream[count:]
    assert opened == plaintexts
    assert opener.held_bytes == 0


def test_a_changed_bit_anywhere_is_refused():
    """In the length and in the ciphertext; a larger length waits for bytes that do not help."""
    for position in range(LENGTH_BYTES + SEAL_BYTES + 5):
        sealer, opener = channel()
        frame = bytearray(sealer.seal(b"hello"))
        frame[position] ^= 1
        with pytest.raises(FrameDamaged):
            list(opener.feed(bytes(frame) + bytes(FRAME_BYTES_MAX)))


def test_frames_cannot_be_dropped_repeated_or_moved():
    """A secretstream numbers its frames."""
    for order in ([1], [0, 0], [1, 0]):
        sealer, opener = channel()
        sealed = [sealer.seal(b"first"), sealer.seal(b"second")]
        with pytest.raises(FrameDamaged):
            list(opener.feed(b"".join(sealed[index] for index in order)))


@pytest.mark.parametrize("length", [0, SEAL_BYTES, FRAME_BYTES_MAX + SEAL_BYTES + 1, 2**32 - 1])
def test_an_impossible_length_is_refused_before_anything_is_held(length):
    """Neither an empty nor an oversized frame is waited for."""
    _, opener = channel()
    with pytest.raises(FrameDamaged, match=f"cannot have {length} bytes"):
        list(opener.feed(length.to_bytes(LENGTH_BYTES, "big")))


def test_the_largest_frame_passes():
    """1 MiB of plaintext is not too much."""
    sealer, opener = channel()
    assert list(opener.feed(sealer.seal(bytes(FRAME_BYTES_MAX)))) == [bytes(FRAME_BYTES_MAX)]


def test_keys_are_replaced_on_both_sides(monkeypatch):
    """After so many frames the stream goes on under a new key."""
    monkeypatch.setattr(frames, "REKEY_FRAMES", 3)
    sealer, opener = channel()
    for number in range(10):
        assert list(opener.feed(sealer.seal(b"%d" % number))) == [b"%d" % number]


def test_the_end_is_told_and_nothing_follows_it():
    """A stream that was cut off can be told from one that has ended."""
    sealer, opener = channel()
    list(opener.feed(sealer.seal(b"more follows")))
    assert not opener.ended
    last = sealer.seal(b"last", final=True)
    assert list(opener.feed(last)) == [b"last"]
    assert opener.ended
    with pytest.raises(FrameDamaged, match="follows the last"):
        list(opener.feed(sealer.seal(b"too late")))
