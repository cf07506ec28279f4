"""One proof for many storage keys, present or absent, under one state root.

Nothing that can be derived is in it: the path of a key is its hash, so a bucket needs only its
depth; the pair of a proved key follows from key and value; a hash is given only for a subtree
without a proved key.  Going from the root down and from left to right, at a subtree

- without a proved key: take the next sibling hash;
- whose depth is that of the next bucket: the bucket is the proved pairs and the next `others`;
- otherwise: hash both children.

The root hash fixes all of it, so that there is one proof for a set of keys under a root.  A
verifier checks, because a prover chooses all of these bytes: entries strictly sorted by key hash;
at most 7 keys in a bucket, none of them twice, strictly sorted, each on the bucket's path; as many
buckets and siblings as are used; no bucket below depth 255.

Prior art: Pagh et al. 2021 and "Octopus" (Merkle multiproofs, Gluchowski 2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from runtime.errors import InvalidProof
from runtime.hashing import (
    ZERO_HASH,
    hash_state_key,
    hash_state_value,
    hash_tree_bucket,
    hash_tree_node,
)
from runtime.state.proof import ABSENT, check_prefix, pairs_of
from runtime.state.tree import BUCKET_KEYS_MAX, HASH_BYTES, Node, Tree, split
from runtime.wire.state_proof import PROOF_KEYS_MAX, ProvedValue, StateProof

_REMEDY = "Ask a node for the proof again; a node that repeats it is faulty."


def prove_entries(tree: Tree, values: Mapping[bytes, bytes | None]) -> StateProof:
    """Return the proof that the keys have these values (`None`: that they have none) in `tree`.

    Raises `InvalidProof` unless there are 1 to 1,024 keys.
    """
    _check_count(len(values))
    by_hash = sorted((hash_state_key(key), key) for key in values)
    prover = _Prover([key_hash for key_hash, _ in by_hash])
    prover.visit(tree.root, tree.node, 0, len(by_hash), 0)
    return StateProof(
        entries=tuple(ProvedValue(key, values[key] or ABSENT) for _, key in by_hash),
        depths=bytes(prover.depths),
        others=tuple(prover.others),
        siblings=b"".join(prover.siblings),
    )


def verify_entries(root: bytes, proof: StateProof) -> dict[bytes, bytes | None]:
    """Return the proved values by key, `None` for an absent key; raises `InvalidProof`."""
    _check_count(len(proof.entries))
    if len(proof.siblings) % HASH_BYTES:
        raise _invalid("The siblings are not whole hashes of 32 bytes.")
    if len(proof.depths) != len(proof.others):
        raise _invalid("There is not one depth for each bucket.")
    verifier = _Verifier(proof)
    if verifier.hash_subtree(0, len(proof.entries), 0) != root:
        raise _invalid("The proof does not lead to the state root.")
    verifier.check_used()
    return {entry.key: entry.value or None for entry in proof.entries}


class _Prover:
    """Walks the tree along the paths of the proved keys, and notes what is beside them."""

    def __init__(self, key_hashes: list[bytes]) -> None:
        self._keys = key_hashes
        self._numbers = [int.from_bytes(key, "big") for key in key_hashes]
        self.depths: list[int] = []
        self.others: list[bytes] = []
        self.siblings: list[bytes] = []

    def visit(self, node_hash: bytes, node: Node, low: int, high: int, depth: int) -> None:
        """Note what the subtree at `depth` with the keys `low:high` adds to the proof."""
        if low == high:
            self.siblings.append(node_hash)
        elif isinstance(node, tuple):
            left_hash, right_hash, left, right = node
            middle = split(self._numbers, low, high, depth)
            self.visit(left_hash, left, low, middle, depth + 1)
            self.visit(right_hash, right, middle, high, depth + 1)
        else:
            proved = frozenset(self._keys[low:high])
            pairs = pairs_of(node or b"")
            self.depths.append(depth)
            self.others.append(
                b"".join(key + value for key, value in pairs if key not in proved),
            )


class _Verifier:
    """Computes the root from a proof, taking each of its parts once and in order."""

    def __init__(self, proof: StateProof) -> None:
        self._proof = proof
        self._keys = [hash_state_key(entry.key) for entry in proof.entries]
        if any(key >= following for key, following in pairwise(self._keys)):
            raise _invalid("The entries are not strictly sorted by the hash of their key.")
        self._numbers = [int.from_bytes(key, "big") for key in self._keys]
        self._buckets = 0
        self._siblings = 0

    def hash_subtree(self, low: int, high: int, depth: int) -> bytes:
        """The hash of the subtree at `depth` that has the entries `low:high`."""
        if low == high:
            return self._sibling()
        if self._buckets == len(self._proof.depths):
            raise _invalid("The proof has too few buckets.")
        bucket_depth = self._proof.depths[self._buckets]
        if bucket_depth < depth:
            raise _invalid("A bucket is above the place where its entries are.")
        if bucket_depth == depth:
            return self._hash_bucket(low, high, depth)
        middle = split(self._numbers, low, high, depth)
        left = self.hash_subtree(low, middle, depth + 1)
        return hash_tree_node(left + self.hash_subtree(middle, high, depth + 1))

    def check_used(self) -> None:
        """Raise `InvalidProof` if anything is left over."""
        used = (self._buckets, self._siblings)
        if used != (len(self._proof.depths), len(self._proof.siblings)):
            raise _invalid("The proof has more buckets or siblings than its entries need.")

    def _hash_bucket(self, low: int, high: int, depth: int) -> bytes:
        others = pairs_of(self._proof.others[self._buckets])
        self._buckets += 1
        check_prefix([key for key, _ in others], self._keys[low], depth)
        pairs = dict(others)
        for key, entry in zip(self._keys[low:high], self._proof.entries[low:high], strict=True):
            if key in pairs:
                raise _invalid("A bucket gives the hash of an entry's value beside the entry.")
            if entry.value != ABSENT:
                pairs[key] = hash_state_value(entry.value)
        if len(pairs) > BUCKET_KEYS_MAX:
            raise _invalid(f"A bucket has {len(pairs)} keys, and {BUCKET_KEYS_MAX} at most.")
        bucket = b"".join(key + pairs[key] for key in sorted(pairs))
        return hash_tree_bucket(bucket) if bucket else ZERO_HASH

    def _sibling(self) -> bytes:
        start = self._siblings
        self._siblings += HASH_BYTES
        if self._siblings > len(self._proof.siblings):
            raise _invalid("The proof has too few siblings.")
        return self._proof.siblings[start : self._siblings]


def _check_count(count: int) -> None:
    if not 1 <= count <= PROOF_KEYS_MAX:
        message = f"A proof is of 1 to {PROOF_KEYS_MAX} keys, not of {count}."
        raise InvalidProof(message, remedy="Ask for fewer keys at once, and for one at least.")


def _invalid(message: str) -> InvalidProof:
    return InvalidProof(message, remedy=_REMEDY)
