"""What a BLS backend does, and what backends share: lengths, domains, secret keys."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

from consensus.errors import InvalidBlsSecret

SECRET_BYTES = 32
PUBLIC_KEY_BYTES = 48
SIGNATURE_BYTES = 96
FIELD_MODULUS = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f624"
    "1eabfffeb153ffffb9feffffffffaaab",
    16,
)
"""The prime that coordinates are below."""
GROUP_ORDER = int("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001", 16)
"""The prime order of the groups; a secret key is between 1 and it."""
SIGNATURE_DOMAIN = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
POSSESSION_DOMAIN = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
KEYS_CACHED_MAX = 1_024
"""The most public keys whose points a backend remembers: four sets of validators."""

_SALT = b"BLS-SIG-KEYGEN-SALT-"
_MATERIAL_BYTES = 48
"""L of the draft: enough bytes that the remainder by the group's order is unbiased."""


class Bls(Protocol):
    """A backend.  Verifying never raises: malformed keys, signatures and proofs are just wrong.

    A public key is valid if it has 48 bytes in the one compressed form and its point is in the
    subgroup and not at infinity; a signature likewise, with 96 bytes.  A secret key has 32 bytes,
    big-endian; functions that take one raise `InvalidBlsSecret`.
    """

    def public_key(self, secret: bytes) -> bytes:
        """Return the 48-byte public key (SkToPk)."""

    def is_public_key(self, public_key: bytes) -> bool:
        """Whether these bytes are a valid public key (KeyValidate)."""

    def sign(self, secret: bytes, message: bytes) -> bytes:
        """Return the 96-byte signature of a message of any length (Sign)."""

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the key's owner signed the message (Verify)."""

    def aggregate(self, signatures: Sequence[bytes]) -> bytes | None:
        """Return the sum of signatures (Aggregate); `None` of none, of a bad one, or for infinity.

        It says nothing about who signed what: `fast_aggregate_verify` does.
        """

    def fast_aggregate_verify(
        self, public_keys: Sequence[bytes], message: bytes, signature: bytes
    ) -> bool:
        """Whether the owners of all these keys, at least one, signed the message."""

    def prove_possession(self, secret: bytes) -> bytes:
        """Return the 96 bytes that show who has the key's secret (PopProve)."""

    def verify_possession(self, public_key: bytes, proof: bytes) -> bool:
        """Whether the proof is of this key (PopVerify)."""


def key_gen(seed: bytes) -> bytes:
    """Return the secret key of a seed of at least 32 secret bytes (KeyGen, without key_info)."""
    if len(seed) < SECRET_BYTES:
        raise InvalidBlsSecret(
            f"The seed of a BLS key has at least {SECRET_BYTES} bytes, not {len(seed)}.",
            remedy="Take 32 bytes from a secure source.",
        )
    secret, salt = 0, _SALT
    while secret == 0:
        salt = sha256(salt).digest()
        extracted = hmac.digest(salt, seed + b"\0", "sha256")
        secret = int.from_bytes(_expand(extracted), "big") % GROUP_ORDER
    return secret.to_bytes(SECRET_BYTES, "big")


def _expand(key: bytes) -> bytes:
    """HKDF-Expand (RFC 5869) to 48 bytes; its info is their number in two bytes."""
    info = _MATERIAL_BYTES.to_bytes(2, "big")
    first = hmac.digest(key, info + b"\1", "sha256")
    return (first + hmac.digest(key, first + info + b"\2", "sha256"))[:_MATERIAL_BYTES]


def scalar_of(secret: bytes) -> int:
    """Return the number of a secret key; raises `InvalidBlsSecret`."""
    scalar = int.from_bytes(secret, "big")
    if len(secret) != SECRET_BYTES or not 0 < scalar < GROUP_ORDER:
        raise InvalidBlsSecret(
            f"A BLS secret key has {SECRET_BYTES} bytes, big-endian, and is not zero and below "
            "the group's order.",
            remedy="Make it with key_gen from a seed; if it was stored, the file is damaged.",
        )
    return scalar
