"""Ed25519 keys and the accounts that have none.

An account is its public key.  A pallet's account (its pot) is a hash of its name: nobody has the
key.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from runtime.errors import OpenLedgerError
from runtime.hashing import hash_account

SEED_BYTES = 32
ACCOUNT_BYTES = 32
SIGNATURE_BYTES = 64


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
    """Whether `signature` is the signature of `payload` by `account`; never raises."""
    # libsodium reads fixed lengths from the pointers it is given: check them before it does.
    if len(account) != ACCOUNT_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + payload, account)
    except BadSignatureError:
        return False
    return True


def pallet_account(name: str) -> bytes:
    """Return the 32-byte account that only the pallet `name` can spend from."""
    return hash_account(name.encode())
