"""Blocks, their headers, and their limits.

| limit | value |
|---|---|
| one extrinsic | 64 KiB |
| extrinsics of a block | 5,000, 4 MiB and 10**9 weight units together |
| events of a block | 262,144 |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime.codec import codec_of
from runtime.hashing import ZERO_HASH, hash_header
from runtime.types import U32, U64, AccountId, BlockNumber, Hash, Max

EXTRINSIC_BYTES_MAX = 64 * 1024
"""The largest encoded extrinsic, in bytes."""
BLOCK_EXTRINSICS_MAX = 5_000
"""The most extrinsics of one block."""
BLOCK_BYTES_MAX = 4 * 1024 * 1024
"""The most bytes of all extrinsics of one block together."""
BLOCK_UNITS_MAX = 1_000_000_000
"""The most weight units of all extrinsics of one block: one second of the reference machine."""
COMMIT_BYTES_MAX = 512
"""The largest encoded commit."""
BLOCK_EVENTS_MAX = 262_144
"""The most events of one block."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the validators sign: the block's place, its effects and who may decide the next one."""

    height: BlockNumber
    parent_hash: Hash
    time_ms: U64
    """Milliseconds since the Unix epoch; strictly larger than the parent's."""
    proposer: AccountId
    state_root: Hash
    """After the block."""
    extrinsics_root: Hash
    events_root: Hash
    validators_hash: Hash
    next_validators_hash: Hash
    last_commit_hash: Hash
    evidence_root: Hash
    spec_version: U32
    beacon: Hash
    beacon_proof: Annotated[bytes, Max(96)]

    def encode(self) -> bytes:
        """The canonical bytes that `id` commits to."""
        return codec_of(Header).encode(self)

    def id(self) -> bytes:
        """The block's 32-byte identity."""
        return hash_header(self.encode())


@dataclass(frozen=True, slots=True)
class Block:
    """A header, and what it commits to: the encoded extrinsics and the parent's commit."""

    header: Header
    extrinsics: Annotated[
        tuple[Annotated[bytes, Max(EXTRINSIC_BYTES_MAX)], ...], Max(BLOCK_EXTRINSICS_MAX)
    ]
    last_commit: Annotated[bytes, Max(COMMIT_BYTES_MAX)]
    """How the parent was decided, as `consensus.commit` encodes it; empty in blocks 0 and 1."""

    def encode(self) -> bytes:
        """The canonical bytes that the store keeps."""
        return codec_of(Block).encode(self)


@dataclass(frozen=True, slots=True)
class BlockContext:
    """What a call may know of the block it is in."""

    height: int
    time_ms: int
    proposer: bytes
    beacon: bytes
    parent_hash: bytes


GENESIS_CONTEXT = BlockContext(0, 0, ZERO_HASH, ZERO_HASH, ZERO_HASH)
"""The context of genesis and of reads outside any block."""
