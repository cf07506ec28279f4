"""Canonical CBOR of plain data: arrays, integers, byte strings, text, booleans and None.

One value has one encoding, and one encoding has one value: decoding checks exact types first, and
then that the bytes are as many as the canonical encoding of the result has.  Every other form is
longer: a head that is not minimal, an indefinite length with its break, a bignum with a leading
zero or of a small integer, trailing bytes.  So bytes of the right number are the right bytes (RFC
8949, section 4.2, asks for less), whatever the version of cbor2 accepts.  Integers from 2**64 are
bignums.
"""

from __future__ import annotations

from functools import partial
from types import NoneType
from typing import Any

import cbor2

from runtime.errors import DecodeError, DispatchError

DEPTH_MAX = 32
"""How deep arrays may be nested."""
SCALARS = frozenset({int, bytes, str, bool, NoneType})
"""The types of plain data beside arrays."""

Plain = Any
"""An int, bytes, str, bool or None, or a list or tuple of plain data."""

_TAGS = (
    0,
    1,
    4,
    5,
    25,
    28,
    29,
    30,
    35,
    36,
    37,
    52,
    54,
    100,
    256,
    258,
    260,
    261,
    1004,
    43000,
    55799,
)
"""The tags that cbor2 gives a meaning to, beside the bignums 2 and 3."""


class OutOfBounds(DispatchError):
    """A value is outside the bounds of its type; inside a call, the call fails."""


def _refuse_tag(_value: Any, _immutable: bool) -> Any:
    raise ValueError("tags are not allowed")


def _read_bignum(value: Any, _immutable: bool) -> int:
    # `c2 43 01 ff fd` is as long as the canonical form of the same integer: a length does not tell.
    if len(value) <= 8 or not value[0]:
        raise ValueError("the integer has a shorter form")
    return int.from_bytes(value, "big")


def _read_negative_bignum(value: Any, immutable: bool) -> int:
    return -1 - _read_bignum(value, immutable)


# The schema refuses all of this anyway, but after the work is done: shared references make 100
# bytes a structure of any size, and colliding map keys cost quadratic time.
_loads = partial(
    cbor2.loads,
    max_depth=DEPTH_MAX + 1,  # cbor2 counts a bignum as a level; decode checks the arrays
    allow_indefinite=False,
    strict_hashable_types=True,
    semantic_decoders={
        **dict.fromkeys(_TAGS, _refuse_tag),
        2: _read_bignum,
        3: _read_negative_bignum,
    },
)


def encode(plain: Plain) -> bytes:
    """Return the canonical bytes of plain data; raises `OutOfBounds` for anything else."""
    _check_plain(plain, OutOfBounds, 0)
    return _encode_checked(plain)


def decode(data: bytes) -> Plain:
    """Return plain data from its canonical bytes, arrays as lists; raises `DecodeError`."""
    plain = parse(data)
    _check_plain(plain, DecodeError, 0)
    check_length(data, len(encode_plain(plain)))
    return plain


def freeze(plain: Plain) -> Plain:
    """Return parsed data as immutable plain data; raises `DecodeError` for what is not plain."""
    _check_plain(plain, DecodeError, 0)
    return _frozen(plain)


def _frozen(plain: Plain) -> Plain:
    return tuple(map(_frozen, plain)) if type(plain) in (list, tuple) else plain


_SHORT = 256
_INTEGERS = tuple([cbor2.dumps(value) for value in range(_SHORT)])
_BYTES_HEADS = tuple([cbor2.dumps(bytes(count))[: -count or None] for count in range(_SHORT)])
_ARRAY_HEADS = tuple([cbor2.dumps([None] * count)[: -count or None] for count in range(24)])


def encode_plain(plain: Plain) -> bytes:
    """Return the canonical bytes of plain data that a codec has checked.

    Most of it is short tuples of short items, events and records: these are put together here, in
    40 % of the time that cbor2 takes, which looks at each array in general ways.
    """
    if type(plain) is not tuple or len(plain) >= len(_ARRAY_HEADS):
        return cbor2.dumps(plain)
    encoded = _ARRAY_HEADS[len(plain)]
    for item in plain:
        kind = type(item)
        if kind is int:
            encoded += _INTEGERS[item] if 0 <= item < _SHORT else _longer_integer(item)
        elif kind is bytes and len(item) < _SHORT:
            encoded += _BYTES_HEADS[len(item)] + item
        else:
            encoded += encode_plain(item)
    return encoded


def encode_integer(value: int) -> bytes:
    """Return the canonical bytes of an integer: `encode_plain` for what is known to be one."""
    return _INTEGERS[value] if 0 <= value < _SHORT else _longer_integer(value)


def _longer_integer(value: int) -> bytes:
    """Of one that is not among `_INTEGERS`."""
    if 0 <= value < 2**16:
        return b"\x19" + value.to_bytes(2, "big")
    if 2**32 <= value < 2**64:
        return b"\x1b" + value.to_bytes(8, "big")
    return cbor2.dumps(value)


def head_bytes(count: int) -> int:
    """Return the bytes of the canonical head of `count` bytes or items."""
    if count < 24:
        return 1
    if count < 2**8:
        return 2
    return 3 if count < 2**16 else 5


def bytes_head(count: int) -> bytes:
    """Return the canonical head of `count` bytes; at most 65,535."""
    return _BYTES_HEADS[count] if count < _SHORT else b"\x59" + count.to_bytes(2, "big")


def array_head(count: int) -> bytes:
    """Return the canonical head of an array of `count` items."""
    return (
        _ARRAY_HEADS[count] if count < len(_ARRAY_HEADS) else cbor2.dumps([None] * count)[:-count]
    )


def integer_bytes(value: int) -> int:
    """Return the bytes of the canonical encoding of an integer."""
    magnitude = value if value >= 0 else -1 - value
    if magnitude < 24:
        return 1
    if magnitude < 2**8:
        return 2
    if magnitude < 2**16:
        return 3
    if magnitude < 2**32:
        return 5
    if magnitude < 2**64:
        return 9
    length = (magnitude.bit_length() + 7) // 8
    return 1 + head_bytes(length) + length


def parse(data: bytes) -> Plain:
    """Return what bytes stand for, without checking types or form; raises `DecodeError`."""
    try:
        return _loads(data)
    except (cbor2.CBORError, ValueError, TypeError, ArithmeticError) as error:
        message = f"{len(data)} bytes are not CBOR: {error}."
        raise DecodeError(message, remedy="Encode the value with runtime.codec.") from error


def check_length(data: bytes, size: int) -> None:
    """Raise `DecodeError` unless `data` has the `size` of its canonical form, types checked."""
    if len(data) != size:
        message = f"{len(data)} bytes are not the canonical encoding of their value."
        raise DecodeError(message, remedy="Encode the value with runtime.codec.")


def _encode_checked(plain: Plain) -> bytes:
    try:
        return encode_plain(plain)
    except UnicodeEncodeError as error:
        message = "A text with a lone surrogate has no encoding."
        raise OutOfBounds(message, remedy="Send text that is valid UTF-8.") from error


def _check_plain(plain: Plain, error: type[DecodeError | OutOfBounds], depth: int) -> None:
    kind = type(plain)
    if kind in SCALARS:
        return
    if kind not in (list, tuple):
        message = f"{kind.__name__} is not plain data."
        raise error(message, remedy="Use integers, bytes, text, booleans, None and arrays.")
    if depth >= DEPTH_MAX:
        message = f"Arrays are nested more than {DEPTH_MAX} deep."
        raise error(message, remedy="Flatten the data.")
    for item in plain:
        _check_plain(item, error, depth + 1)
