"""Blobs: one content-addressed file that lists encoded items, in order.

A submission's rows, a version's `RowRecord`s, a batch's receipts, an epoch's `ScoreLeaf`s and
`PayoutLeaf`s and a transcript's `TranscriptLeaf`s are all blobs: a canonical CBOR array of byte
strings. A blob's address is `hash_content` of its bytes; the Merkle root over its items stays a
separate commitment, so that one item can be proved without the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from runtime.codec import decode, encode
from runtime.errors import DecodeError

_REMEDY = "Fetch the blob again from a node that has it, and check its content hash."


def encode_blob(items: Sequence[bytes]) -> bytes:
    """Return the canonical bytes of a list of encoded items."""
    return encode(list(items))


def decode_blob(data: bytes, count_max: int) -> tuple[bytes, ...]:
    """Return the items of a blob of at most `count_max` items; raises `DecodeError`."""
    items = decode(data)
    if not isinstance(items, list | tuple):
        raise DecodeError("The blob is not a list of byte strings.", remedy=_REMEDY)
    if len(items) > count_max:
        message = f"The blob has {len(items)} items, and at most {count_max} are expected."
        raise DecodeError(message, remedy=_REMEDY)
    return tuple(_item(item, index) for index, item in enumerate(items))


def _item(item: object, index: int) -> bytes:
    if not isinstance(item, bytes):
        message = f"Item {index} of the blob is a {type(item).__name__}, not a byte string."
        raise DecodeError(message, remedy=_REMEDY)
    return item
