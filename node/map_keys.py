"""The keys of maps, out of the keys under which their entries are stored."""

from __future__ import annotations

from typing import TypeVar

from runtime.codec import Codec, TupleCodec

_CBOR_ARRAY = 0x80
"""The head of a CBOR array, plus its length if below 24 (RFC 8949, section 3.1)."""

K = TypeVar("K")


def decode_map_key(key_codec: Codec[K], parts: bytes) -> K:
    """A map's key out of what follows the prefix in a storage key; raises `DecodeError`."""
    if isinstance(key_codec, TupleCodec):
        # The parts of a tuple follow each other; with an array's head in front they are its CBOR.
        parts = bytes([_CBOR_ARRAY + len(key_codec.items)]) + parts
    return key_codec.decode(parts)
