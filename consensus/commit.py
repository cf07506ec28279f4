"""Commits: the compact certificate of a decided block, version 1.

Every vote that finalizes carries a BLS share: a signature of the statement's payload, the same 32
bytes for all voters.  A commit is the sum of a quorum's shares with the bitmap of who gave them:
about 150 bytes and a byte for 8 validators, and one verification.  It binds what the votes bind:
chain, validator set, height, round and block.  A block is decided by a certificate whose shares are
all good (`Facts`), so every decided block has a commit.

Verifiers accept one encoding only: the bitmap is strict, as in certificates, and infinity is no
aggregate.  A block can have several valid commits, of different quorums or rounds; all name it.

The keys of the set must have proved their possession (`consensus/bls`).  Whoever takes a set from a
stranger checks that first: `consensus/light/verification.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from consensus.bls import BLS
from consensus.errors import InvalidCertificate
from consensus.votes import Certificate, Statement, VoteKind, decode_bitmap
from runtime.codec import codec_of
from runtime.hashing import hash_commit
from runtime.types import U8, U32, BlockNumber, BlsSignature, Hash, Max
from runtime.wire.validators import VALIDATORS_MAX, ValidatorSet

COMMIT_VERSION = 1
_REMEDY = "Ask another node for the commit; one that sends it again is faulty."


@dataclass(frozen=True, slots=True)
class Commit:
    """A quorum finalized `block_id` at `height`, in `round`."""

    version: U8
    height: BlockNumber
    round: U32
    block_id: Hash
    bitmap: Annotated[bytes, Max(VALIDATORS_MAX // 8)]
    signature: BlsSignature
    """The sum of the shares of the validators in the bitmap."""

    @classmethod
    def decode(cls, data: bytes) -> Commit:
        """Return the commit of these bytes, not verified; raises `DecodeError`."""
        return codec_of(Commit).decode(data)

    def encode(self) -> bytes:
        """The canonical bytes."""
        return codec_of(Commit).encode(self)

    def hash(self) -> bytes:
        """The 32 bytes by which the next header names the commit in `last_commit_hash`."""
        return hash_commit(self.encode())

    @property
    def statement(self) -> Statement:
        """What the shares sign."""
        return Statement(VoteKind.FINALIZE, self.height, self.round, self.block_id)


def commit_of(certificate: Certificate) -> Commit:
    """Return the commit that a certificate's shares add up to.

    The certificate is verified and finalizes, and `Scheme.bad_shares` found none in it.  Raises
    `InvalidCertificate` for anything else that cannot be added up.
    """
    statement = certificate.statement
    signature = BLS.aggregate(certificate.shares)
    if signature is None or statement.block_id is None:
        message = f"The shares of block {statement.height} do not add up to a commit."
        raise InvalidCertificate(message, remedy=_REMEDY)
    return Commit(
        version=COMMIT_VERSION,
        height=statement.height,
        round=statement.round,
        block_id=statement.block_id,
        bitmap=certificate.bitmap,
        signature=signature,
    )


def verify_commit(commit: Commit, validators: ValidatorSet, genesis_hash: bytes) -> tuple[int, ...]:
    """Return the voters' indices; raises `InvalidCertificate` unless a quorum signed the commit."""
    voters = voters_of(commit, validators)
    weight = sum(validators.validators[index].weight for index in voters)
    if weight < validators.quorum:
        message = f"The voters' weight is {weight}, below the quorum of {validators.quorum}."
        raise InvalidCertificate(message, remedy=_REMEDY)
    payload = commit.statement.payload(genesis_hash, validators.hash())
    keys = [validators.validators[index].bls_key for index in voters]
    if not BLS.fast_aggregate_verify(keys, payload, commit.signature):
        message = f"The aggregate of the commit of block {commit.height} is wrong."
        raise InvalidCertificate(message, remedy=_REMEDY)
    return voters


def voters_of(commit: Commit, validators: ValidatorSet) -> tuple[int, ...]:
    """Return the indices in the bitmap, whose signatures are not verified here.

    Raises `InvalidCertificate` for a version or a bitmap that is none of this set.
    """
    voters = decode_bitmap(commit.bitmap, validators)
    if commit.version != COMMIT_VERSION or commit.round == 0 or voters is None:
        message = f"The commit of block {commit.height} has an unknown version, round or bitmap."
        raise InvalidCertificate(message, remedy=_REMEDY)
    return voters
