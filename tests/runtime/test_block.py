"""Blocks: the header's encoding is the block's identity."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from runtime.block import BLOCK_EXTRINSICS_MAX, EXTRINSIC_BYTES_MAX, Block, Header
from runtime.codec import OutOfBounds, codec_of
from runtime.hashing import hash_header

HEADER = Header(5, bytes([1]) * 32, 1_700_000_000_000, bytes([2]) * 32, bytes([3]) * 32,
                bytes([4]) * 32, bytes([5]) * 32, bytes([6]) * 32, bytes([7]) * 32,
                bytes([8]) * 32, bytes([9]) * 32, 1, bytes([10]) * 32, bytes(64))  # fmt: skip


def test_the_fields_of_a_header_are_pinned() -> None:
    """Order and names are the encoding; `consensus.md` lists them."""
    assert " ".join(field.name for field in fields(Header)) == (
        "height parent_hash time_ms proposer state_root extrinsics_root events_root "
        "validators_hash next_validators_hash last_commit_hash evidence_root spec_version beacon "
        "beacon_proof"
    )


def test_the_identity_of_a_header_is_pinned() -> None:
    """Receipts of years ago must still lead to their block."""
    assert HEADER.id() == hash_header(codec_of(Header).encode(HEADER))
    assert HEADER.id().hex() == "fb349eeb200b33642153724289c0310466a9c6d22688af7340d19041f8056629"


@pytest.mark.parametrize("name", [field.name for field in fields(Header)])
def test_every_field_is_part_of_the_identity(name: str) -> None:
    """Changing any one gives another block."""
    value = getattr(HEADER, name)
    other: Any = value + 1 if isinstance(value, int) else bytes(len(value) - 1) + b"\1"
    assert replace(HEADER, **{name: other}).id() != HEADER.id()


def test_a_block_survives_the_round_trip_within_its_limits() -> None:
    """5,000 extrinsics of at most 64 KiB."""
    codec = codec_of(Block)
    block = Block(HEADER, (b"one", b"two"), b"commit")
    assert codec.decode(block.encode()) == block
    with pytest.raises(OutOfBounds):
        replace(block, extrinsics=(b"",) * (BLOCK_EXTRINSICS_MAX + 1)).encode()
    with pytest.raises(OutOfBounds):
        replace(block, extrinsics=(bytes(EXTRINSIC_BYTES_MAX + 1),)).encode()
