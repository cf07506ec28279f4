"""Merkle lists and sum trees: every leaf has a path, and nothing else has one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runtime.errors import InvalidProof
from runtime.hashing import hash_list_leaf, hash_list_node
from runtime.merkle import (
    SUM_MAX,
    InvalidLeaves,
    list_path,
    list_root,
    sum_path,
    sum_root,
    verify_list,
    verify_sum,
)
from runtime.wire.receipts import ListPath, SumPath, SumSibling

LEAVES = st.lists(st.binary(max_size=40), min_size=1, max_size=40)
AMOUNTS = st.one_of(st.integers(0, 5), st.integers(0, 2**120))
SUM_LEAVES = st.lists(st.tuples(st.binary(max_size=40), AMOUNTS), min_size=1, max_size=30)


@settings(deadline=None)
@given(LEAVES)
def test_every_leaf_of_a_list_has_a_path(leaves):
    """Each leaf verifies at its own index."""
    root = list_root(leaves)
    for index, leaf in enumerate(leaves):
        verify_list(root, leaf, list_path(leaves, index))


@settings(deadline=None)
@given(LEAVES, st.data())
def test_a_leaf_verifies_at_no_other_place(leaves, data):
    """Another leaf, index, count, sibling or root never verifies."""
    index = data.draw(st.integers(0, len(leaves) - 1))
    root, path = list_root(leaves), list_path(leaves, index)
    other = data.draw(st.binary(max_size=70))
    assume(other != leaves[index])
    forged = [
        (root, other, path),
        (bytes(32), leaves[index], path),
        (root, leaves[index], replace(path, count=path.count + 1)),
        (root, leaves[index], replace(path, count=path.count - 1)),
        (root, leaves[index], replace(path, siblings=(*path.siblings, bytes(32)))),
        (root, leaves[index], replace(path, siblings=path.siblings[:-1]))
        if path.siblings
        else (bytes(32), leaves[index], path),
    ]
    elsewhere = data.draw(st.integers(0, len(leaves)))
    if elsewhere == len(leaves) or leaves[elsewhere] != leaves[index]:
        forged.append((root, leaves[index], replace(path, index=elsewhere)))
    for position, sibling in enumerate(path.siblings):
        bad = bytes([sibling[0] ^ 1]) + sibling[1:]
        siblings = (*path.siblings[:position], bad, *path.siblings[position + 1 :])
        forged.append((root, leaves[index], replace(path, siblings=siblings)))
    for some_root, leaf, some_path in forged:
        with pytest.raises(InvalidProof):
            verify_list(some_root, leaf, some_path)


@settings(deadline=None)
@given(LEAVES, LEAVES)
def test_different_lists_have_different_roots(one, other):
    """The root binds leaves, order and number."""
    assert (list_root(one) == list_root(other)) == (one == other)


def test_a_repeated_last_leaf_changes_the_root():
    """An odd level is not padded with its last node (CVE-2012-2459)."""
    assert list_root([b"a", b"b", b"c"]) != list_root([b"a", b"b", b"c", b"c"])


def test_an_inner_node_is_not_a_leaf():
    """Second preimage: the two joined child hashes do not verify as a leaf one level up."""
    leaves = [b"a", b"b", b"c", b"d"]
    joined = hash_list_leaf(b"a") + hash_list_leaf(b"b")
    sibling = hash_list_node(hash_list_leaf(b"c") + hash_list_leaf(b"d"))
    for count in (2, 4):
        with pytest.raises(InvalidProof):
            verify_list(list_root(leaves), joined, ListPath(0, count, (sibling,)))


def test_siblings_of_other_lengths_are_refused():
    """Bytes cannot be shifted between a node and its sibling."""
    root = list_root([b"a", b"b"])
    path = list_path([b"a", b"b"], 0)
    with pytest.raises(InvalidProof, match="31 bytes"):
        verify_list(root, b"a", replace(path, siblings=(path.siblings[0][:31],)))
    with pytest.raises(InvalidProof, match="31 bytes"):
        verify_sum(root, 0, b"a", 0, SumPath(0, 2, (SumSibling(bytes(31), 0),)))


def test_empty_lists_have_a_root_and_no_path():
    """An empty tree differs from every other and proves nothing."""
    assert list_root([]) != list_root([b""])
    assert sum_root([]) != sum_root([(b"", 0)])
    for path_of in (list_path, sum_path):
        with pytest.raises(InvalidLeaves, match="no leaf 0"):
            path_of([], 0)
    with pytest.raises(InvalidProof):
        verify_list(list_root([]), b"", ListPath(0, 0, ()))


def test_a_tree_has_fewer_than_2_to_the_32_leaves():
    """An index is a 32-bit number; more leaves are refused before any work."""
    leaves: Any = range(2**32)  # stands for a list: only its length is looked at
    for make in (list_root, sum_root):
        with pytest.raises(InvalidLeaves, match="at most"):
            make(leaves)
    for path_of in (list_path, sum_path):
        with pytest.raises(InvalidLeaves, match="at most"):
            path_of(leaves, 0)


@settings(deadline=None)
@given(SUM_LEAVES)
def test_every_leaf_of_a_sum_tree_has_a_path(leaves):
    """Each leaf verifies with its amount under the total."""
    root, total = sum_root(leaves)
    assert total == sum(amount for _, amount in leaves)
    for index, (leaf, amount) in enumerate(leaves):
        verify_sum(root, total, leaf, amount, sum_path(leaves, index))


@settings(deadline=None)
@given(SUM_LEAVES, st.data())
def test_no_other_amount_verifies_in_a_sum_tree(leaves, data):
    """Another amount, total, sibling sum, index or leaf never verifies."""
    index = data.draw(st.integers(0, len(leaves) - 1))
    (root, total), path = sum_root(leaves), sum_path(leaves, index)
    leaf, amount = leaves[index]
    other = data.draw(st.one_of(st.integers(-5, 5).map(lambda step: amount + step), AMOUNTS))
    assume(other != amount)
    forged = [
        (root, total, leaf, other, path),
        (root, other - amount + total, leaf, other, path),
        (root, total + 1, leaf, amount, path),
        (root, total, leaf + b"x", amount, path),
        (root, total, leaf, amount, replace(path, count=path.count + 1)),
        (root, total, leaf, amount, replace(path, index=path.count)),
    ]
    for position, sibling in enumerate(path.siblings):
        for bad in (
            replace(sibling, sum=sibling.sum + 1),
            replace(sibling, sum=-1),
            replace(sibling, hash=bytes([sibling.hash[0] ^ 1]) + sibling.hash[1:]),
        ):
            siblings = (*path.siblings[:position], bad, *path.siblings[position + 1 :])
            forged.append((root, total, leaf, amount, replace(path, siblings=siblings)))
    for some_root, some_total, some_leaf, some_amount, some_path in forged:
        with pytest.raises(InvalidProof):
            verify_sum(some_root, some_total, some_leaf, some_amount, some_path)


def test_amounts_stay_in_range():
    """Negative amounts and sums of 2**128 are refused when a tree is made, and in paths."""
    for leaves in ([(b"", -1)], [(b"", SUM_MAX), (b"", 1)]):
        with pytest.raises(InvalidLeaves, match="sum out of"):
            sum_root(leaves)
    assert sum_root([(b"", SUM_MAX)])[1] == SUM_MAX
    with pytest.raises(InvalidProof, match="outside"):
        verify_sum(bytes(32), 0, b"", SUM_MAX + 1, SumPath(0, 1, ()))
    large = SumSibling(bytes(32), SUM_MAX)
    with pytest.raises(InvalidProof, match="outside"):
        verify_sum(bytes(32), 0, b"", SUM_MAX, SumPath(0, 3, (large, large)))
