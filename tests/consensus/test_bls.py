"""BLS: the official vectors, and what the scheme promises."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_arkworks_bls12381 import G1Point

from consensus import bls
from consensus.bls import arkworks, key_gen, reference
from consensus.bls.interface import GROUP_ORDER
from consensus.errors import InvalidBlsSecret

VECTORS = json.loads((Path(__file__).parent / "vectors" / "bls12_381_tests.json").read_text())
BACKENDS = {"arkworks": (arkworks, 1), "reference": (reference, 5)}
"""With how many steps it goes through the vectors: py_ecc takes 0.3 s for each."""
STRICTER = {
    "deserialization_succeeds_infinity_with_true_b_flag": False,
    "aggregate_infinity_signature": None,
}
MESSAGE = b"statement"
SEEDS = st.binary(min_size=32, max_size=32)


def _secret(number):
    return key_gen(bytes([number]) * 32)


def _sign(backend, secret, message):
    try:
        return backend.sign(secret, message).hex()
    except InvalidBlsSecret:
        return None


def _aggregate(backend, signatures):
    total = backend.aggregate(signatures)
    return None if total is None else total.hex()


ANSWERS = {
    "sign": lambda backend, data: _sign(backend, data["privkey"], data["message"]),
    "verify": lambda backend, data: backend.verify(
        data["pubkey"], data["message"], data["signature"]
    ),
    "aggregate": _aggregate,
    "fast_aggregate_verify": lambda backend, data: backend.fast_aggregate_verify(
        data["pubkeys"], data["message"], data["signature"]
    ),
    "deserialization_G1": lambda backend, data: backend.is_public_key(data["pubkey"]),
    "deserialization_G2": lambda backend, data: backend.aggregate([data["signature"]]) is not None,
}
"""What a backend says, in the words of the vectors."""


def _bytes_of(value):
    """The input of a vector, its hexadecimal read."""
    if isinstance(value, dict):
        return {name: _bytes_of(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_bytes_of(item) for item in value]
    return bytes.fromhex(value)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("kind", VECTORS)
def test_the_official_vectors_hold(name, kind):
    """Every case of the kind has the published answer, or a stricter one."""
    backend, step = BACKENDS[name]
    for case, vector in list(VECTORS[kind].items())[::step]:
        expected = STRICTER.get(case, vector["output"])
        assert ANSWERS[kind](backend, _bytes_of(vector["input"])) == expected, case


def test_secrets_are_made_as_the_draft_says():
    """KeyGen gives the master keys of two test cases of EIP-2333."""
    for seed, secret in (
        (
            "3141592653589793238462643383279502884197169399375105820974944592",
            29757020647961307431480504535336562678282505419141012933316116377660817309383,
        ),
        (
            "0099ff991111002299dd7744ee3355bbdd8844115566cc55663355668888cc00",
            27580842291869792442942448775674722299803720648445448686099262467207037398656,
        ),
    ):
        assert int.from_bytes(key_gen(bytes.fromhex(seed)), "big") == secret


@pytest.mark.parametrize("name", BACKENDS)
def test_what_is_no_secret_is_refused(name):
    """Zero, the group's order, other lengths, short seeds: a typed error with a remedy."""
    backend, _ = BACKENDS[name]
    whole = GROUP_ORDER.to_bytes(32, "big")
    for secret in (bytes(32), whole, b"\xff" * 32, b"\1" * 31, b"\1" * 33):
        for use in (backend.public_key, backend.prove_possession):
            with pytest.raises(InvalidBlsSecret) as caught:
                use(secret)
            assert caught.value.remedy
        with pytest.raises(InvalidBlsSecret):
            backend.sign(secret, MESSAGE)
    with pytest.raises(InvalidBlsSecret):
        key_gen(bytes(31))


@settings(deadline=None, max_examples=25)
@given(SEEDS, SEEDS, st.binary(max_size=100))
def test_a_signature_is_of_one_key_and_one_message(seed, other_seed, message):
    """Verified as it is, and for nothing else."""
    secret, other = key_gen(seed), key_gen(other_seed)
    key, signature = arkworks.public_key(secret), arkworks.sign(secret, message)
    assert len(key) == bls.PUBLIC_KEY_BYTES
    assert len(signature) == bls.SIGNATURE_BYTES
    assert arkworks.verify(key, message, signature)
    assert not arkworks.verify(key, message + b"\0", signature)
    assert not arkworks.verify(key, message, arkworks.sign(secret, message + b"\0"))
    assert arkworks.verify(arkworks.public_key(other), message, signature) == (seed == other_seed)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=8, unique=True), st.randoms())
def test_an_aggregate_is_of_all_its_signers(numbers, random):
    """In any order; not of fewer, of more, or of none."""
    secrets = [_secret(number) for number in numbers]
    keys = [arkworks.public_key(secret) for secret in secrets]
    signatures = [arkworks.sign(secret, MESSAGE) for secret in secrets]
    total = arkworks.aggregate(signatures)
    assert total is not None
    random.shuffle(keys)
    random.shuffle(signatures)
    assert arkworks.aggregate(signatures) == total
    assert arkworks.fast_aggregate_verify(keys, MESSAGE, total)
    assert not arkworks.fast_aggregate_verify(keys[1:], MESSAGE, total)
    stranger = arkworks.public_key(_secret(21))
    assert not arkworks.fast_aggregate_verify([*keys, stranger], MESSAGE, total)
    assert not arkworks.fast_aggregate_verify([*keys, keys[0]], MESSAGE, total)
    assert not arkworks.fast_aggregate_verify([*keys, b"no key"], MESSAGE, total)


def test_possession_is_proved_of_one_key():
    """A proof is no signature of the key's bytes, and not of another key."""
    secret, other = _secret(1), _secret(2)
    key, proof = arkworks.public_key(secret), arkworks.prove_possession(secret)
    assert arkworks.verify_possession(key, proof)
    assert not arkworks.verify_possession(arkworks.public_key(other), proof)
    assert not arkworks.verify_possession(key, arkworks.sign(secret, key))
    assert not arkworks.verify(key, key, proof)


def test_a_rogue_key_cannot_prove_its_possession():
    """A key made of another's forges its aggregate, which is why possession is proved first."""
    secret, victim = _secret(1), arkworks.public_key(_secret(2))
    minus_victim = bytes([victim[0] ^ 0x20]) + victim[1:]
    own, other = (
        G1Point.from_compressed_bytes(each) for each in (arkworks.public_key(secret), minus_victim)
    )
    rogue = (own + other).to_compressed_bytes()
    forged = arkworks.sign(secret, MESSAGE)
    assert arkworks.fast_aggregate_verify([rogue, victim], MESSAGE, forged)
    for proof in (arkworks.prove_possession(secret), arkworks.prove_possession(_secret(2))):
        assert not arkworks.verify_possession(rogue, proof)


def test_without_the_wheel_the_reference_is_used(monkeypatch):
    """A machine for which there is no compiled wheel can verify all the same."""
    assert bls.BLS is arkworks
    monkeypatch.setitem(sys.modules, "py_arkworks_bls12381", None)
    monkeypatch.delitem(sys.modules, "consensus.bls.arkworks")
    monkeypatch.delattr(bls, "arkworks")
    assert bls._best() is reference


def test_the_reference_leaves_the_recursion_limit_as_it_was():
    """Deeply nested JSON must stay an error: with py_ecc's limit it ends the process."""
    assert reference.public_key(bytes(31) + b"\x01")
    assert sys.getrecursionlimit() < 10_000
    with pytest.raises(RecursionError):
        json.loads("[" * 100_000)
