"""The validators of a chain's first block, and how a validator proves its keys."""

from __future__ import annotations

from dataclasses import dataclass

from consensus.bls import BLS
from runtime.keys import Keypair
from runtime.types import AccountId, Amount, BlsPublicKey, BlsSignature, PublicKey, Signature
from runtime.wire.session_keys import KeyProofs, SessionKeys
from runtime.wire.validators import WEIGHT_UNIT, Validator


@dataclass(frozen=True, slots=True)
class SpecValidator:
    """A validator of the first block: its bond, the keys it signs with, and their proofs.

    The account must be endowed with the bond.  Each party makes its own entry, and nobody can use
    it for another account.
    """

    account: AccountId
    bond: Amount
    vote_key: PublicKey
    bls_key: BlsPublicKey
    vote_signature: Signature
    bls_signature: BlsSignature
    possession: BlsSignature

    @property
    def keys(self) -> SessionKeys:
        """The keys, as the session pallet takes them."""
        return SessionKeys(self.vote_key, self.bls_key)

    @property
    def proofs(self) -> KeyProofs:
        """The proofs, as the session pallet takes them."""
        return KeyProofs(self.vote_signature, self.bls_signature, self.possession)

    @property
    def validator(self) -> Validator:
        """The validator, as consensus knows it."""
        return Validator(self.account, self.bond // WEIGHT_UNIT, self.vote_key, self.bls_key)


def prove_keys(
    vote: Keypair, bls_secret: bytes, genesis_hash: bytes, account: bytes
) -> tuple[SessionKeys, KeyProofs]:
    """Return the keys of these secrets and the proofs that `account` has them.

    Raises `InvalidBlsSecret`.
    """
    keys = SessionKeys(vote.account, BLS.public_key(bls_secret))
    payload = keys.payload(genesis_hash, account)
    proofs = KeyProofs(
        vote_signature=vote.sign(payload),
        bls_signature=BLS.sign(bls_secret, payload),
        possession=BLS.prove_possession(bls_secret),
    )
    return keys, proofs


def spec_validator(
    account: bytes, bond: int, keys: SessionKeys, proofs: KeyProofs
) -> SpecValidator:
    """Return the entry of a validator in a chain spec; the proofs are for the genesis hash 0."""
    return SpecValidator(
        account=account,
        bond=bond,
        vote_key=keys.vote_key,
        bls_key=keys.bls_key,
        vote_signature=proofs.vote_signature,
        bls_signature=proofs.bls_signature,
        possession=proofs.possession,
    )
