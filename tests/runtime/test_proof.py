"""State proofs: a good one verifies, a bad one never does, and absence is provable."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runtime.errors import InvalidProof
from runtime.hashing import hash_state_key, hash_state_value, hash_tree_bucket, hash_tree_node
from runtime.state.proof import ABSENT, prove_entry, verify_entry
from runtime.state.tree import Tree
from runtime.wire.receipts import StateEntry

KEYS = st.integers(0, 60).map(lambda number: b"key %d" % number)
VALUES = st.binary(min_size=1, max_size=8)
MODELS = st.dictionaries(KEYS, VALUES, max_size=50)


def _tree_of(model):
    return Tree().update((hash_state_key(k), hash_state_value(v)) for k, v in model.items())


def _flip(data, position):
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


@settings(deadline=None, max_examples=60)
@given(MODELS)
def test_presence_and_absence_are_provable(model):
    """Every key, present or not, has a proof under the root."""
    tree = _tree_of(model)
    for key in [*model, b"key -1", b"", b"another"]:
        entry = prove_entry(tree, key, model.get(key))
        assert entry.value == model.get(key, ABSENT)
        verify_entry(tree.root, entry)


@settings(deadline=None, max_examples=150)
@given(MODELS, KEYS, st.data())
def test_a_changed_proof_never_verifies(model, key, data):
    """Another key, value, bucket, sibling or root is refused, for presence and absence alike."""
    tree = _tree_of(model)
    entry = prove_entry(tree, key, model.get(key))
    other = data.draw(st.one_of(VALUES, st.just(ABSENT)))
    assume(other != entry.value)
    forged = [replace(entry, value=other), replace(entry, siblings=(*entry.siblings, bytes(32)))]
    other_key = data.draw(KEYS)
    if model.get(other_key, ABSENT) != entry.value:
        forged.append(replace(entry, key=other_key))
    if entry.bucket:
        position = data.draw(st.integers(0, len(entry.bucket) - 1))
        forged.append(replace(entry, bucket=_flip(entry.bucket, position)))
        forged.append(replace(entry, bucket=entry.bucket[:-64]))
        forged.append(replace(entry, bucket=entry.bucket[:-1]))
        forged.append(replace(entry, bucket=b""))
    for position, sibling in enumerate(entry.siblings):
        before, after = entry.siblings[:position], entry.siblings[position + 1 :]
        forged.append(replace(entry, siblings=(*before, _flip(sibling, 31), *after)))
        forged.append(replace(entry, siblings=(*before, *after)))
    for bad in forged:
        with pytest.raises(InvalidProof):
            verify_entry(tree.root, bad)
    with pytest.raises(InvalidProof):
        verify_entry(_flip(tree.root, 0), entry)


def _key_of_side(side):
    """A storage key whose hash begins with the bit `side`."""
    return next(
        key
        for key in (b"%d" % number for number in range(99))
        if hash_state_key(key)[0] >> 7 == side
    )


def test_a_bucket_of_another_place_proves_no_absence():
    """A root chosen by the prover: the bucket hangs on the key's path but its keys belong elsewhere."""
    left, right = _key_of_side(0), _key_of_side(1)
    bucket = hash_state_key(right) + bytes(32)
    entry = StateEntry(key=left, value=ABSENT, bucket=bucket, siblings=(bytes(32),))
    root = hash_tree_node(hash_tree_bucket(bucket) + bytes(32))
    with pytest.raises(InvalidProof, match="does not belong on its path"):
        verify_entry(root, entry)


def test_unsorted_doubled_and_overfull_buckets_are_refused():
    """A key with two values, or a bucket of eight, is no state, whatever it hashes to."""
    key = b"a key"
    key_hash, good, bad = hash_state_key(key), hash_state_value(b"good"), hash_state_value(b"bad")
    low, high = bytes(32), b"\xff" * 32
    buckets = {
        "strictly sorted": [key_hash + good + key_hash + bad, high + bad + key_hash + good],
        "0 to 7 pairs": [
            b"".join(bytes([n]) * 32 + good for n in range(8)),
            low + good + b"x",
        ],
    }
    for message, cases in buckets.items():
        for bucket in cases:
            entry = StateEntry(key=key, value=b"good", bucket=bucket, siblings=())
            with pytest.raises(InvalidProof, match=message):
                verify_entry(hash_tree_bucket(bucket), entry)


def test_siblings_are_whole_hashes_and_at_most_256():
    """Neither shifted bytes nor endless paths."""
    for siblings in ((bytes(31),), (bytes(33),), (bytes(32),) * 257):
        entry = StateEntry(key=b"", value=ABSENT, bucket=b"", siblings=siblings)
        with pytest.raises(InvalidProof, match="siblings"):
            verify_entry(bytes(32), entry)
