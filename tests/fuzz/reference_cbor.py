"""A second decoder of our canonical CBOR, written from RFC 8949 alone, to compare with the first.

Accepted are exactly the deterministic encodings (section 4.2.1: shortest heads, definite lengths)
of integers, byte strings, text, arrays, false, true and null.  Integers beyond 64 bits are bignums
(section 3.4.3) without leading zeros; every other tag, maps, floats and further simple values are
refused, and so are arrays nested more than 32 deep and anything after the first item.
"""

from __future__ import annotations

from typing import Any

DEPTH_MAX = 32
_SIMPLE = {20: False, 21: True, 22: None}


class NotCanonical(Exception):
    """The bytes are not the canonical encoding of plain data."""


def decode(data: bytes) -> Any:
    """Return the plain data that bytes are the canonical encoding of; raises `NotCanonical`."""
    value, end = _item(data, 0, 0)
    if end != len(data):
        raise NotCanonical("there are bytes after the item")
    return value


def _item(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    major, argument, at = _head(data, at)
    if major <= 1:
        return (-1 - argument if major else argument), at
    if major == 2:
        return _take(data, at, argument)
    if major == 3:
        return _text(data, at, argument)
    if major == 4:
        return _array(data, at, argument, depth)
    if major == 6:
        return _bignum(data, at, argument)
    if major == 5 or argument not in _SIMPLE:
        raise NotCanonical(f"major type {major} with {argument}")
    return _SIMPLE[argument], at


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """The major type, the argument, and where the head ends."""
    if at >= len(data):
        raise NotCanonical("the item is cut off")
    major, short = data[at] >> 5, data[at] & 31
    if short < 24:
        return major, short, at + 1
    if short > 27:
        raise NotCanonical("a reserved or an indefinite length")
    width = 1 << (short - 24)
    raw, end = _take(data, at + 1, width)
    argument = int.from_bytes(raw, "big")
    least = 24 if width == 1 else 1 << (4 * width)
    if major != 7 and argument < least:
        raise NotCanonical("the head is longer than it has to be")
    if major == 7:
        raise NotCanonical("a float or a simple value of two bytes")
    return major, argument, end


def _take(data: bytes, at: int, count: int) -> tuple[bytes, int]:
    if count > len(data) - at:
        raise NotCanonical("the string is cut off")
    return data[at : at + count], at + count


def _text(data: bytes, at: int, count: int) -> tuple[str, int]:
    raw, end = _take(data, at, count)
    try:
        return raw.decode("utf-8", "strict"), end
    except UnicodeDecodeError as error:
        raise NotCanonical("the text is not UTF-8") from error


def _array(data: bytes, at: int, count: int, depth: int) -> tuple[list[Any], int]:
    if depth >= DEPTH_MAX:
        raise NotCanonical("the arrays are nested too deep")
    if count > len(data) - at:
        raise NotCanonical("the array is cut off")
    items = []
    for _ in range(count):
        item, at = _item(data, at, depth + 1)
        items.append(item)
    return items, at


def _bignum(data: bytes, at: int, tag: int) -> tuple[int, int]:
    if tag not in (2, 3):
        raise NotCanonical(f"the tag {tag}")
    major, count, at = _head(data, at)
    if major != 2:
        raise NotCanonical("a bignum of something else than bytes")
    raw, end = _take(data, at, count)
    number = int.from_bytes(raw, "big")
    if number < 2**64 or raw[0] == 0:
        raise NotCanonical("a bignum that is longer than it has to be")
    return (number if tag == 2 else -1 - number), end
