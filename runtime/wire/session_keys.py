"""The keys that a validator signs with, and how it proves that they are its own.

Both keys sign the same payload, which names the chain and the account: nobody can register a key
of somebody else, not even by copying its proofs.  The possession proof of BLS (section 3.3 of
draft-irtf-cfrg-bls-signature-05) is what makes aggregates of many keys sound.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.hashing import hasher
from runtime.types import BlsPublicKey, BlsSignature, PublicKey, Signature

_hash_session_keys = hasher(b"session keys")


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """What a validator signs with."""

    vote_key: PublicKey
    bls_key: BlsPublicKey

    def payload(self, genesis_hash: bytes, account: bytes) -> bytes:
        """The 32 bytes that both keys sign; before block 0 there is no genesis hash: 32 zeros."""
        return _hash_session_keys(genesis_hash + account + self.vote_key + self.bls_key)


@dataclass(frozen=True, slots=True)
class KeyProofs:
    """What shows that an account has the secrets of its keys."""

    vote_signature: Signature
    """Of the payload, by the vote key."""
    bls_signature: BlsSignature
    """Of the payload, by the BLS key."""
    possession: BlsSignature
    """The possession proof of the BLS key."""
