"""The scheme of a validator set that all simulated nodes share: what one verified, all know.

Verifying is a function of its arguments alone, so only its time is saved.
"""

from __future__ import annotations

from consensus.scheme import Cryptography, Scheme
from consensus.votes import Certificate, Vote
from runtime.wire.validators import ValidatorSet


class SharedScheme(Scheme):
    """`Scheme` that remembers the votes and certificates it has found good, by identity."""

    def __init__(
        self, validators: ValidatorSet, genesis_hash: bytes, cryptography: Cryptography
    ) -> None:
        """Verify under `validators`, on the chain whose block 0 has this hash."""
        super().__init__(validators, genesis_hash, cryptography)
        self._good_votes: dict[int, tuple[Vote, int]] = {}
        self._good_certificates: dict[int, tuple[Certificate, tuple[int, ...]]] = {}

    def verify_vote(self, vote: Vote) -> int:
        """Return the voter's index; raises `InvalidVote`."""
        known = self._good_votes.get(id(vote))
        if known is not None:
            return known[1]
        index = super().verify_vote(vote)
        self._good_votes[id(vote)] = (vote, index)  # which keeps the vote, and so its identity
        return index

    def verify_certificate(self, certificate: Certificate) -> tuple[int, ...]:
        """Return the voters' indices; raises `InvalidCertificate`."""
        known = self._good_certificates.get(id(certificate))
        if known is not None:
            return known[1]
        voters = super().verify_certificate(certificate)
        self._good_certificates[id(certificate)] = (certificate, voters)
        return voters
