"""Merkle lists and Merkle-sum trees over byte strings.

Both are the binary tree in which a level's odd last node moves up unchanged.  What makes a path
convincing:

- Leaves, inner nodes and the root are hashed in different ways (personalisation, input length), so
  no inner node passes for a leaf and no leaf for an inner node (second preimages, RFC 6962 section
  2.1).
- The root binds the number of leaves.  With it an index has exactly one path length, and a
  duplicated last leaf gives another root (CVE-2012-2459).
- A sum tree's nodes bind the sum below each child (Maxwell's proof of liabilities, with both sums
  in the node), and every sum is in range: no leaf can be negative or overflow.

Empty lists have a root too; nothing can be proved under it.
"""

from __future__ import annotations

from collections.abc import Sequence

from runtime.errors import InvalidProof, OpenLedgerError
from runtime.hashing import (
    ZERO_HASH,
    hash_list_leaf,
    hash_list_node,
    hash_sum_leaf,
    hash_sum_node,
)
from runtime.wire.receipts import ListPath, SumPath, SumSibling

COUNT_MAX = 2**32 - 1
"""The most leaves of one tree: an index is a `U32`."""
SUM_MAX = 2**128 - 1
"""The largest sum of one tree: a sum is an `Amount`."""
_COUNT_BYTES = 8
_SUM_BYTES = 16
_HASH_BYTES = 32

SumNode = tuple[bytes, int]
"""A node of a sum tree: its hash and the sum below it."""


class InvalidLeaves(OpenLedgerError):
    """The leaves cannot be put into a tree, or the index is not one of theirs."""


def list_root(leaves: Sequence[bytes]) -> bytes:
    """Return the 32-byte root of a list of leaves; their number is part of it."""
    _check_count(len(leaves))
    return bind_list(len(leaves), fold_nodes(list_nodes(leaves, 0) or (ZERO_HASH,)))


def list_nodes(leaves: Sequence[bytes], level: int) -> tuple[bytes, ...]:
    """Return the nodes `level` levels above the leaves, left to right; at 0 the leaves' hashes."""
    nodes = [hash_list_leaf(leaf) for leaf in leaves]
    for _ in range(level):
        nodes = _list_level_above(nodes)
    return tuple(nodes)


def fold_nodes(nodes: Sequence[bytes]) -> bytes:
    """Return the one node above all `nodes` of a level, of which there is at least one."""
    level = list(nodes)
    while len(level) > 1:
        level = _list_level_above(level)
    return level[0]


def bind_list(count: int, node: bytes) -> bytes:
    """Return the root of a list of `count` leaves whose uppermost node is `node`."""
    return hash_list_node(count.to_bytes(_COUNT_BYTES, "big") + node)


def list_path(leaves: Sequence[bytes], index: int) -> ListPath:
    """Return the path of leaf `index`; raises `InvalidLeaves` for an index outside the list."""
    _check_index(index, len(leaves))
    level = [hash_list_leaf(leaf) for leaf in leaves]
    siblings: list[bytes] = []
    position = index
    while len(level) > 1:
        if position ^ 1 < len(level):
            siblings.append(level[position ^ 1])
        level = _list_level_above(level)
        position >>= 1
    return ListPath(index=index, count=len(leaves), siblings=tuple(siblings))


def verify_list(root: bytes, leaf: bytes, path: ListPath) -> None:
    """Raise `InvalidProof` unless `leaf` is leaf `path.index` of the `path.count` under `root`."""
    sides = _sides(path.index, path.count, len(path.siblings))
    node = hash_list_leaf(leaf)
    for sibling, on_the_right in zip(path.siblings, sides, strict=True):
        _check_hash(sibling)
        node = hash_list_node(node + sibling if on_the_right else sibling + node)
    if bind_list(path.count, node) != root:
        raise _no_match(f"leaf {path.index} of {path.count}")


def sum_root(leaves: Sequence[tuple[bytes, int]]) -> tuple[bytes, int]:
    """Return root and total of (leaf, amount) pairs; raises `InvalidLeaves` for a bad sum."""
    _check_count(len(leaves))
    level = _sum_leaves(leaves) or [(ZERO_HASH, 0)]
    while len(level) > 1:
        level = _sum_level_above(level)
    node, total = level[0]
    return _bind_sum(len(leaves), node, total), total


def sum_path(leaves: Sequence[tuple[bytes, int]], index: int) -> SumPath:
    """Return the path of leaf `index`; raises `InvalidLeaves` for an index outside the tree."""
    _check_index(index, len(leaves))
    level = _sum_leaves(leaves)
    siblings: list[SumSibling] = []
    position = index
    while len(level) > 1:
        if position ^ 1 < len(level):
            siblings.append(SumSibling(*level[position ^ 1]))
        level = _sum_level_above(level)
        position >>= 1
    return SumPath(index=index, count=len(leaves), siblings=tuple(siblings))


def verify_sum(root: bytes, total: int, leaf: bytes, amount: int, path: SumPath) -> None:
    """Raise `InvalidProof` unless (leaf, amount) is in the tree of `root`, whose sum is `total`."""
    sides = _sides(path.index, path.count, len(path.siblings))
    _check_amount(amount)
    node = (hash_sum_leaf(amount.to_bytes(_SUM_BYTES, "big") + leaf), amount)
    for sibling, on_the_right in zip(path.siblings, sides, strict=True):
        _check_hash(sibling.hash)
        _check_amount(sibling.sum)
        other = (sibling.hash, sibling.sum)
        node = _sum_parent(node, other) if on_the_right else _sum_parent(other, node)
        _check_amount(node[1])
    if node[1] != total:
        message = f"The path adds up to {node[1]}, and the tree to {total}."
        raise InvalidProof(message, remedy="Ask for the path again; do not accept this payout.")
    if _bind_sum(path.count, *node) != root:
        raise _no_match(f"leaf {path.index} of {path.count}")


def _list_level_above(level: list[bytes]) -> list[bytes]:
    pairs = range(0, len(level) - 1, 2)
    above = [hash_list_node(level[left] + level[left + 1]) for left in pairs]
    return above + level[-1:] if len(level) % 2 else above


def _sum_leaves(leaves: Sequence[tuple[bytes, int]]) -> list[SumNode]:
    total = 0
    nodes: list[SumNode] = []
    for index, (leaf, amount) in enumerate(leaves):
        total += amount
        if amount < 0 or total > SUM_MAX:
            raise InvalidLeaves(
                f"Leaf {index} has the amount {amount}, which takes the sum out of 0..2**128 - 1.",
                remedy="Give every leaf an amount of at least 0 and keep the sum below 2**128.",
            )
        nodes.append((hash_sum_leaf(amount.to_bytes(_SUM_BYTES, "big") + leaf), amount))
    return nodes


def _sum_level_above(level: list[SumNode]) -> list[SumNode]:
    pairs = range(0, len(level) - 1, 2)
    above = [_sum_parent(level[left], level[left + 1]) for left in pairs]
    return above + level[-1:] if len(level) % 2 else above


def _sum_parent(left: SumNode, right: SumNode) -> SumNode:
    data = b"".join(node + amount.to_bytes(_SUM_BYTES, "big") for node, amount in (left, right))
    return hash_sum_node(data), left[1] + right[1]


def _bind_sum(count: int, node: bytes, total: int) -> bytes:
    number = count.to_bytes(_COUNT_BYTES, "big")
    return hash_sum_node(number + node + total.to_bytes(_SUM_BYTES, "big"))


def _sides(index: int, count: int, siblings: int) -> list[bool]:
    """For each sibling from the leaf up: is it on the right?  Raises if their number is wrong."""
    if not 0 <= index < count <= COUNT_MAX:
        message = f"The path claims leaf {index} of {count}."
        raise InvalidProof(message, remedy="Ask for the path again; an index starts at 0.")
    sides: list[bool] = []
    position, width = index, count
    while width > 1:
        if position ^ 1 < width:
            sides.append(position % 2 == 0)
        position >>= 1
        width = (width + 1) >> 1
    if len(sides) != siblings:
        message = f"Leaf {index} of {count} has {len(sides)} siblings; the path has {siblings}."
        raise InvalidProof(message, remedy="Ask for the path again.")
    return sides


def _check_count(count: int) -> None:
    if count > COUNT_MAX:
        message = f"A tree has at most {COUNT_MAX} leaves, not {count}."
        raise InvalidLeaves(message, remedy="Split the leaves over several trees.")


def _check_index(index: int, count: int) -> None:
    _check_count(count)
    if not 0 <= index < count:
        message = f"There is no leaf {index} in a tree of {count}."
        raise InvalidLeaves(message, remedy="Ask for an index from 0 to the number of leaves - 1.")


def _check_hash(value: bytes) -> None:
    # Without this, a node's two inputs could be shifted against each other.
    if len(value) != _HASH_BYTES:
        message = f"A sibling has {len(value)} bytes, not {_HASH_BYTES}."
        raise InvalidProof(message, remedy="Ask for the path again.")


def _check_amount(amount: int) -> None:
    if not 0 <= amount <= SUM_MAX:
        message = f"The sum {amount} in the path is outside 0..2**128 - 1."
        raise InvalidProof(message, remedy="Ask for the path again; do not accept this payout.")


def _no_match(what: str) -> InvalidProof:
    return InvalidProof(
        f"The path of {what} does not lead to the root.",
        remedy="The leaf, the path or the root was changed: ask for them again.",
    )
