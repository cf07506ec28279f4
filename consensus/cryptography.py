"""The real signatures behind `Scheme`: ed25519 for votes, BLS12-381 for shares."""

from __future__ import annotations

from collections.abc import Sequence

from consensus.bls import BLS
from consensus.scheme import Scheme
from runtime.keys import verify
from runtime.wire.validators import ValidatorSet


class KeyCryptography:
    """`Cryptography` with the keys of the validator set."""

    def verify(self, public_key: bytes, payload: bytes, signature: bytes) -> bool:
        """Whether an ed25519 signature holds; never raises."""
        return verify(public_key, payload, signature)

    def bad_shares(
        self, bls_keys: Sequence[bytes], payload: bytes, shares: Sequence[bytes]
    ) -> tuple[int, ...]:
        """Return the positions of wrong shares: one aggregate is verified, or else each share."""
        aggregate = BLS.aggregate(shares)
        if aggregate is not None and BLS.fast_aggregate_verify(bls_keys, payload, aggregate):
            return ()
        return tuple(
            position
            for position, (key, share) in enumerate(zip(bls_keys, shares, strict=True))
            if not BLS.verify(key, payload, share)
        )


CRYPTOGRAPHY = KeyCryptography()


def key_scheme(validators: ValidatorSet, genesis_hash: bytes) -> Scheme:
    """The scheme of a validator set on a chain, with real keys."""
    return Scheme(validators, genesis_hash, CRYPTOGRAPHY)
