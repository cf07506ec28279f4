"""Domain-separated blake2b-256: one personalised prototype per kind of object.

Copying a prepared hasher costs 0.22 us against 0.36 us for a keyed or prefixed hash, and two kinds
of object can never collide, because the personalisation is part of blake2b's parameter block (RFC
7693, section 2.5).  A personalisation has at most 16 bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Protocol

Hasher = Callable[[bytes], bytes]
"""A function from bytes to their 32-byte domain-separated hash."""


class Hashing(Protocol):
    """A blake2b-256 in progress."""

    def update(self, data: bytes, /) -> None:
        """Take in more bytes."""

    def digest(self) -> bytes:
        """The 32-byte hash of what was taken in."""


ZERO_HASH = bytes(32)
"""The hash of nothing: the parent of block 0, the root of an empty tree."""


def hashing_of(personalisation: bytes) -> Callable[[], Hashing]:
    """Return what begins a blake2b-256 of one domain; `personalisation` has 1 to 16 bytes.

    For the loops of the state tree: a call of `hasher`'s function costs a third of the hash.
    """
    return blake2b(digest_size=32, person=personalisation).copy


def hasher(personalisation: bytes) -> Hasher:
    """Return the blake2b-256 function of one domain; `personalisation` has 1 to 16 bytes."""
    prototype = hashing_of(personalisation)

    def digest(data: bytes) -> bytes:
        instance = prototype()
        instance.update(data)
        return instance.digest()

    return digest


begin_state_key = hashing_of(b"state key")
begin_state_value = hashing_of(b"state value")
begin_tree_bucket = hashing_of(b"tree bucket")
begin_tree_node = hashing_of(b"tree node")
hash_state_key = hasher(b"state key")
hash_state_value = hasher(b"state value")
hash_tree_bucket = hasher(b"tree bucket")
hash_tree_node = hasher(b"tree node")
hash_list_leaf = hasher(b"list leaf")
hash_list_node = hasher(b"list node")
hash_sum_leaf = hasher(b"sum leaf")
hash_sum_node = hasher(b"sum node")
hash_extrinsic = hasher(b"extrinsic")
hash_header = hasher(b"header")
hash_validators = hasher(b"validators")
hash_commit = hasher(b"commit")
hash_beacon = hasher(b"beacon")
hash_account = hasher(b"pallet account")
hash_row = hasher(b"row")
hash_commitment = hasher(b"row commitment")
hash_order = hasher(b"training order")
hash_influence_order = hasher(b"influence order")
hash_exam_order = hasher(b"exam order")
hash_blinded_root = hasher(b"blinded root")
hash_draw = hasher(b"auditors")
hash_content = hasher(b"content")
hash_text = hasher(b"text")
hash_call = hasher(b"call")
hash_receipt = hasher(b"receipt")
hash_snapshot_chunk = hasher(b"snapshot chunk")
