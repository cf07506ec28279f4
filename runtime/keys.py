"""Ed25519 keys and the accounts that have none.

An account is its public key.  A pallet's account (its pot) is a hash of its name: nobody has the
key.

RFC 8032 leaves open which of a few odd signatures hold; ZIP 215 says it for every byte, so that all
verifiers agree, also those that check many signatures at once: A and R are points in any encoding,
S < L in its only one, and 8 S B = 8 R + 8 k A (docs/adr/0009-signatures-hold-by-zip-215.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ed25519_zebra import ed_verify
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from runtime.errors import OpenLedgerError
from runtime.hashing import hash_account

SEED_BYTES = 32
ACCOUNT_BYTES = 32
SIGNATURE_BYTES = 64
_SIGNATURE_OF_WEAK_KEYS = (1).to_bytes(SIGNATURE_BYTES, "little")


class InvalidSeed(OpenLedgerError):
    """A seed does not have 32 bytes."""


@dataclass(frozen=True, slots=True)
class Keypair:
    """An ed25519 key pair; `repr` and comparison leave the secret out."""

    account: bytes
    """The public key, 32 bytes."""
    _secret: bytes = field(repr=False, compare=False)

    @classmethod
    def from_seed(cls, seed: bytes) -> Keypair:
        """Return the key pair of a 32-byte seed (RFC 8032, section 5.1.5)."""
        if len(seed) != SEED_BYTES:
            message = f"A seed has {SEED_BYTES} bytes, not {len(seed)}."
            raise InvalidSeed(message, remedy="Take 32 bytes from a secure source.")
        return cls(*crypto_sign_seed_keypair(seed))

    @property
    def seed(self) -> bytes:
        """The secret 32 bytes that the key pair is made of; never to be shown or logged."""
        return self._secret[:SEED_BYTES]

    def sign(self, payload: bytes) -> bytes:
        """Return the 64-byte signature of `payload`."""
        return crypto_sign(payload, self._secret)[:SIGNATURE_BYTES]


def verify(account: bytes, payload: bytes, signature: bytes) -> bool:
    """Whether `signature` is one of `payload` by `account`, as ZIP 215 has it; never raises."""
    lengths_hold = len(account) == ACCOUNT_BYTES and len(signature) == SIGNATURE_BYTES
    return lengths_hold and ed_verify(signature, payload, account)


def is_weak(account: bytes) -> bool:
    """Whether anybody can sign for the key: it is one of the 8 points of small order."""
    # 8 k A is zero for every k just if A has small order; R is the neutral point, and S is 0.
    return verify(account, b"", _SIGNATURE_OF_WEAK_KEYS)


def pallet_account(name: str) -> bytes:
    """Return the 32-byte account that only the pallet `name` can spend from."""
    return hash_account(name.encode())
