"""The backend on `py_ecc`, the implementation that Ethereum's specification is written with.

It decides for itself what is a point, so that it checks `arkworks.py` and shares no mistake with
it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache, reduce

from eth_typing import BLSPubkey, BLSSignature
from eth_utils.exceptions import ValidationError
from py_ecc.bls.ciphersuites import G2ProofOfPossession as Scheme
from py_ecc.bls.g2_primitives import (
    G1_to_pubkey,
    pubkey_to_G1,
    signature_to_G2,
    subgroup_check,
)
from py_ecc.bls.typing import G1Uncompressed
from py_ecc.optimized_bls12_381.optimized_curve import add, is_inf

from consensus.bls.interface import (
    KEYS_CACHED_MAX,
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    scalar_of,
)

RECURSION_LIMIT = 1_000
"""CPython's own."""
# py_ecc raises it to 100,000 for the whole process, which then dies of deeply nested JSON.
sys.setrecursionlimit(RECURSION_LIMIT)


def public_key(secret: bytes) -> bytes:
    """`Bls.public_key`."""
    return bytes(Scheme.SkToPk(scalar_of(secret)))


def is_public_key(public_key: bytes) -> bool:
    """`Bls.is_public_key`."""
    return _key_point(public_key) is not None


def sign(secret: bytes, message: bytes) -> bytes:
    """`Bls.sign`."""
    return bytes(Scheme.Sign(scalar_of(secret), message))


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """`Bls.verify`."""
    return Scheme.Verify(BLSPubkey(public_key), message, BLSSignature(signature))


def aggregate(signatures: Sequence[bytes]) -> bytes | None:
    """`Bls.aggregate`."""
    if not signatures or not all(_is_signature(signature) for signature in signatures):
        return None
    total = Scheme.Aggregate([BLSSignature(signature) for signature in signatures])
    return None if is_inf(signature_to_G2(total)) else bytes(total)


def fast_aggregate_verify(public_keys: Sequence[bytes], message: bytes, signature: bytes) -> bool:
    """`Bls.fast_aggregate_verify`."""
    points = [_key_point(public_key) for public_key in public_keys]
    valid = [point for point in points if point is not None]
    if not valid or len(valid) != len(points):
        return False
    return verify(bytes(G1_to_pubkey(reduce(add, valid))), message, signature)


def prove_possession(secret: bytes) -> bytes:
    """`Bls.prove_possession`."""
    return bytes(Scheme.PopProve(scalar_of(secret)))


def verify_possession(public_key: bytes, proof: bytes) -> bool:
    """`Bls.verify_possession`."""
    return Scheme.PopVerify(BLSPubkey(public_key), BLSSignature(proof))


@lru_cache(KEYS_CACHED_MAX)
def _key_point(public_key: bytes) -> G1Uncompressed | None:
    if len(public_key) != PUBLIC_KEY_BYTES or not Scheme.KeyValidate(BLSPubkey(public_key)):
        return None
    return pubkey_to_G1(BLSPubkey(public_key))


def _is_signature(signature: bytes) -> bool:
    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        point = signature_to_G2(BLSSignature(signature))
    except (ValidationError, ValueError):
        return False
    return not is_inf(point) and subgroup_check(point)
