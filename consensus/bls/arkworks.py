"""The backend on `py_arkworks_bls12381`.

arkworks takes some bytes for a point that the standard refuses: whatever has the flag of infinity
set, for example.  So the form is checked here first, and arkworks answers what is left: whether the
point is on the curve and in the subgroup.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from operator import add

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from consensus.bls.interface import (
    FIELD_MODULUS,
    KEYS_CACHED_MAX,
    POSSESSION_DOMAIN,
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    SIGNATURE_DOMAIN,
    scalar_of,
)

_COORDINATE_BYTES = 48
_COMPRESSED, _INFINITY, _SIGN = 0x80, 0x40, 0x20
_MINUS_GENERATOR = -G1Point()


def public_key(secret: bytes) -> bytes:
    """`Bls.public_key`."""
    return (G1Point() * _scalar(secret)).to_compressed_bytes()


def is_public_key(public_key: bytes) -> bool:
    """`Bls.is_public_key`."""
    return _key_point(public_key) is not None


def sign(secret: bytes, message: bytes) -> bytes:
    """`Bls.sign`."""
    return _sign(secret, message, SIGNATURE_DOMAIN)


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """`Bls.verify`."""
    return _verify(_key_point(public_key), message, signature, SIGNATURE_DOMAIN)


def aggregate(signatures: Sequence[bytes]) -> bytes | None:
    """`Bls.aggregate`."""
    total = G2Point.identity()
    for signature in signatures:
        point = _signature_point(signature)
        if point is None:
            return None
        total += point
    return None if total == G2Point.identity() else total.to_compressed_bytes()


def fast_aggregate_verify(public_keys: Sequence[bytes], message: bytes, signature: bytes) -> bool:
    """`Bls.fast_aggregate_verify`."""
    points = [_key_point(public_key) for public_key in public_keys]
    valid = [point for point in points if point is not None]
    if not valid or len(valid) != len(points):
        return False
    total = reduce(add, valid)
    if total == G1Point.identity():
        return False
    return _verify(total, message, signature, SIGNATURE_DOMAIN)


def prove_possession(secret: bytes) -> bytes:
    """`Bls.prove_possession`."""
    return _sign(secret, public_key(secret), POSSESSION_DOMAIN)


def verify_possession(public_key: bytes, proof: bytes) -> bool:
    """`Bls.verify_possession`."""
    return _verify(_key_point(public_key), public_key, proof, POSSESSION_DOMAIN)


def _scalar(secret: bytes) -> Scalar:
    return Scalar.from_be_bytes(scalar_of(secret).to_bytes(32, "big"))


def _sign(secret: bytes, message: bytes, domain: bytes) -> bytes:
    return (G2Point.hash_to_curve(message, domain) * _scalar(secret)).to_compressed_bytes()


def _verify(key: G1Point | None, message: bytes, signature: bytes, domain: bytes) -> bool:
    """Whether e(key, H(message)) = e(G, signature), as one product of two pairings."""
    point = _signature_point(signature)
    if key is None or point is None:
        return False
    hashed = G2Point.hash_to_curve(message, domain)
    return GT.pairing_check([key, _MINUS_GENERATOR], [hashed, point])


@lru_cache(KEYS_CACHED_MAX)
def _key_point(public_key: bytes) -> G1Point | None:
    if not _is_finite(public_key, PUBLIC_KEY_BYTES):
        return None
    try:
        return G1Point.from_compressed_bytes(public_key)
    except ValueError:
        return None


def _signature_point(signature: bytes) -> G2Point | None:
    if not _is_finite(signature, SIGNATURE_BYTES):
        return None
    try:
        return G2Point.from_compressed_bytes(signature)
    except ValueError:
        return None


def _is_finite(data: bytes, length: int) -> bool:
    """Whether `data` has the form of a compressed point that is not at infinity."""
    if len(data) != length or data[0] & (_COMPRESSED | _INFINITY) != _COMPRESSED:
        return False
    unflagged = bytes([data[0] & (_SIGN - 1)]) + data[1:]
    starts = range(0, length, _COORDINATE_BYTES)
    coordinates = (unflagged[start : start + _COORDINATE_BYTES] for start in starts)
    return all(int.from_bytes(each, "big") < FIELD_MODULUS for each in coordinates)
