"""The keys of a validator: ed25519 for votes, BLS for shares and the beacon."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from consensus.bls import BLS, key_gen
from consensus.votes import Statement, Vote, sign_vote
from genesis.validators import prove_keys
from node.beacon import beacon_payload
from runtime.keys import Keypair
from runtime.wire.session_keys import KeyProofs, SessionKeys


@dataclass(frozen=True, slots=True)
class ValidatorKeys:
    """What the validator of `account` signs with; `repr` leaves the secrets out."""

    account: bytes
    votes: Keypair
    _bls_secret: bytes = field(repr=False, compare=False)

    @classmethod
    def from_keypair(cls, keypair: Keypair, account: bytes | None = None) -> Self:
        """The keys of one seed, which sign for `account`, or for the account of that seed."""
        return cls(account or keypair.account, keypair, key_gen(keypair.seed))

    @property
    def vote_key(self) -> bytes:
        """The public ed25519 key of its votes."""
        return self.votes.account

    @property
    def bls_key(self) -> bytes:
        """The public BLS key, 48 bytes."""
        return BLS.public_key(self._bls_secret)

    def prove(self, genesis_hash: bytes) -> tuple[SessionKeys, KeyProofs]:
        """The keys and the proofs that the account has them; see `prove_keys`."""
        return prove_keys(self.votes, self._bls_secret, genesis_hash, self.account)

    def sign_share(self, payload: bytes) -> bytes:
        """Return the 96-byte BLS signature of a payload."""
        return BLS.sign(self._bls_secret, payload)

    def sign_beacon(self, genesis_hash: bytes, height: int, parent: bytes) -> bytes:
        """Return the proof of the beacon of a height after the `parent` beacon, 96 bytes."""
        return self.sign_share(beacon_payload(genesis_hash, height, parent))

    def sign_vote(self, statement: Statement, payload: bytes) -> Vote:
        """Return the vote for a statement; whether it may be signed is the signer's to know."""
        return sign_vote(statement, payload, self.account, self.votes.sign, self.sign_share)
