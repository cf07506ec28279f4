"""The state tree: a canonical binary Merkle tree over hashed keys, with buckets of up to 8 keys.

Invariants

- The tree maps H(key) to H(value), both 32 bytes.  Bit d of H(key), the highest first, chooses the
  child at depth d: 0 is left.
- Canonical: a subtree of at most 8 keys IS a bucket, and one of more keys is never a bucket.  The
  same keys and values therefore give the same root, whatever the order of the changes that led
  there.
- A node does not hold its own hash; its parent does.  Nothing is ever changed in place: an update
  copies the path from the root, so that an older tree stays provable for as long as somebody holds
  it.

A node is `None` (no key), `bytes` (a bucket: its sorted key and value hashes, 64 bytes a key) or a
tuple of both child hashes joined, the left and the right child.  Plain tuples instead of classes
keep a million keys in about 130 MB.

Prior art: compact sparse Merkle trees (Dahlberg, Pulls and Peeters 2016, "Efficient Sparse Merkle
Trees"), Diem's Jellyfish tree (leaves as high as they can be), persistent trees by path copying
(Driscoll et al. 1989).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from runtime.hashing import ZERO_HASH, hash_tree_bucket, hash_tree_node

BUCKET_KEYS_MAX = 8
"""The most keys of one bucket."""
HASH_BYTES = 32
"""Bytes of a key hash, of a value hash and of a node's hash."""
PAIR_BYTES = 2 * HASH_BYTES
"""Bytes of one (key hash, value hash) pair in a bucket."""
DEPTH_MAX = 8 * HASH_BYTES
"""The most nodes on a path: one for every bit of a key hash."""

Node: TypeAlias = "bytes | tuple[bytes, Node, Node] | None"
"""No key, a bucket, or (both child hashes, left child, right child)."""
Subtree: TypeAlias = tuple[bytes, Node]
"""A node with its hash."""
Change: TypeAlias = tuple[bytes, bytes | None]
"""A key hash with its new value hash, or with `None` to remove it."""

_EMPTY: Subtree = (ZERO_HASH, None)
_BIT = tuple(1 << (DEPTH_MAX - 1 - depth) for depth in range(DEPTH_MAX))


@dataclass(frozen=True, slots=True)
class Tree:
    """One version of the state tree; `update` returns the next and leaves this one as it is."""

    root: bytes = ZERO_HASH
    """Hash of the whole tree; that of the empty tree is `ZERO_HASH`."""
    node: Node = None

    def update(self, changes: Iterable[Change]) -> Tree:
        """Return the tree with `changes` applied; each key hash at most once, in any order."""
        ordered = sorted(changes)
        if not ordered:
            return self
        return Tree(*_Update(ordered).apply(self.node, 0, len(ordered), 0))

    def find(self, key_hash: bytes) -> tuple[bytes, tuple[bytes, ...]]:
        """Return the bucket where `key_hash` is or would be, and its siblings, the root's first."""
        siblings: list[bytes] = []
        node, depth = self.node, 0
        key = int.from_bytes(key_hash, "big")
        while isinstance(node, tuple):
            hashes, left, right = node
            if key & _BIT[depth]:
                siblings.append(hashes[:HASH_BYTES])
                node = right
            else:
                siblings.append(hashes[HASH_BYTES:])
                node = left
            depth += 1
        return node or b"", tuple(siblings)


class _Update:
    """A sorted batch of changes on its way down: the slice `low:high` belongs to one subtree."""

    __slots__ = ("_changes", "_keys")

    def __init__(self, changes: Sequence[Change]) -> None:
        self._changes = changes
        self._keys = [int.from_bytes(key, "big") for key, _ in changes]

    def apply(self, node: Node, low: int, high: int, depth: int) -> Subtree:
        """Return the subtree at `depth` with the changes `low:high` (at least one) applied."""
        if not isinstance(node, tuple):
            return self._apply_to_bucket(node or b"", low, high, depth)
        if high - low == 1:
            return self._apply_one(node, low, depth)
        middle = _first_on_the_right(self._keys, low, high, depth)
        hashes, left, right = node
        if low < middle:
            left_hash, left = self.apply(left, low, middle, depth + 1)
            hashes = left_hash + hashes[HASH_BYTES:]
        if middle < high:
            right_hash, right = self.apply(right, middle, high, depth + 1)
            hashes = hashes[:HASH_BYTES] + right_hash
        return _merged(left, right) or (hash_tree_node(hashes), (hashes, left, right))

    def _apply_one(self, node: Node, index: int, depth: int) -> Subtree:
        """The same for a single change, without recursion: most of a batch ends here."""
        key = self._keys[index]
        path: list[tuple[bytes, Node, Node]] = []
        while isinstance(node, tuple):
            path.append(node)
            node = node[2] if key & _BIT[depth] else node[1]
            depth += 1
        below, child = self._apply_to_bucket(node or b"", index, index + 1, depth)
        shrank = _keys_bytes(child) < _keys_bytes(node)
        for hashes, left, right in reversed(path):
            depth -= 1
            if key & _BIT[depth]:
                parent = (hashes[:HASH_BYTES] + below, left, child)
            else:
                parent = (below + hashes[HASH_BYTES:], child, right)
            # Only a removal can leave a subtree small enough to become a bucket.
            bucket = _merged(parent[1], parent[2]) if shrank else None
            shrank = bucket is not None
            below, child = bucket or (hash_tree_node(parent[0]), parent)
        return below, child

    def _apply_to_bucket(self, bucket: bytes, low: int, high: int, depth: int) -> Subtree:
        if high - low == 1:
            key, value = self._changes[low]
            start = _find(bucket, key)
            if start >= 0 and value is not None:
                replaced = bucket[: start + HASH_BYTES] + value + bucket[start + PAIR_BYTES :]
                return hash_tree_bucket(replaced), replaced
        values = {
            bucket[start : start + HASH_BYTES]: bucket[start + HASH_BYTES : start + PAIR_BYTES]
            for start in range(0, len(bucket), PAIR_BYTES)
        }
        for key, value in self._changes[low:high]:
            if value is None:
                values.pop(key, None)
            else:
                values[key] = value
        keys = sorted(values)
        numbers = [int.from_bytes(key, "big") for key in keys]
        return _built(numbers, [key + values[key] for key in keys], depth)


def _first_on_the_right(keys: list[int], low: int, high: int, depth: int) -> int:
    """The first of the sorted `keys[low:high]` (at least one) in the right subtree at `depth`."""
    if keys[low] & _BIT[depth]:
        return low
    if not keys[high - 1] & _BIT[depth]:
        return high
    boundary = (keys[low] | (_BIT[depth] - 1)) + 1
    return bisect_left(keys, boundary, low, high)


def _built(numbers: list[int], pairs: list[bytes], depth: int) -> Subtree:
    """Return the canonical subtree at `depth` of sorted pairs; `numbers` are their keys."""
    if not pairs:
        return _EMPTY
    if len(pairs) <= BUCKET_KEYS_MAX:
        bucket = b"".join(pairs)
        return hash_tree_bucket(bucket), bucket
    middle = _first_on_the_right(numbers, 0, len(numbers), depth)
    left_hash, left = _built(numbers[:middle], pairs[:middle], depth + 1)
    right_hash, right = _built(numbers[middle:], pairs[middle:], depth + 1)
    hashes = left_hash + right_hash
    return hash_tree_node(hashes), (hashes, left, right)


def _merged(left: Node, right: Node) -> Subtree | None:
    """The bucket of both children, if they are few enough to have to be one."""
    if isinstance(left, tuple) or isinstance(right, tuple):
        return None
    bucket = (left or b"") + (right or b"")
    if not bucket:
        return _EMPTY
    if len(bucket) > BUCKET_KEYS_MAX * PAIR_BYTES:
        return None
    return hash_tree_bucket(bucket), bucket


def _keys_bytes(node: Node) -> int:
    """How long a bucket is; a tuple counts as longer than any bucket."""
    if isinstance(node, tuple):
        return BUCKET_KEYS_MAX * PAIR_BYTES + 1
    return len(node or b"")


def _find(bucket: bytes, key: bytes) -> int:
    """Where the pair of `key` starts, or -1; a match inside a pair is none."""
    start = bucket.find(key)
    while start >= 0 and start % PAIR_BYTES:
        start = bucket.find(key, start + 1)
    return start
