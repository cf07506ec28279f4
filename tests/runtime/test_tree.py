"""The state tree: canonical, persistent, and equal to a dictionary."""

from __future__ import annotations

from hashlib import blake2b

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.hashing import ZERO_HASH, hash_tree_bucket, hash_tree_node
from runtime.state.tree import BUCKET_KEYS_MAX, PAIR_BYTES, Node, Tree

# Few distinct keys, half of them with long common prefixes, so that buckets split and merge often.
_SPREAD = [blake2b(bytes([number]), digest_size=32).digest() for number in range(24)]
_CLOSE = [
    key[:4] + blake2b(bytes([number, 1]), digest_size=28).digest()
    for key in _SPREAD[:2]
    for number in range(12)
]
KEYS = st.sampled_from(_SPREAD + _CLOSE)
VALUES = st.integers(0, 255).map(lambda number: bytes([number]) * 32)
BATCHES = st.lists(
    st.dictionaries(KEYS, st.one_of(st.none(), VALUES), max_size=20), min_size=1, max_size=12
)


def _tree_of(model):
    return Tree().update(model.items())


def _pairs_in(node: Node) -> int:
    if isinstance(node, tuple):
        return _pairs_in(node[2]) + _pairs_in(node[3])
    return len(node or b"") // PAIR_BYTES


def _reference_root(model, depth=0):
    """The definition of the root, written for reading: keys as bit strings, no copying of paths."""
    if not model:
        return ZERO_HASH
    if len(model) <= BUCKET_KEYS_MAX:
        return hash_tree_bucket(b"".join(key + model[key] for key in sorted(model)))
    sides: tuple[dict[bytes, bytes], ...] = ({}, {})
    for key, value in model.items():
        sides[key[depth // 8] >> (7 - depth % 8) & 1][key] = value
    return hash_tree_node(b"".join(_reference_root(side, depth + 1) for side in sides))


def _apply(model, batch):
    for key, value in batch.items():
        if value is None:
            model.pop(key, None)
        else:
            model[key] = value


def test_an_empty_tree_has_the_zero_root():
    """No key: root zero, an empty bucket and no sibling for every key."""
    assert Tree().root == ZERO_HASH
    assert Tree().find(_SPREAD[0]) == (b"", ())
    assert Tree().update([]) == Tree()
    assert Tree().update([(_SPREAD[0], None)]) == Tree()


@settings(deadline=None, max_examples=150)
@given(BATCHES)
def test_any_history_gives_the_root_of_the_final_dictionary(batches):
    """Batches of puts and removals lead to the same tree as building the final dictionary at once."""
    tree = Tree()
    model: dict[bytes, bytes] = {}
    for batch in batches:
        tree = tree.update(batch.items())
        _apply(model, batch)
        assert tree == _tree_of(model)
        assert tree.root == _reference_root(model)


@settings(deadline=None, max_examples=50)
@given(BATCHES)
def test_single_changes_give_the_root_of_the_batch(batches):
    """One change at a time (the path without recursion) equals the whole batch at once."""
    whole = one_by_one = Tree()
    for batch in batches:
        whole = whole.update(batch.items())
        for change in batch.items():
            one_by_one = one_by_one.update([change])
        assert one_by_one == whole


@settings(deadline=None, max_examples=50)
@given(BATCHES)
def test_a_subtree_is_a_bucket_exactly_if_it_has_at_most_7_keys(batches):
    """Canonical form: no inner node holds 7 keys or fewer."""
    tree = Tree()
    for batch in batches:
        tree = tree.update(batch.items())
    waiting = [tree.node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tuple):
            assert _pairs_in(node) > BUCKET_KEYS_MAX
            waiting += node[2:]
        elif node is not None:
            assert 0 < len(node) <= BUCKET_KEYS_MAX * PAIR_BYTES


def test_a_batch_may_empty_a_tree_or_one_side_of_it():
    """Nothing remains of removed keys, however many nodes were above them."""
    model = {key: bytes(32) for key in (*_SPREAD, *_CLOSE)}
    full = _tree_of(model)
    assert full.update((key, None) for key in model) == Tree()
    for side in (0, 1):
        rest = {key: value for key, value in model.items() if key[0] >> 7 == side}
        assert full.update((key, None) for key in model if key not in rest) == _tree_of(rest)


@settings(deadline=None, max_examples=50)
@given(BATCHES)
def test_older_trees_stay_as_they_were(batches):
    """Path copying: an update leaves every earlier version intact."""
    versions, tree = [], Tree()
    model: dict[bytes, bytes] = {}
    for batch in batches:
        tree = tree.update(batch.items())
        _apply(model, batch)
        versions.append((tree, dict(model)))
    for version, its_model in versions:
        assert version.root == _reference_root(its_model)
        for key in (*_SPREAD, *_CLOSE):
            bucket, _ = version.find(key)
            pairs = {bucket[i : i + 32]: bucket[i + 32 : i + 64] for i in range(0, len(bucket), 64)}
            assert pairs.get(key) == its_model.get(key)


def test_a_key_hash_inside_a_pair_is_not_taken_for_a_key():
    """The value hash of one key may equal the key hash of another."""
    first, second = sorted(_SPREAD[:2])
    tree = Tree().update([(first, second)]).update([(second, first)])
    assert tree.update([(second, bytes(32))]).find(second)[0] == first + second + second + bytes(32)
