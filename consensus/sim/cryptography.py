"""Signatures that cost a look-up: the table of what was signed stands for the secret keys."""

from __future__ import annotations

from collections.abc import Sequence

SIGNATURE_BYTES, SHARE_BYTES = 64, 96


class TableCryptography:
    """Both signature schemes; a signature holds if it was made here, for this key and payload."""

    def __init__(self) -> None:
        """Nothing is signed yet."""
        self._signed: dict[bytes, tuple[bytes, bytes]] = {}
        self._signatures: dict[tuple[bytes, bytes], bytes] = {}

    def sign(self, key: bytes, payload: bytes) -> bytes:
        """The one ed25519 signature of a payload by a key."""
        return self._sign(key, payload, SIGNATURE_BYTES)

    def share(self, key: bytes, payload: bytes) -> bytes:
        """The one BLS signature of a payload by a key."""
        return self._sign(key, payload, SHARE_BYTES)

    def verify(self, public_key: bytes, payload: bytes, signature: bytes) -> bool:
        """Whether a signature holds; never raises."""
        return self._signed.get(signature) == (public_key, payload)

    def has_signed(self, key: bytes, payload: bytes) -> bool:
        """Whether a key's ed25519 signature of a payload was ever made."""
        return (key, payload) in self._signatures

    def bad_shares(
        self, bls_keys: Sequence[bytes], payload: bytes, shares: Sequence[bytes]
    ) -> tuple[int, ...]:
        """Return the positions of the BLS shares that are not signatures of the payload."""
        return tuple(
            position
            for position, (key, share) in enumerate(zip(bls_keys, shares, strict=True))
            if self._signed.get(share) != (key, payload)
        )

    def _sign(self, key: bytes, payload: bytes, length_bytes: int) -> bytes:
        signature = self._signatures.get((key, payload))
        if signature is None:
            signature = (len(self._signatures) + 1).to_bytes(length_bytes, "big")
            self._signatures[key, payload] = signature
            self._signed[signature] = (key, payload)
        return signature
