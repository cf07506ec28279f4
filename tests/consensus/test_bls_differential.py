"""The two BLS backends are one: the same bytes, and the same answer to every input."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.bls import arkworks, key_gen, reference
from consensus.bls.interface import FIELD_MODULUS

MESSAGE = b"statement"
SECRET = key_gen(b"\1" * 32)
KEY, SIGNATURE = arkworks.public_key(SECRET), arkworks.sign(SECRET, MESSAGE)
INFINITY_KEY = b"\xc0" + bytes(47)
INFINITY_SIGNATURE = b"\xc0" + bytes(95)

BELOW = st.integers(0, FIELD_MODULUS - 1)
NEAR = st.integers(FIELD_MODULUS - 3, FIELD_MODULUS + 3) | st.integers(0, 9)
BEYOND = st.integers(FIELD_MODULUS, 2**381 - 1)
COORDINATES = st.one_of(BELOW, BELOW, NEAR, BEYOND, st.integers(0, 2**384 - 1))
FLAGS = st.sampled_from([0x80, 0xA0, 0x80, 0xA0, 0x00, 0x20, 0x40, 0xC0, 0xE0])


def _flagged(flags, coordinates):
    """The compressed form of a point with these coordinates, whatever they are."""
    data = b"".join(each.to_bytes(48, "big") for each in coordinates)
    return bytes([data[0] & 0x1F | flags]) + data[1:]


def _changed(data):
    """`data` with some of its bytes changed, cut or more."""
    flips = st.tuples(st.integers(0, len(data) - 1), st.integers(1, 255))
    flipped = flips.map(
        lambda flip: data[: flip[0]] + bytes([data[flip[0]] ^ flip[1]]) + data[flip[0] + 1 :]
    )
    first = st.integers(0, 255).map(lambda byte: bytes([byte]) + data[1:])
    length = st.integers(0, len(data) + 2).map(lambda size: (data + data)[:size])
    return st.one_of(flipped, first, length)


KEYS = st.one_of(
    st.builds(_flagged, FLAGS, st.tuples(COORDINATES)),
    _changed(KEY),
    _changed(INFINITY_KEY),
    st.binary(max_size=50),
)
SIGNATURES = st.one_of(
    st.builds(_flagged, FLAGS, st.tuples(COORDINATES, COORDINATES)),
    _changed(SIGNATURE),
    _changed(INFINITY_SIGNATURE),
    st.binary(min_size=94, max_size=98),
)


@settings(deadline=None, max_examples=150)
@given(KEYS)
def test_both_take_the_same_keys(data):
    """On the curve or not, in the subgroup or not, with any flags, coordinates and lengths."""
    assert arkworks.is_public_key(data) == reference.is_public_key(data)


@settings(deadline=None, max_examples=150)
@given(SIGNATURES)
def test_both_take_the_same_signatures(data):
    """And what they take, they write again as it was."""
    total = arkworks.aggregate([data])
    assert total == reference.aggregate([data])
    assert total in (None, data)


@settings(deadline=None, max_examples=2)
@given(st.binary(min_size=32, max_size=40), st.binary(max_size=70))
def test_both_give_the_same_bytes(seed, message):
    """Keys, signatures, proofs and aggregates; each verifies what the other made."""
    secret = key_gen(seed)
    for make in ("public_key", "prove_possession"):
        assert getattr(arkworks, make)(secret) == getattr(reference, make)(secret)
    signature = reference.sign(secret, message)
    assert signature == arkworks.sign(secret, message)
    pair = [signature, arkworks.sign(SECRET, message)]
    total = arkworks.aggregate(pair)
    assert total is not None
    assert total == reference.aggregate(pair)
    keys = [arkworks.public_key(secret), KEY]
    assert arkworks.fast_aggregate_verify(keys, message, total)
    assert reference.fast_aggregate_verify(keys, message, total)


def _negated(data):
    """The point with the other y: as valid as the first."""
    return bytes([data[0] ^ 0x20]) + data[1:]


HALF = arkworks.aggregate([SIGNATURE, SIGNATURE])
REFUSED = {
    "negated signature": ([KEY], _negated(SIGNATURE)),
    "negated key": ([_negated(KEY)], SIGNATURE),
    "infinity": ([KEY], INFINITY_SIGNATURE),
    "infinite key": ([INFINITY_KEY], INFINITY_SIGNATURE),
    "infinite key beside a good one": ([KEY, INFINITY_KEY], SIGNATURE),
    "keys that add up to infinity": ([KEY, _negated(KEY)], INFINITY_SIGNATURE),
    "keys that add up to infinity, and a point": ([KEY, _negated(KEY)], SIGNATURE),
    "key outside the subgroup": (
        [b"\x81#Eg\x89\xab\xcd\xef" + b"\x01#Eg\x89\xab\xcd\xef" * 5],
        SIGNATURE,
    ),
    "signature outside the subgroup": (
        [KEY],
        b"\x81#Eg\x89\xab\xcd\xef" + b"\x01#Eg\x89\xab\xcd\xef" * 11,
    ),
    "key with a coordinate that is not reduced": ([_flagged(0x80, [FIELD_MODULUS + 4])], SIGNATURE),
    "no keys": ([], SIGNATURE),
    "no keys, infinity": ([], INFINITY_SIGNATURE),
    "nothing": ([b""], b""),
    "twice the signature": ([KEY], HALF),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("backend", [arkworks, reference], ids=["arkworks", "reference"])
def test_bad_input_is_false_and_never_raises(case, backend):
    """Verification of a single key, of an aggregate and of a proof."""
    keys, signature = REFUSED[case]
    assert backend.fast_aggregate_verify(keys, MESSAGE, signature) is False
    if len(keys) == 1 and backend is arkworks:
        assert backend.verify(keys[0], MESSAGE, signature) is False
        assert backend.verify_possession(keys[0], signature) is False


@pytest.mark.parametrize("backend", [arkworks, reference], ids=["arkworks", "reference"])
def test_what_does_not_add_up_to_a_signature_is_none(backend):
    """Nothing, a bad one among good ones, and points that cancel each other."""
    for signatures in ([], [SIGNATURE, b""], [SIGNATURE, _negated(SIGNATURE)]):
        assert backend.aggregate(signatures) is None
