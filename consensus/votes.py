"""Votes and certificates, version 1.

A statement is what a vote says.  Its signed payload also binds the chain (the genesis hash) and
the validator set, so that a vote counts on one chain, at one height, in one round, under one set
and for one kind only.  A certificate is a quorum, by weight, of votes for the same statement: one
bit for every validator of the set (bit i % 8 of byte i // 8, the lowest first) and the voters'
signatures in the order of the set.  Verifiers accept one encoding only: no spare bit, no signature
too many, every signature valid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from consensus.errors import InvalidCertificate, InvalidVote
from runtime.codec import codec_of
from runtime.hashing import hasher
from runtime.keys import verify
from runtime.types import U8, U32, AccountId, BlockNumber, Hash, Max, Signature
from runtime.wire.validators import VALIDATORS_MAX, ValidatorSet

CERTIFICATE_VERSION = 1

_hash_vote = hasher(b"consensus vote")
_REMEDY = "Ask another node for the certificate; one that sends it again is faulty."


class VoteKind(IntEnum):
    """What a vote asks for."""

    NOTARIZE = 0
    NULLIFY = 1
    FINALIZE = 2


@dataclass(frozen=True, slots=True)
class Statement:
    """What is voted: a block in a round of a height, or, to nullify the round, no block."""

    kind: VoteKind
    height: BlockNumber
    round: U32
    block_id: Hash | None

    def payload(self, genesis_hash: bytes, validators_hash: bytes) -> bytes:
        """Return the 32 bytes that a validator signs."""
        statement = codec_of(Statement).encode(self)
        return _hash_vote(genesis_hash + validators_hash + statement)


@dataclass(frozen=True, slots=True)
class Vote:
    """A validator's signature on a statement."""

    statement: Statement
    validator: AccountId
    signature: Signature


@dataclass(frozen=True, slots=True)
class Certificate:
    """A quorum's signatures on a statement; with the kind `FINALIZE` it is a block's commit."""

    version: U8
    statement: Statement
    bitmap: Annotated[bytes, Max(VALIDATORS_MAX // 8)]
    signatures: Annotated[tuple[Signature, ...], Max(VALIDATORS_MAX)]

    @classmethod
    def decode(cls, data: bytes) -> Certificate:
        """Return the certificate of these bytes, not verified; raises `DecodeError`."""
        return codec_of(Certificate).decode(data)

    def encode(self) -> bytes:
        """The canonical bytes; `hash_commit` of a commit's is in the next header."""
        return codec_of(Certificate).encode(self)


def sign_vote(
    statement: Statement,
    validators_hash: bytes,
    genesis_hash: bytes,
    account: bytes,
    sign: Callable[[bytes], bytes],
) -> Vote:
    """Return the vote of `account`, whose key is behind `sign`."""
    payload = statement.payload(genesis_hash, validators_hash)
    return Vote(statement, account, sign(payload))


def verify_vote(vote: Vote, validators: ValidatorSet, genesis_hash: bytes) -> int:
    """Return the voter's index in the set; raises `InvalidVote`."""
    index = validators.index_of(vote.validator)
    remedy = "Drop the vote; a peer that sends it is faulty or on another chain."
    if index is None:
        message = f"{vote.validator.hex()} votes and is not a validator."
        raise InvalidVote(message, remedy=remedy)
    payload = vote.statement.payload(genesis_hash, validators.hash())
    if not _names_block(vote.statement) or not verify(vote.validator, payload, vote.signature):
        message = f"A vote of {vote.validator.hex()} is malformed or its signature is wrong."
        raise InvalidVote(message, remedy=remedy)
    return index


def certificate_of(
    statement: Statement, signatures: Mapping[int, bytes], validators: ValidatorSet
) -> Certificate | None:
    """Return the certificate of verified signatures by voter's index; `None` below the quorum."""
    voters = sorted(signatures)
    if sum(validators.validators[index].weight for index in voters) < validators.quorum:
        return None
    bits = sum(1 << index for index in voters)
    return Certificate(
        version=CERTIFICATE_VERSION,
        statement=statement,
        bitmap=bits.to_bytes(_bitmap_bytes(validators), "little"),
        signatures=tuple(signatures[index] for index in voters),
    )


def verify_certificate(
    certificate: Certificate, validators: ValidatorSet, genesis_hash: bytes
) -> None:
    """Raise `InvalidCertificate` unless a quorum of `validators` signed the statement."""
    if certificate.version != CERTIFICATE_VERSION or not _names_block(certificate.statement):
        message = f"A certificate of version {certificate.version} is unknown or malformed."
        raise InvalidCertificate(message, remedy=_REMEDY)
    voters = _voters(certificate, validators)
    weight = sum(validators.validators[index].weight for index in voters)
    if weight < validators.quorum:
        message = f"The voters' weight is {weight}, below the quorum of {validators.quorum}."
        raise InvalidCertificate(message, remedy=_REMEDY)
    payload = certificate.statement.payload(genesis_hash, validators.hash())
    for index, signature in zip(voters, certificate.signatures, strict=True):
        account = validators.validators[index].account
        if not verify(account, payload, signature):
            message = f"The signature of validator {account.hex()} in the certificate is wrong."
            raise InvalidCertificate(message, remedy=_REMEDY)


def _voters(certificate: Certificate, validators: ValidatorSet) -> list[int]:
    """The indices in the bitmap, checked against the set and the number of signatures."""
    bits = int.from_bytes(certificate.bitmap, "little")
    count = len(validators.validators)
    if len(certificate.bitmap) != _bitmap_bytes(validators) or bits >> count:
        message = f"The certificate's bitmap is not one of {count} validators."
        raise InvalidCertificate(message, remedy=_REMEDY)
    voters = [index for index in range(count) if bits >> index & 1]
    if len(voters) != len(certificate.signatures):
        message = f"{len(certificate.signatures)} signatures, and {len(voters)} voters."
        raise InvalidCertificate(message, remedy=_REMEDY)
    return voters


def _bitmap_bytes(validators: ValidatorSet) -> int:
    return (len(validators.validators) + 7) // 8


def _names_block(statement: Statement) -> bool:
    """Whether the statement names a block exactly if its kind asks for one."""
    return (statement.block_id is None) == (statement.kind is VoteKind.NULLIFY)
