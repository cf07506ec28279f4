"""The state tree: a canonical binary Merkle tree over hashed keys, with buckets of up to 7 keys.

Invariants

- The tree maps H(key) to H(value), both 32 bytes.  Bit d of H(key), the highest first, chooses the
  child at depth d: 0 is left.
- Canonical: a subtree of at most 7 keys IS a bucket, and one of more keys is never a bucket.  The
  same keys and values therefore give the same root, whatever the order of the changes that led
  there.
- A node does not hold its own hash; its parent does.  Nothing is ever changed in place: an update
  copies the path from the root, so that an older tree stays provable for as long as somebody holds
  it.

A node is `None` (no key), `bytes` (a bucket: its sorted key and value hashes, 64 bytes a key) or a
tuple of the left child's hash, the right child's hash, the left and the right child.  Plain tuples
instead of classes keep a million keys in about 140 MB.

Where the time goes: at a million keys half of an update is waiting for memory, a fifth hashing.  So
hashes are computed in place instead of by a call, a node that is copied shares the hash of the
child that did not change, and values of known keys are replaced without taking buckets apart.

Prior art: compact sparse Merkle trees (Dahlberg, Pulls and Peeters 2016, "Efficient Sparse Merkle
Trees"), Diem's Jellyfish tree (leaves as high as they can be), persistent trees by path copying
(Driscoll et al. 1989).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from runtime.hashing import ZERO_HASH, begin_tree_bucket, begin_tree_node, hash_tree_bucket

BUCKET_KEYS_MAX = 7
"""The most keys of one bucket: fewer make proofs shorter and updates slower.

At a million keys, 8, 7 or 6 take 648, 609 or 570 bytes a key in a proof of 100 keys, 944, 905 or
868 bytes in a proof of one, and an update takes 0, 1 or 5 % longer (`python -m bench.tree`).
"""
HASH_BYTES = 32
"""Bytes of a key hash, of a value hash and of a node's hash."""
PAIR_BYTES = 2 * HASH_BYTES
"""Bytes of one (key hash, value hash) pair in a bucket."""
BUCKET_BYTES_MAX = BUCKET_KEYS_MAX * PAIR_BYTES
"""The longest bucket."""
DEPTH_MAX = 8 * HASH_BYTES
"""The most nodes on a path: one for every bit of a key hash."""

Node: TypeAlias = "bytes | tuple[bytes, bytes, Node, Node] | None"
"""No key, a bucket, or (left child's hash, right child's hash, left child, right child)."""
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

    @classmethod
    def of_pairs(cls, pairs: Sequence[bytes]) -> Tree:
        """Return the tree of (key hash + value hash) pairs, which are sorted and distinct."""
        return cls(*_built(pairs, 0, len(pairs), 0))

    def update(self, changes: Iterable[Change]) -> Tree:
        """Return the tree with `changes` applied; each key hash at most once, in any order."""
        values = dict(changes)
        if not values:
            return self
        return Tree(*_Update(values).apply(self.node, 0, len(values), 0, 0))

    def find(self, key_hash: bytes) -> tuple[bytes, tuple[bytes, ...]]:
        """Return the bucket where `key_hash` is or would be, and its siblings, the root's first."""
        siblings: list[bytes] = []
        node, depth = self.node, 0
        key = int.from_bytes(key_hash, "big")
        while isinstance(node, tuple):
            left_hash, right_hash, left, right = node
            if key & _BIT[depth]:
                siblings.append(left_hash)
                node = right
            else:
                siblings.append(right_hash)
                node = left
            depth += 1
        return node or b"", tuple(siblings)


class _Update:
    """A sorted batch of changes on its way down: the slice `low:high` belongs to one subtree."""

    __slots__ = ("_keys", "_numbers", "_values")

    def __init__(self, values: dict[bytes, bytes | None]) -> None:
        self._values = values
        self._keys = sorted(values)
        self._numbers = [int.from_bytes(key, "big") for key in self._keys]

    def apply(self, node: Node, low: int, high: int, depth: int, first: int) -> Subtree:
        """Return the subtree at `depth` with the changes `low:high` (at least one) applied.

        `first` is the smallest key hash that the subtree could have.
        """
        if not isinstance(node, tuple):
            return self._apply_to_bucket(node or b"", low, high, depth)
        if high - low == 1:
            return self._apply_one(node, low, depth)
        left_hash, right_hash, left, right = node
        first_right = first | _BIT[depth]
        middle = bisect_left(self._numbers, first_right, low, high)
        if low < middle:
            left_hash, left = self.apply(left, low, middle, depth + 1, first)
        if middle < high:
            right_hash, right = self.apply(right, middle, high, depth + 1, first_right)
        if type(left) is not tuple and type(right) is not tuple:
            bucket = _merged(left, right)
            if bucket is not None:
                return bucket
        hashing = begin_tree_node()
        hashing.update(left_hash + right_hash)
        return hashing.digest(), (left_hash, right_hash, left, right)

    def _apply_one(self, node: Node, index: int, depth: int) -> Subtree:
        """The same for a single change, without recursion: most of a batch ends here."""
        key = self._numbers[index]
        path: list[tuple[bytes, bytes, Node, Node]] = []
        bit = _BIT[depth]
        while isinstance(node, tuple):
            path.append(node)
            node = node[3] if key & bit else node[2]
            bit >>= 1
        below, child = self._apply_to_bucket(node or b"", index, index + 1, depth + len(path))
        # Only a removal can leave a subtree small enough to become a bucket.
        shrank = _bucket_bytes(child) < _bucket_bytes(node)
        while path:
            left_hash, right_hash, left, right = path.pop()
            bit <<= 1
            if key & bit:
                right_hash, right = below, child
            else:
                left_hash, left = below, child
            if shrank:
                bucket = _merged(left, right)
                if bucket is not None:
                    below, child = bucket
                    continue
                shrank = False
            hashing = begin_tree_node()
            hashing.update(left_hash + right_hash)
            below, child = hashing.digest(), (left_hash, right_hash, left, right)
        return below, child

    def _apply_to_bucket(self, bucket: bytes, low: int, high: int, depth: int) -> Subtree:
        values = self._values
        for index in range(low, high):
            key = self._keys[index]
            value = values[key]
            start = bucket.find(key)
            # A match inside a pair is none; the rare case need not be fast.
            if start < 0 or start % PAIR_BYTES or value is None:
                return self._rebuild_bucket(bucket, index, high, depth)
            bucket = bucket[: start + HASH_BYTES] + value + bucket[start + PAIR_BYTES :]
        hashing = begin_tree_bucket()
        hashing.update(bucket)
        return hashing.digest(), bucket

    def _rebuild_bucket(self, bucket: bytes, low: int, high: int, depth: int) -> Subtree:
        """Put and remove keys; the bucket may become a subtree, or nothing."""
        pairs = {
            bucket[start : start + HASH_BYTES]: bucket[start : start + PAIR_BYTES]
            for start in range(0, len(bucket), PAIR_BYTES)
        }
        for key in self._keys[low:high]:
            value = self._values[key]
            if value is None:
                pairs.pop(key, None)
            else:
                pairs[key] = key + value
        ordered = sorted(pairs.values())
        return _built(ordered, 0, len(ordered), depth)


def split(numbers: Sequence[int], low: int, high: int, depth: int) -> int:
    """The first of the sorted key hashes `low:high` (at least one) that goes right at `depth`."""
    bit = _BIT[depth]
    if numbers[low] & bit:
        return low
    if not numbers[high - 1] & bit:
        return high
    return bisect_left(numbers, _first_right(numbers[low], bit), low, high)


def _first_right(number: int, bit: int) -> int:
    """The smallest key hash right of where `number` goes left by `bit`."""
    return (number | (bit - 1)) + 1


def _built(pairs: Sequence[bytes], low: int, high: int, depth: int) -> Subtree:
    """Return the canonical subtree at `depth` of the sorted pairs `low:high`."""
    if high - low <= BUCKET_KEYS_MAX:
        if low == high:
            return _EMPTY
        bucket = b"".join(pairs[low:high])
        hashing = begin_tree_bucket()
        hashing.update(bucket)
        return hashing.digest(), bucket
    middle = _split_pairs(pairs, low, high, depth)
    left_hash, left = _built(pairs, low, middle, depth + 1)
    right_hash, right = _built(pairs, middle, high, depth + 1)
    hashing = begin_tree_node()
    hashing.update(left_hash + right_hash)
    return hashing.digest(), (left_hash, right_hash, left, right)


def _split_pairs(pairs: Sequence[bytes], low: int, high: int, depth: int) -> int:
    """`split` for pairs, whose key hash comes first: no number is made of most of them."""
    number = int.from_bytes(pairs[low][:HASH_BYTES], "big")
    if number & _BIT[depth]:
        return low
    boundary = _first_right(number, _BIT[depth])
    return bisect_left(pairs, boundary.to_bytes(HASH_BYTES, "big"), low, high)


def _merged(left: Node, right: Node) -> Subtree | None:
    """The bucket of both children, if they are few enough to have to be one."""
    if isinstance(left, tuple) or isinstance(right, tuple):
        return None
    bucket = (left or b"") + (right or b"")
    if not bucket:
        return _EMPTY
    if len(bucket) > BUCKET_BYTES_MAX:
        return None
    return hash_tree_bucket(bucket), bucket


def _bucket_bytes(node: Node) -> int:
    """How long a bucket is; a tuple counts as longer than any bucket."""
    if isinstance(node, tuple):
        return BUCKET_BYTES_MAX + 1
    return len(node or b"")
