"""Multiproofs: what holds is proved compactly, and nothing else is ever accepted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import DecodeError, InvalidProof
from runtime.hashing import hash_state_key, hash_state_value, hash_tree_bucket, hash_tree_node
from runtime.state.multiproof import prove_entries, verify_entries
from runtime.state.tree import Tree
from runtime.wire.state_proof import PROOF_KEYS_MAX, ProvedValue, StateProof

KEYS = st.integers(0, 80).map(lambda number: b"key %d" % number)
VALUES = st.binary(min_size=1, max_size=8)
MODELS = st.dictionaries(KEYS, VALUES, max_size=70)
ASKED = st.sets(KEYS, min_size=1, max_size=20)


def _tree_of(model):
    return Tree().update((hash_state_key(k), hash_state_value(v)) for k, v in model.items())


def _proof_of(model, keys):
    tree = _tree_of(model)
    return tree.root, prove_entries(tree, {key: model.get(key) for key in keys})


def _refused(root, proof, match=None):
    with pytest.raises(InvalidProof, match=match) as caught:
        verify_entries(root, proof)
    assert caught.value.remedy


@settings(deadline=None, max_examples=200)
@given(MODELS, ASKED)
def test_a_proof_gives_the_values_of_its_keys(model, keys):
    """Present and absent keys, in trees of any size; the encoding comes back as it was."""
    root, proof = _proof_of(model, keys)
    assert StateProof.decode(proof.encode()) == proof
    assert verify_entries(root, proof) == {key: model.get(key) for key in keys}


@settings(deadline=None, max_examples=200)
@given(MODELS, ASKED, st.data())
def test_no_other_value_can_be_claimed(model, keys, data):
    """A changed, added or removed value is refused under the same root."""
    root, proof = _proof_of(model, keys)
    index = data.draw(st.integers(0, len(proof.entries) - 1))
    entry = proof.entries[index]
    claim = replace(entry, value=data.draw(st.just(b"") if entry.value else VALUES))
    entries = (*proof.entries[:index], claim, *proof.entries[index + 1 :])
    _refused(root, replace(proof, entries=entries))


def test_flipped_bits_and_truncations_never_prove_what_is_not_so():
    """Refused, each and all; but for a flip in an absent key that makes another absent key of it."""
    model = {b"key %d" % number: b"value %d" % number for number in range(40)}
    root, proof = _proof_of(model, [b"key 1", b"key 7", b"key 30", b"none"])
    original = verify_entries(root, proof)
    encoded = proof.encode()
    damaged = [encoded[:length] for length in range(len(encoded))] + [encoded + b"\x00"]
    damaged += [
        encoded[:place] + bytes([encoded[place] ^ 1 << bit]) + encoded[place + 1 :]
        for place in range(len(encoded))
        for bit in range(8)
    ]
    for each in damaged:
        try:
            values = verify_entries(root, StateProof.decode(each))
        except (DecodeError, InvalidProof):
            continue
        assert values != original
        assert values == {key: model.get(key) for key in values}


@settings(deadline=None, max_examples=300)
@given(
    MODELS,
    st.builds(
        StateProof,
        entries=st.lists(st.builds(ProvedValue, KEYS, st.one_of(st.just(b""), VALUES))).map(
            lambda entries: tuple(sorted(entries, key=lambda entry: hash_state_key(entry.key)))
        ),
        depths=st.binary(max_size=4),
        others=st.lists(st.binary(max_size=512), max_size=4).map(tuple),
        siblings=st.integers(0, 4).map(lambda count: bytes(32 * count)),
    ),
)
def test_what_a_prover_makes_up_is_refused(model, proof):
    """Any structure: a typed error, or values that are those of the model."""
    try:
        values = verify_entries(_tree_of(model).root, proof)
    except InvalidProof:
        return
    assert values == {key: model.get(key) for key in values}


def test_a_proof_is_canonical_and_small():
    """Each bucket and each sibling once; proved pairs and hashes above them are left out."""
    model = {b"key %d" % number: b"value" for number in range(2_000)}
    tree = _tree_of(model)
    asked = dict.fromkeys([b"key %d" % number for number in range(100)], b"value")
    proof = prove_entries(tree, asked)
    singles = [tree.find(hash_state_key(key)) for key in asked]
    assert len(proof.others) == len({bucket for bucket, _ in singles})
    siblings = {sibling for _, path in singles for sibling in path}
    given_hashes = {proof.siblings[at : at + 32] for at in range(0, len(proof.siblings), 32)}
    assert given_hashes < siblings
    assert len(given_hashes) * 32 == len(proof.siblings)
    assert proof == prove_entries(tree, dict(reversed(asked.items())))


def test_the_whole_state_needs_no_sibling():
    """A proof of all keys is the state itself."""
    model = {b"key %d" % number: b"value" for number in range(30)}
    root, proof = _proof_of(model, model)
    assert proof.siblings == b""
    assert b"".join(proof.others) == b""
    assert verify_entries(root, proof) == model


@pytest.mark.parametrize("count", [0, PROOF_KEYS_MAX + 1])
def test_the_number_of_keys_is_limited(count):
    """No key, or more than 1,024, is neither proved nor verified."""
    keys = [b"key %d" % number for number in range(count)]
    with pytest.raises(InvalidProof, match="1 to 1024"):
        prove_entries(Tree(), dict.fromkeys(keys))
    entries = tuple(ProvedValue(key, b"") for key in keys)
    _refused(bytes(32), StateProof(entries, b"", (), b""), match="1 to 1024")


def test_what_is_missing_or_left_over_is_named():
    """Counts are exact."""
    model = {b"key %d" % number: b"value" for number in range(40)}
    root, proof = _proof_of(model, [b"key 1", b"key 2"])
    _refused(root, replace(proof, siblings=proof.siblings[:-1]), "whole hashes")
    _refused(root, replace(proof, siblings=proof.siblings[:-32]), "too few siblings")
    _refused(root, replace(proof, siblings=proof.siblings + bytes(32)), "more buckets or siblings")
    _refused(root, replace(proof, depths=proof.depths[:-1]), "one depth")
    fewer = replace(proof, depths=proof.depths[:-1], others=proof.others[:-1])
    _refused(root, fewer, "too few buckets")
    more = replace(proof, depths=proof.depths + b"\x01", others=(*proof.others, b""))
    _refused(root, more, "more buckets or siblings")
    _refused(root, replace(proof, entries=proof.entries[::-1]), "strictly sorted")
    _refused(root, replace(proof, entries=proof.entries[:1] * 2), "strictly sorted")
    _refused(bytes(32), proof, "does not lead")


def _key_of_side(side):
    return next(
        b"%d" % number for number in range(100) if hash_state_key(b"%d" % number)[0] >> 7 == side
    )


def test_buckets_chosen_by_the_prover_are_refused():
    """Roots that lead to buckets of another place, with a key twice, with 8 keys or too high."""
    left, right = _key_of_side(0), _key_of_side(1)
    foreign = hash_state_key(right) + bytes(32)
    root = hash_tree_node(hash_tree_bucket(foreign) + bytes(32))
    absent = (ProvedValue(left, b""),)
    _refused(root, StateProof(absent, b"\x01", (foreign,), bytes(32)), "does not belong")
    pair = hash_state_key(left) + hash_state_value(b"other")
    doubled = StateProof((ProvedValue(left, b"value"),), b"\x00", (pair,), b"")
    _refused(hash_tree_bucket(pair), doubled, "beside the entry")
    hidden = StateProof(absent, b"\x00", (pair,), b"")
    _refused(hash_tree_bucket(pair), hidden, "beside the entry")
    seven = b"".join(bytes([number]) * 64 for number in range(7))
    eight = StateProof((ProvedValue(left, b"value"),), b"\x00", (seven,), b"")
    _refused(bytes(32), eight, "has 8 keys")
    _refused(bytes(32), replace(eight, others=(seven[:-1],)), "0 to 7 pairs")
    both = tuple(sorted([left, right], key=hash_state_key))
    entries = tuple(ProvedValue(key, b"v") for key in both)
    _refused(bytes(32), StateProof(entries, b"\x01\x00", (b"", b""), b""), "above the place")
    deep = StateProof(entries[:1], b"\xff", (b"",), bytes(32 * 254))
    _refused(bytes(32), deep, "too few siblings")
