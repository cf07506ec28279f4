"""Statements, votes and certificates.

A statement is what a vote says.  Its signed payload also binds the chain (the genesis hash) and
the validator set, so that a vote counts on one chain, at one height, in one round, under one set
and for one kind only.  A vote that finalizes carries a BLS share of the same payload, which its
ed25519 signature covers: whoever signs a bad share can be shown to have done so.

A certificate is a quorum, by weight, of votes for the same statement: one bit for every validator
of the set and the voters' signatures in the order of the set.  Verifiers accept one encoding only:
no spare bit, no signature too many, every signature valid.  How they are verified is in
`consensus/scheme.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from runtime.codec import codec_of
from runtime.hashing import hasher
from runtime.types import U8, U32, AccountId, BlockNumber, BlsSignature, Hash, Max, Signature
from runtime.wire.validators import VALIDATORS_MAX, ValidatorSet

CERTIFICATE_VERSION = 1

_hash_vote = hasher(b"consensus vote")


class VoteKind(IntEnum):
    """What a signature asks for; a leader's signature on its proposal is one of them."""

    NOTARIZE = 0
    NULLIFY = 1
    FINALIZE = 2
    PROPOSE = 3


@dataclass(frozen=True, slots=True)
class Statement:
    """What is signed: a block in a round of a height, or, to nullify the round, no block."""

    kind: VoteKind
    height: BlockNumber
    round: U32
    block_id: Hash | None

    def payload(self, genesis_hash: bytes, validators_hash: bytes) -> bytes:
        """Return the 32 bytes that a validator signs; see `signed_payload`."""
        statement = codec_of(Statement).encode(self)
        return _hash_vote(genesis_hash + validators_hash + statement)

    @property
    def is_well_formed(self) -> bool:
        """Whether the statement names a block exactly if its kind asks for one."""
        return (self.block_id is None) == (self.kind is VoteKind.NULLIFY) and self.round > 0


@dataclass(frozen=True, slots=True)
class Vote:
    """A validator's signature on a statement."""

    statement: Statement
    validator: AccountId
    signature: Signature
    share: BlsSignature | None = None
    """The BLS signature of the statement's payload; exactly if it finalizes."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A quorum's signatures on a statement; with the kind `FINALIZE` it decides a block."""

    version: U8
    statement: Statement
    bitmap: Annotated[bytes, Max(VALIDATORS_MAX // 8)]
    signatures: Annotated[tuple[Signature, ...], Max(VALIDATORS_MAX)]
    shares: Annotated[tuple[BlsSignature, ...], Max(VALIDATORS_MAX)]
    """The voters' BLS shares in the same order; none unless it finalizes."""

    @classmethod
    def decode(cls, data: bytes) -> Certificate:
        """Return the certificate of these bytes, not verified; raises `DecodeError`."""
        return codec_of(Certificate).decode(data)

    def encode(self) -> bytes:
        """The canonical bytes."""
        return codec_of(Certificate).encode(self)


def signed_payload(payload: bytes, share: bytes | None) -> bytes:
    """Return what the ed25519 signature of a vote covers: the payload, and its share if any."""
    return payload if share is None else _hash_vote(payload + share)


def sign_vote(
    statement: Statement,
    payload: bytes,
    account: bytes,
    sign: Callable[[bytes], bytes],
    share: Callable[[bytes], bytes],
) -> Vote:
    """Return the vote of `account`, whose ed25519 key is behind `sign` and BLS key behind `share`.

    `payload` is the statement's, on the chain and under the set it is meant for.
    """
    signed_share = share(payload) if statement.kind is VoteKind.FINALIZE else None
    return Vote(statement, account, sign(signed_payload(payload, signed_share)), signed_share)


def encode_bitmap(indices: tuple[int, ...], validators: ValidatorSet) -> bytes:
    """Return the bitmap of validators by index: bit i % 8, the lowest first, of byte i // 8."""
    bits = sum(1 << index for index in indices)
    return bits.to_bytes(_bitmap_bytes(validators), "little")


def decode_bitmap(bitmap: bytes, validators: ValidatorSet) -> tuple[int, ...] | None:
    """Return the indices of a bitmap in order; `None` if it is not one of this set."""
    bits = int.from_bytes(bitmap, "little")
    count = len(validators.validators)
    if len(bitmap) != _bitmap_bytes(validators) or bits >> count:
        return None
    return tuple(index for index in range(count) if bits >> index & 1)


def conflict(one: Statement, other: Statement) -> bool:
    """Whether an honest validator signs at most one of the two (R2, R7)."""
    if (one.height, one.round) != (other.height, other.round):
        return False
    if one.kind is other.kind:
        return one.block_id != other.block_id
    kinds = {one.kind, other.kind}
    if kinds == {VoteKind.FINALIZE, VoteKind.NULLIFY}:
        return True
    return kinds == {VoteKind.FINALIZE, VoteKind.NOTARIZE} and one.block_id != other.block_id


def _bitmap_bytes(validators: ValidatorSet) -> int:
    return (len(validators.validators) + 7) // 8
