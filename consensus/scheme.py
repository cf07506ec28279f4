"""What is signed under one validator set of one chain: making and verifying votes and certificates.

Cryptography comes in from outside, so that the simulator runs the same code on signatures that cost
nothing.  Payloads are kept while the set is in use: every vote for a statement shares one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from consensus.errors import InvalidCertificate, InvalidVote
from consensus.votes import (
    CERTIFICATE_VERSION,
    Certificate,
    Statement,
    Vote,
    VoteKind,
    decode_bitmap,
    encode_bitmap,
    signed_payload,
)
from runtime.wire.validators import ValidatorSet

PAYLOADS_MAX = 8_192
"""Statements whose payload is kept: those of every kind in 1,024 rounds, twice."""
_VOTE_REMEDY = "Drop the vote; a peer that sends it is faulty or on another chain."
_REMEDY = "Ask another node for the certificate; one that sends it again is faulty."


class Cryptography(Protocol):
    """The two signature schemes of a validator."""

    def verify(self, public_key: bytes, payload: bytes, signature: bytes) -> bool:
        """Whether an ed25519 signature holds; never raises."""

    def bad_shares(
        self, bls_keys: Sequence[bytes], payload: bytes, shares: Sequence[bytes]
    ) -> tuple[int, ...]:
        """Return the positions of the BLS shares that are not signatures of the payload."""


class Scheme:
    """One validator set on one chain."""

    def __init__(
        self, validators: ValidatorSet, genesis_hash: bytes, cryptography: Cryptography
    ) -> None:
        """Verify under `validators`, on the chain whose block 0 has this hash."""
        self.validators = validators
        self.validators_hash = validators.hash()
        self.quorum = validators.quorum
        self.weights = tuple(each.weight for each in validators.validators)
        self._keys = tuple(each.vote_key for each in validators.validators)
        self._bls_keys = tuple(each.bls_key for each in validators.validators)
        self._indices = {each.account: n for n, each in enumerate(validators.validators)}
        self._genesis_hash = genesis_hash
        self._cryptography = cryptography
        self._payloads: dict[tuple[int, int, int, bytes | None], bytes] = {}

    def index_of(self, account: bytes) -> int | None:
        """The validator's position in the set; `None` for anybody else."""
        return self._indices.get(account)

    def account_of(self, index: int) -> bytes:
        """The account of the validator at a position."""
        return self.validators.validators[index].account

    def payload(self, statement: Statement) -> bytes:
        """The 32 bytes that are signed for a statement."""
        key = (statement.kind, statement.height, statement.round, statement.block_id)
        payload = self._payloads.get(key)
        if payload is None:
            if len(self._payloads) >= PAYLOADS_MAX:
                self._payloads.clear()
            payload = statement.payload(self._genesis_hash, self.validators_hash)
            self._payloads[key] = payload
        return payload

    def verify_vote(self, vote: Vote) -> int:
        """Return the voter's index; raises `InvalidVote`.

        The BLS share is covered by the signature, and not verified here: see `bad_shares`.
        """
        index = self._indices.get(vote.validator)
        if index is None:
            message = f"{vote.validator.hex()} votes and is not a validator."
            raise InvalidVote(message, remedy=_VOTE_REMEDY)
        statement, share = vote.statement, vote.share
        shared = (share is not None) == (statement.kind is VoteKind.FINALIZE)
        if not (
            shared
            and statement.is_well_formed
            and self._cryptography.verify(
                self._keys[index], signed_payload(self.payload(statement), share), vote.signature
            )
        ):
            message = f"A vote of {vote.validator.hex()} is malformed or its signature is wrong."
            raise InvalidVote(message, remedy=_VOTE_REMEDY)
        return index

    def certify(self, statement: Statement, votes: Mapping[int, Vote]) -> Certificate | None:
        """Return the certificate of verified votes by voter's index; `None` below the quorum."""
        voters = tuple(sorted(votes))
        if sum(self.weights[index] for index in voters) < self.quorum:
            return None
        shares = [votes[index].share for index in voters]
        return Certificate(
            version=CERTIFICATE_VERSION,
            statement=statement,
            bitmap=encode_bitmap(voters, self.validators),
            signatures=tuple(votes[index].signature for index in voters),
            shares=tuple(share for share in shares if share is not None),
        )

    def verify_certificate(self, certificate: Certificate) -> tuple[int, ...]:
        """Return the voters' indices; raises `InvalidCertificate` unless a quorum signed.

        The BLS shares are covered by the signatures, and not verified here: see `bad_shares`.
        """
        statement = certificate.statement
        known = statement.is_well_formed and statement.kind is not VoteKind.PROPOSE
        if certificate.version != CERTIFICATE_VERSION or not known:
            message = f"A certificate of version {certificate.version} is unknown or malformed."
            raise InvalidCertificate(message, remedy=_REMEDY)
        voters = self._voters(certificate)
        weight = sum(self.weights[index] for index in voters)
        if weight < self.quorum:
            message = f"The voters' weight is {weight}, below the quorum of {self.quorum}."
            raise InvalidCertificate(message, remedy=_REMEDY)
        payload = self.payload(statement)
        for vote in self._votes_of(certificate, voters):
            key = self._keys[self._indices[vote.validator]]
            signed = signed_payload(payload, vote.share)
            if not self._cryptography.verify(key, signed, vote.signature):
                message = f"The signature of {vote.validator.hex()} in the certificate is wrong."
                raise InvalidCertificate(message, remedy=_REMEDY)
        return voters

    def _votes_of(self, certificate: Certificate, voters: Sequence[int]) -> tuple[Vote, ...]:
        """The votes that a certificate of these voters is made of."""
        shares = certificate.shares or (None,) * len(voters)
        return tuple(
            Vote(certificate.statement, self.account_of(index), signature, share)
            for index, signature, share in zip(voters, certificate.signatures, shares, strict=True)
        )

    def all_votes_of(self, certificate: Certificate) -> tuple[Vote, ...]:
        """The votes that a verified certificate is made of."""
        return self._votes_of(certificate, self._voters(certificate))

    def bad_shares(self, certificate: Certificate) -> tuple[Vote, ...]:
        """The votes of a verified certificate that finalizes whose BLS share is wrong."""
        voters = self._voters(certificate)
        bad = self._cryptography.bad_shares(
            [self._bls_keys[index] for index in voters],
            self.payload(certificate.statement),
            certificate.shares,
        )
        votes = self._votes_of(certificate, voters)
        return tuple(votes[position] for position in bad)

    def is_bad_share(self, index: int, statement: Statement, share: bytes) -> bool:
        """Whether a share of a statement is not the signature of the validator at `index`."""
        keys = (self._bls_keys[index],)
        return bool(self._cryptography.bad_shares(keys, self.payload(statement), (share,)))

    def _voters(self, certificate: Certificate) -> tuple[int, ...]:
        """The indices in the bitmap, checked against the set and the numbers of signatures."""
        voters = decode_bitmap(certificate.bitmap, self.validators)
        if voters is None:
            count = len(self.weights)
            message = f"The certificate's bitmap is not one of {count} validators."
            raise InvalidCertificate(message, remedy=_REMEDY)
        final = certificate.statement.kind is VoteKind.FINALIZE
        counts = (len(certificate.signatures), len(certificate.shares))
        if counts != (len(voters), len(voters) if final else 0):
            message = f"{counts[0]} signatures and {counts[1]} shares of {len(voters)} voters."
            raise InvalidCertificate(message, remedy=_REMEDY)
        return voters
