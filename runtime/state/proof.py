"""Proofs that a storage key has a value, or has none, under a state root.

A proof is the bucket where H(key) is or would be, and the siblings on the way to it.  A verifier
checks more than the hashes, because a prover chooses all of these bytes:

- the bucket is a whole number of pairs and has at most 7 keys;
- its keys are strictly sorted, so that no key has two values;
- each shares the path's prefix with H(key): otherwise a bucket of another place could hide the key;
- there are as many siblings of 32 bytes as the path has nodes, at most 256.

A stored value is an encoding and never empty, so an empty `StateEntry.value` says: absent.
"""

from __future__ import annotations

from itertools import pairwise

from runtime.errors import InvalidProof
from runtime.hashing import (
    ZERO_HASH,
    hash_state_key,
    hash_state_value,
    hash_tree_bucket,
    hash_tree_node,
)
from runtime.state.tree import BUCKET_KEYS_MAX, DEPTH_MAX, HASH_BYTES, PAIR_BYTES, Tree
from runtime.wire.receipts import StateEntry

ABSENT = b""
"""The `StateEntry.value` of a key that has no value."""
_REMEDY = "Ask a node for the proof again; a node that repeats it is faulty."


def prove_entry(tree: Tree, key: bytes, value: bytes | None) -> StateEntry:
    """Return the proof that `key` has `value` (`None`: that it has none) in `tree`."""
    bucket, siblings = tree.find(hash_state_key(key))
    return StateEntry(key=key, value=value or ABSENT, bucket=bucket, siblings=siblings)


def verify_entry(root: bytes, entry: StateEntry) -> None:
    """Raise `InvalidProof` unless `entry` holds under `root`; an empty value claims absence."""
    key_hash = hash_state_key(entry.key)
    pairs = pairs_of(entry.bucket)
    _check_place(pairs, key_hash, entry.siblings)
    value_hash = dict(pairs).get(key_hash)
    if entry.value == ABSENT and value_hash is not None:
        raise InvalidProof("The key is said to have no value, and it has one.", remedy=_REMEDY)
    if entry.value != ABSENT and value_hash != hash_state_value(entry.value):
        raise InvalidProof("The value is not the one in the proof's bucket.", remedy=_REMEDY)
    if _root_of(entry.bucket, entry.siblings, key_hash) != root:
        raise InvalidProof("The proof does not lead to the state root.", remedy=_REMEDY)


def pairs_of(bucket: bytes) -> list[tuple[bytes, bytes]]:
    """The (key hash, value hash) pairs of a bucket; raises `InvalidProof` for number or order."""
    count, rest = divmod(len(bucket), PAIR_BYTES)
    if rest or count > BUCKET_KEYS_MAX:
        message = f"A bucket of {len(bucket)} bytes is not 0 to 7 pairs of {PAIR_BYTES} bytes."
        raise InvalidProof(message, remedy=_REMEDY)
    starts = range(0, len(bucket), PAIR_BYTES)
    keys = [bucket[start : start + HASH_BYTES] for start in starts]
    if any(key >= following for key, following in pairwise(keys)):
        raise InvalidProof("The keys of the bucket are not strictly sorted.", remedy=_REMEDY)
    values = [bucket[start + HASH_BYTES : start + PAIR_BYTES] for start in starts]
    return list(zip(keys, values, strict=True))


def _check_place(
    pairs: list[tuple[bytes, bytes]], key_hash: bytes, siblings: tuple[bytes, ...]
) -> None:
    """Check that bucket and siblings belong on the path of `key_hash`."""
    depth = len(siblings)
    if depth > DEPTH_MAX or any(len(sibling) != HASH_BYTES for sibling in siblings):
        message = f"The {depth} siblings are not at most {DEPTH_MAX} hashes of 32 bytes."
        raise InvalidProof(message, remedy=_REMEDY)
    check_prefix([key for key, _ in pairs], key_hash, depth)


def check_prefix(keys: list[bytes], key_hash: bytes, depth: int) -> None:
    """Raise `InvalidProof` unless all `keys` share the first `depth` bits of `key_hash`."""
    rest_bits = DEPTH_MAX - depth
    prefix = int.from_bytes(key_hash, "big") >> rest_bits
    if any(int.from_bytes(key, "big") >> rest_bits != prefix for key in keys):
        raise InvalidProof("A key of the bucket does not belong on its path.", remedy=_REMEDY)


def _root_of(bucket: bytes, siblings: tuple[bytes, ...], key_hash: bytes) -> bytes:
    node = hash_tree_bucket(bucket) if bucket else ZERO_HASH
    path = int.from_bytes(key_hash, "big") >> (DEPTH_MAX - len(siblings))
    for sibling in reversed(siblings):
        node = hash_tree_node(sibling + node if path & 1 else node + sibling)
        path >>= 1
    return node
