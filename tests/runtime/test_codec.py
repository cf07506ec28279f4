"""The codec: one value, one encoding; and nothing without a bound."""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass
from enum import IntEnum
from typing import Annotated, Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.cbor import encode_plain
from runtime.codec import OutOfBounds, codec_of, decode, encode
from runtime.errors import DecodeError, DefinitionError
from runtime.types import (
    I64,
    U8,
    U32,
    AccountId,
    Amount,
    AtLeast,
    Between,
    Hash,
    Length,
    Max,
    Positive,
    ShortText,
)
from runtime.wire.records import Job, JobKind

EXAMPLES = settings(max_examples=150, deadline=None)


class Colour(IntEnum):
    RED = 0
    BLUE = 7


@dataclass(frozen=True, slots=True)
class Inner:
    amount: Amount
    colour: Colour


@dataclass(frozen=True, slots=True)
class Outer:
    account: AccountId
    inner: Inner | None
    names: Annotated[tuple[ShortText, ...], Max(4)]
    pair: tuple[I64, bool]
    payload: Annotated[bytes, Max(40)]


@dataclass(slots=True)
class Changing:
    free: Amount = 0


INNER = st.builds(Inner, st.integers(0, 2**128 - 1), st.sampled_from(Colour))
TEXT = st.text(st.characters(codec="utf-8"), max_size=16)
OUTER = st.builds(
    Outer,
    st.binary(min_size=32, max_size=32),
    st.none() | INNER,
    st.lists(TEXT, max_size=4).map(tuple),
    st.tuples(st.integers(-(2**63), 2**63 - 1), st.booleans()),
    st.binary(max_size=40),
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.binary(max_size=30) | TEXT,
    lambda inside: st.lists(inside, max_size=5),
    max_leaves=12,
)


@EXAMPLES
@given(OUTER)
def test_a_value_survives_the_round_trip(value: Outer) -> None:
    """Decoding an encoding gives an equal value of the same types, within the stated size."""
    codec = codec_of(Outer)
    encoded = codec.encode(value)
    assert codec.decode(encoded) == value
    assert codec.from_plain(codec.to_plain(value)) == value
    assert codec.measure(decode(encoded)) == len(encoded) <= codec.max_bytes


@EXAMPLES
@given(OUTER, st.data())
def test_a_changed_byte_is_another_value_or_an_error(value: Outer, data: st.DataObject) -> None:
    """No two byte strings decode to one value: what decodes encodes to itself."""
    codec = codec_of(Outer)
    encoded = bytearray(codec.encode(value))
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] ^= data.draw(st.integers(1, 255))
    try:
        changed = codec.decode(bytes(encoded))
    except DecodeError:
        return
    assert changed != value
    assert codec.encode(changed) == encoded


@EXAMPLES
@given(st.binary(max_size=60))
def test_any_bytes_decode_canonically_or_raise_a_decode_error(data: bytes) -> None:
    """Garbage never raises anything but `DecodeError`, and never has a second spelling."""
    for read in (decode, codec_of(Outer).decode, codec_of(Job).decode):
        try:
            value: Any = read(data)
        except DecodeError:
            continue
        assert encode(value) == data


@EXAMPLES
@given(PLAIN)
def test_plain_data_survive_the_round_trip(plain: Any) -> None:
    """`encode` and `decode` are inverse on plain data."""
    assert decode(encode(plain)) == plain


EDGES = st.sampled_from([2**bits + step for bits in (0, 5, 8, 16, 32, 64, 128) for step in (-1, 0)])
SHORT_TUPLES = st.recursive(
    st.none() | st.booleans() | EDGES | EDGES.map(lambda edge: -edge) | st.binary(max_size=300),
    lambda inside: st.lists(inside, max_size=30).map(tuple),
    max_leaves=40,
)


@EXAMPLES
@given(SHORT_TUPLES)
def test_what_is_put_together_here_is_what_cbor2_encodes(plain: Any) -> None:
    """Around every length at which a head grows."""
    assert encode_plain(plain) == cbor2.dumps(plain, canonical=True)


@pytest.mark.parametrize(
    "hexadecimal",
    [
        "0000",  # trailing byte
        "1801",  # a long form of 1
        "1b00000000ffffffff",  # a long form of 2**32 - 1
        "c24101",  # a bignum that fits an integer
        "c24301fffd",  # the same, no longer than the integer
        "c347ffffffffffffff",  # the same in 9 bytes, negative
        "c24a00010000000000000000",  # a bignum with a leading zero
        "a0",  # a map
        "f97c00",  # a float
        "f7",  # undefined
        "e0",  # a simple value
        "9f01ff",  # an indefinite array
        "5f4101ff",  # indefinite bytes
        "c11a00000001",  # a date
        "82d81c8101d81d00",  # a shared reference
        "d90100824461616161d81900",  # a string reference
        "d9d9f701",  # self-described CBOR
        "62c328",  # not UTF-8
        "",
        "81",
        "9b7fffffffffffffff",  # a length that is not there
    ],
)
def test_other_spellings_are_rejected(hexadecimal: str) -> None:
    """What CBOR allows beyond one spelling of plain data is a `DecodeError`."""
    with pytest.raises(DecodeError):
        decode(bytes.fromhex(hexadecimal))


def test_what_encodes_at_the_deepest_level_decodes() -> None:
    """Nothing but arrays counts as a level, whatever the library's own limit counts."""
    for leaf in (0, -1, 2**64, -(2**200), b"", "", None, True):
        nested: Any = leaf
        for _ in range(32):
            nested = [nested]
        assert decode(encode(nested)) == nested
    with pytest.raises(DecodeError, match="nested more than 32 deep"):
        decode(b"\x81" * 33 + b"\0")


def test_nesting_is_limited_to_32() -> None:
    """32 arrays in each other decode, 33 do not, and neither do they encode."""
    assert decode(b"\x81" * 31 + b"\x80")
    with pytest.raises(DecodeError):
        decode(b"\x81" * 32 + b"\x80")
    nested: list[Any] = []
    for _ in range(32):
        nested = [nested]
    with pytest.raises(OutOfBounds, match="nested"):
        encode(nested)


def test_a_few_bytes_cannot_unfold_into_many() -> None:
    """Shared references, which would double at each of 30 levels, are refused at once."""
    bomb: list[Any] = []
    for _ in range(30):
        bomb = [bomb, bomb]
    with pytest.raises(DecodeError):
        decode(cbor2.dumps(bomb, value_sharing=True))


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (U8, [0, 255], [-1, 256, True, "1", None]),
        (Amount, [0, 2**64 - 1, 2**64, 2**128 - 1], [-1, 2**128]),
        (Positive[Amount], [1], [0]),
        (Annotated[int, Between(-5, 5), AtLeast(-2)], [-2, 5], [-3, 6]),
        (bool, [True, False], [0, 1, None]),
        (Hash, [bytes(32)], [bytes(31), bytes(33), "x" * 32, bytearray(32)]),
        (Annotated[bytes, Max(3)], [b"", b"abc"], [b"abcd"]),
        (ShortText, ["", "é" * 32], ["é" * 33, "\ud800", b"x"]),
        (Colour, [Colour.BLUE], [7, 1]),
        (U8 | None, [None, 0], [256]),
        (Annotated[tuple[U8, ...], Max(2)], [(), (1, 2)], [(1, 2, 3), [1], (256,)]),
        (tuple[U8, bool], [(1, True)], [(1,), (1, 1), (1, True, 1)]),
        (Inner, [Inner(1, Colour.RED)], [Inner(-1, Colour.RED), (1, 0), None]),
        (Changing, [Changing(3)], [Changing(-1)]),
    ],
)
def test_bounds_hold_in_both_directions(annotation: Any, good: list[Any], bad: list[Any]) -> None:
    """A value in bounds round-trips exactly; any other raises, on the way out and on the way in."""
    codec = codec_of(annotation)
    for value in good:
        decoded = codec.decode(codec.encode(value))
        assert (decoded, type(decoded)) == (value, type(value))
    for value in bad:
        with pytest.raises(OutOfBounds):
            codec.encode(value)


@pytest.mark.parametrize(
    ("annotation", "plain"),
    [
        (U8, 256),
        (U8, True),
        (Hash, bytes(31)),
        (Annotated[bytes, Max(3)], b"abcd"),
        (ShortText, "x" * 65),
        (Colour, 1),
        (bool, 1),
        (Annotated[tuple[U8, ...], Max(2)], [1, 2, 3]),
        (tuple[U8, bool], [1]),
        (tuple[U8, bool], 1),
        (Inner, [1]),
        (Inner, [1, 0, 0]),
        (Inner | None, []),
    ],
)
def test_plain_data_out_of_bounds_do_not_decode(annotation: Any, plain: Any) -> None:
    """A canonical encoding of the wrong shape is a `DecodeError`."""
    codec = codec_of(annotation)
    for read in (codec.decode, lambda data: codec.measure(decode(data))):
        with pytest.raises(DecodeError):
            read(encode(plain))


@dataclass(frozen=True)
class Unbounded:
    name: str


@dataclass(frozen=True)
class Mutable:
    inner: Changing


Unresolved = make_dataclass("Unresolved", [("inner", "Nowhere")], frozen=True)


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (int, "int is not a bounded type.*Between"),
        (bytes, "bytes is not a bounded type.*Max"),
        (str, "str is not a bounded type.*Max"),
        (tuple[U8, ...], "is not a bounded type.*Max"),
        (float, "float is not a bounded type"),
        (dict[str, int], "is not a bounded type"),
        (U8 | Hash, "Only `X | None`"),
        (U8 | Hash | None, "Only `X | None`"),
        (Annotated[int, AtLeast(1)], "Between"),
        (Annotated[int, Between(0, 5), AtLeast(6)], "empty"),
        (Unbounded, "Unbounded.name: str is not a bounded type"),
        (Mutable, "mutable dataclass.*frozen=True"),
        (Annotated[tuple[Changing, ...], Max(2)], "mutable dataclass"),
        (Unresolved, "Nowhere"),
    ],
)
def test_a_type_without_a_bound_has_no_codec(annotation: Any, message: str) -> None:
    """The `DefinitionError` names the field and what to write."""
    with pytest.raises(DefinitionError, match=message):
        codec_of(annotation)


def test_errors_name_the_field() -> None:
    """A record's error says which field is out of bounds."""
    value = Outer(bytes(32), Inner(-3, Colour.RED), (), (0, True), b"")
    with pytest.raises(OutOfBounds, match=r"Outer\.inner: Inner\.amount: -3"):
        codec_of(Outer).encode(value)
    plain = [bytes(32), [5, 9], [], [0, True], b""]
    with pytest.raises(DecodeError, match=r"Outer\.inner: Inner\.colour: 9"):
        codec_of(Outer).decode(encode(plain))


def test_types_describe_themselves() -> None:
    """The notation of the metadata is pinned: clients parse it."""
    assert codec_of(Outer).describe() == (
        "Outer(account: bytes[32], inner: Inner(amount: u128, colour: Colour(RED=0, BLUE=7))?, "
        "names: [text[..64]; ..4], pair: (i64, bool), payload: bytes[..40])"
    )
    assert codec_of(Positive[U32]).describe() == "int[1..4294967295]"


def test_the_largest_size_is_reached() -> None:
    """`max_bytes` is exact for a value at every bound."""
    largest = Outer(
        bytes(32), Inner(2**128 - 1, Colour.BLUE), ("x" * 64,) * 4, (-(2**63), True), bytes(40)
    )
    codec = codec_of(Outer)
    assert len(codec.encode(largest)) == codec.max_bytes


def test_codecs_are_made_once() -> None:
    """Equal annotations share a codec: making one is slow, looking it up is not."""
    assert codec_of(Annotated[bytes, Length(5)]) is codec_of(Annotated[bytes, Length(5)])


def test_data_that_are_not_plain_do_not_encode() -> None:
    """`encode` is as strict as `decode`."""
    for value in ({}, 0.5, bytearray(b"x"), {1}, object(), [Colour.RED], "\ud800"):
        with pytest.raises(OutOfBounds):
            encode(value)


def test_a_tuple_restores_what_is_not_plain() -> None:
    """An enumeration inside a tuple comes back as its member."""
    codec = codec_of(tuple[U8, JobKind])
    assert codec.decode(codec.encode((5, JobKind.ATTRIBUTE))) == (5, JobKind.ATTRIBUTE)
    assert type(codec.decode(codec.encode((5, JobKind.ATTRIBUTE)))[1]) is JobKind
