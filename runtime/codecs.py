"""The codecs: how values of each kind of type become plain data and back.

- Every codec knows its largest encoding.
- `to_plain` and `from_plain` check the same bounds: what cannot be decoded cannot be encoded.
- Plain data that a codec has made or checked are immutable, so they can be kept and shared, and
  `restore` need not check them again.

A dataclass is the array of its fields in order; `X | None` is X or null; an enumeration is its
number.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from operator import attrgetter
from typing import Any, Generic, TypeVar

from runtime.cbor import (
    SCALARS,
    OutOfBounds,
    Plain,
    array_head,
    check_length,
    encode_integer,
    encode_plain,
    head_bytes,
    integer_bytes,
    parse,
)
from runtime.errors import DecodeError

T = TypeVar("T")

_INTEGER_NAMES = {
    (0, 2**8 - 1): "u8",
    (0, 2**16 - 1): "u16",
    (0, 2**32 - 1): "u32",
    (0, 2**64 - 1): "u64",
    (0, 2**128 - 1): "u128",
    (-(2**63), 2**63 - 1): "i64",
}


class Codec(ABC, Generic[T]):
    """How values of one type become canonical bytes and back."""

    max_bytes: int
    """The length of the largest encoding, in bytes."""
    mutable = False
    """Whether a value can be changed in place: a dataclass that is not frozen."""
    is_plain = False
    """Whether a value is its own plain data."""
    is_scalar = False
    """Whether it is also what is parsed: arrays are parsed as lists, which can be changed."""
    fixed_bytes: int | None = None
    """The length of every encoding, if all have the same."""

    @abstractmethod
    def to_plain(self, value: T) -> Plain:
        """Return the value as immutable plain data; raises `OutOfBounds`."""

    @abstractmethod
    def check(self, plain: Plain) -> Plain:
        """Return plain data from anywhere as `to_plain` makes it; raises `DecodeError`."""

    @abstractmethod
    def restore(self, plain: Plain) -> T:
        """Return the value of plain data that `to_plain` or `check` returned."""

    @abstractmethod
    def size(self, plain: Plain) -> int:
        """Return the length of the encoding of plain data that `to_plain` or `check` returned."""

    @abstractmethod
    def describe(self) -> str:
        """The type in the notation of the metadata, e.g. `[bytes[32]; ..7]`."""

    def measure(self, plain: Plain) -> int:
        """Check plain data from anywhere, and return the length of its encoding.

        Raises `DecodeError`.  `check` and `size` in one pass, where what was parsed can stay.
        """
        return self.size(self.check(plain))

    def from_plain(self, plain: Plain) -> T:
        """Return the value of plain data from anywhere; raises `DecodeError`."""
        return self.restore(self.check(plain))

    def encode(self, value: T) -> bytes:
        """Return the value's canonical bytes; raises `OutOfBounds`."""
        return encode_plain(self.to_plain(value))

    def decode(self, data: bytes) -> T:
        """Return the value of its canonical bytes; raises `DecodeError` for any other bytes."""
        plain = self.check(parse(data))
        check_length(data, self.size(plain))
        return self.restore(plain)


class ScalarCodec(Codec[T]):
    """A value that is its own plain data."""

    is_plain = True
    is_scalar = True

    def restore(self, plain: Plain) -> T:
        """The same."""
        value: T = plain
        return value


class IntegerCodec(ScalarCodec[int]):
    """An integer of an inclusive range."""

    def __init__(self, least: int, most: int) -> None:
        self.least = least
        self.most = most
        self.max_bytes = max(len(encode_plain(least)), len(encode_plain(most)))

    def to_plain(self, value: int) -> Plain:
        """The integer itself."""
        if type(value) is not int or not self.least <= value <= self.most:
            raise _out_of_bounds(self, value)
        return value

    def encode(self, value: int) -> bytes:
        """Checked and encoded in one step."""
        if type(value) is not int or not self.least <= value <= self.most:
            raise _out_of_bounds(self, value)
        return encode_integer(value)

    def check(self, plain: Plain) -> Plain:
        """The integer itself."""
        if type(plain) is not int or not self.least <= plain <= self.most:
            raise _undecodable(self, plain)
        return plain

    def size(self, plain: Plain) -> int:
        """Between 1 and `max_bytes`."""
        return integer_bytes(plain)

    def measure(self, plain: Plain) -> int:
        """Between 1 and `max_bytes`."""
        if type(plain) is not int or not self.least <= plain <= self.most:
            raise _undecodable(self, plain)
        return 1 if 0 <= plain < 24 else integer_bytes(plain)

    def describe(self) -> str:
        """The short name of a usual range, or the range."""
        bounds = (self.least, self.most)
        return _INTEGER_NAMES.get(bounds, f"int[{self.least}..{self.most}]")


class BooleanCodec(ScalarCodec[bool]):
    """True or false."""

    max_bytes = 1
    fixed_bytes = 1

    def to_plain(self, value: bool) -> Plain:
        """The boolean itself."""
        if type(value) is not bool:
            raise _out_of_bounds(self, value)
        return value

    def check(self, plain: Plain) -> Plain:
        """The boolean itself."""
        if type(plain) is not bool:
            raise _undecodable(self, plain)
        return plain

    def size(self, plain: Plain) -> int:  # noqa: ARG002 # as every codec
        """1."""
        return 1

    def describe(self) -> str:
        """`bool`."""
        return "bool"


class BytesCodec(ScalarCodec[bytes]):
    """A byte string of `least` to `most` bytes."""

    def __init__(self, least: int, most: int) -> None:
        self.least = least
        self.most = most
        self.max_bytes = head_bytes(most) + most
        self.fixed_bytes = self.max_bytes if least == most else None
        self._fixed_head = (
            None if self.fixed_bytes is None else encode_plain(bytes(most))[: -most or None]
        )

    def to_plain(self, value: bytes) -> Plain:
        """The bytes themselves."""
        if type(value) is not bytes or not self.least <= len(value) <= self.most:
            raise _out_of_bounds(self, value)
        return value

    def encode(self, value: bytes) -> bytes:
        """Checked and encoded in one step."""
        if type(value) is not bytes or not self.least <= len(value) <= self.most:
            raise _out_of_bounds(self, value)
        return encode_plain(value) if self._fixed_head is None else self._fixed_head + value

    def check(self, plain: Plain) -> Plain:
        """The bytes themselves."""
        if type(plain) is not bytes or not self.least <= len(plain) <= self.most:
            raise _undecodable(self, plain)
        return plain

    def size(self, plain: Plain) -> int:
        """The head and the bytes."""
        return head_bytes(len(plain)) + len(plain)

    def measure(self, plain: Plain) -> int:
        """The head and the bytes."""
        if type(plain) is not bytes or not self.least <= len(plain) <= self.most:
            raise _undecodable(self, plain)
        return self.fixed_bytes or head_bytes(len(plain)) + len(plain)

    def describe(self) -> str:
        """`bytes[32]` for an exact length, `bytes[..256]` for a bound."""
        exact = self.least == self.most
        return f"bytes[{self.most}]" if exact else f"bytes[..{self.most}]"


class TextCodec(ScalarCodec[str]):
    """Text of at most `most` bytes in UTF-8."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.max_bytes = head_bytes(most) + most

    def to_plain(self, value: str) -> Plain:
        """The text itself."""
        if type(value) is not str or not self._fits(value):
            raise _out_of_bounds(self, value)
        return value

    def check(self, plain: Plain) -> Plain:
        """The text itself."""
        if type(plain) is not str or not self._fits(plain):
            raise _undecodable(self, plain)
        return plain

    def size(self, plain: Plain) -> int:
        """The head and the text in UTF-8."""
        count = len(plain.encode())
        return head_bytes(count) + count

    def describe(self) -> str:
        """`text[..64]`, in bytes of UTF-8."""
        return f"text[..{self.most}]"

    def _fits(self, text: str) -> bool:
        try:
            return len(text.encode()) <= self.most
        except UnicodeEncodeError:  # a lone surrogate is not text
            return False


class EnumCodec(Codec[IntEnum]):
    """A member of an `IntEnum`, as its number."""

    def __init__(self, members: type[IntEnum]) -> None:
        self.members = members
        self.max_bytes = max(len(encode_plain(int(member))) for member in members)
        self._by_number = {int(member): member for member in members}

    def to_plain(self, value: IntEnum) -> Plain:
        """The member's number."""
        if type(value) is not self.members:
            raise _out_of_bounds(self, value)
        return int(value)

    def check(self, plain: Plain) -> Plain:
        """The number itself."""
        if type(plain) is not int or plain not in self._by_number:
            raise _undecodable(self, plain)
        return plain

    def restore(self, plain: Plain) -> IntEnum:
        """The member of a number."""
        return self._by_number[plain]

    def size(self, plain: Plain) -> int:
        """Of the number."""
        return integer_bytes(plain)

    def describe(self) -> str:
        """`Verdict(ACCEPTED=0, ...)`."""
        members = ", ".join(f"{member.name}={int(member)}" for member in self.members)
        return f"{self.members.__name__}({members})"


class OptionalCodec(Codec[T | None]):
    """A value or None."""

    def __init__(self, item: Codec[T]) -> None:
        self.item = item
        self.max_bytes = item.max_bytes
        self.mutable = item.mutable
        self.is_plain = item.is_plain
        self.is_scalar = item.is_scalar

    def to_plain(self, value: T | None) -> Plain:
        """None stays None."""
        return None if value is None else self.item.to_plain(value)

    def check(self, plain: Plain) -> Plain:
        """None stays None."""
        return None if plain is None else self.item.check(plain)

    def restore(self, plain: Plain) -> T | None:
        """None stays None."""
        return None if plain is None else self.item.restore(plain)

    def size(self, plain: Plain) -> int:
        """Null takes one byte."""
        return 1 if plain is None else self.item.size(plain)

    def measure(self, plain: Plain) -> int:
        """Null takes one byte."""
        return 1 if plain is None else self.item.measure(plain)

    def describe(self) -> str:
        """`T?`."""
        return f"{self.item.describe()}?"


class SequenceCodec(Codec[tuple[T, ...]]):
    """A tuple of at most `most` values of one type."""

    def __init__(self, item: Codec[T], most: int) -> None:
        self.item = item
        self.most = most
        self.max_bytes = head_bytes(most) + most * item.max_bytes
        self.is_plain = item.is_plain

    def to_plain(self, value: tuple[T, ...]) -> Plain:
        """The tuple of plain items."""
        if type(value) is not tuple or len(value) > self.most:
            raise _out_of_bounds(self, value)
        return tuple(map(self.item.to_plain, value))

    def check(self, plain: Plain) -> Plain:
        """The tuple of an array's items."""
        if type(plain) not in (list, tuple) or len(plain) > self.most:
            raise _undecodable(self, plain)
        return tuple(map(self.item.check, plain))

    def restore(self, plain: Plain) -> tuple[T, ...]:
        """The tuple of the items' values."""
        if self.is_plain:
            same: tuple[T, ...] = plain
            return same
        return tuple(map(self.item.restore, plain))

    def size(self, plain: Plain) -> int:
        """The head and the items."""
        return head_bytes(len(plain)) + sum(map(self.item.size, plain))

    def describe(self) -> str:
        """`[T; ..7]`."""
        return f"[{self.item.describe()}; ..{self.most}]"


class TupleCodec(Codec[tuple[Any, ...]]):
    """A tuple with one type a position."""

    def __init__(self, items: tuple[Codec[Any], ...]) -> None:
        self.items = items
        self.max_bytes = head_bytes(len(items)) + sum(item.max_bytes for item in items)
        self.is_plain = all(item.is_plain for item in items)
        self._measures = tuple(item.measure for item in items)
        self._sizes = _Sizes(items)
        self.fixed_bytes = self._sizes.fixed_bytes

    def to_plain(self, value: tuple[Any, ...]) -> Plain:
        """The tuple of plain items."""
        if type(value) is not tuple or len(value) != len(self.items):
            raise _out_of_bounds(self, value)
        return tuple([item.to_plain(part) for item, part in zip(self.items, value, strict=True)])

    def check(self, plain: Plain) -> Plain:
        """The tuple of an array's items."""
        if type(plain) not in (list, tuple) or len(plain) != len(self.items):
            raise _undecodable(self, plain)
        return tuple([item.check(part) for item, part in zip(self.items, plain, strict=True)])

    def restore(self, plain: Plain) -> tuple[Any, ...]:
        """The tuple of the items' values."""
        if self.is_plain:
            same: tuple[Any, ...] = plain
            return same
        return tuple([item.restore(part) for item, part in zip(self.items, plain, strict=True)])

    def size(self, plain: Plain) -> int:
        """The head and the items."""
        return self._sizes.of(plain)

    def measure(self, plain: Plain) -> int:
        """The head and the items."""
        if type(plain) not in (list, tuple) or len(plain) != len(self.items):
            raise _undecodable(self, plain)
        return _measured(self._measures, plain)

    def describe(self) -> str:
        """`(A, B)`."""
        return f"({', '.join(item.describe() for item in self.items)})"


class RecordCodec(Codec[T]):
    """A dataclass, as the array of its fields in order."""

    def __init__(self, record: type[T], items: dict[str, Codec[Any]], *, frozen: bool) -> None:
        self.record = record
        self.items = items
        self.mutable = not frozen
        self.max_bytes = head_bytes(len(items)) + sum(item.max_bytes for item in items.values())
        self._head = array_head(len(items))
        self._encoders = tuple(item.encode for item in items.values())
        self._plain_makers = tuple(item.to_plain for item in items.values())
        self._checks = tuple(item.check for item in items.values())
        self._measures = tuple(item.measure for item in items.values())
        self._restorers = tuple(item.restore for item in items.values())
        self._values = _tuple_getter(tuple(items))
        self._sizes = _Sizes(tuple(items.values()))
        self.fixed_bytes = self._sizes.fixed_bytes
        bounds = [(item.least, item.most) for item in items.values() if type(item) is IntegerCodec]
        are_integers = len(bounds) == len(items)
        self._leasts = tuple([least for least, _ in bounds]) if are_integers else ()
        self._mosts = tuple([most for _, most in bounds]) if are_integers else ()
        self._fields_are_plain = all(item.is_plain for item in items.values())
        self.fields_are_scalars = all(item.is_scalar for item in items.values())

    def to_plain(self, value: T) -> Plain:
        """The tuple of plain fields."""
        if type(value) is not self.record:
            raise _out_of_bounds(self, value)
        values = self._values(value)
        makers = self._plain_makers
        try:
            if self._fields_are_plain:
                if not self._holds_integers(values):
                    for make, part in zip(makers, values):  # noqa: B905 # as many, by construction
                        make(part)
                return values
            return tuple([make(part) for make, part in zip(makers, values, strict=True)])
        except OutOfBounds as error:
            raise self._field_error(error, values) from error

    def encode(self, value: T) -> bytes:
        """Checked and encoded in one pass."""
        if type(value) is not self.record:
            raise _out_of_bounds(self, value)
        values = self._values(value)
        encoded = self._head
        try:
            for encode, part in zip(self._encoders, values):  # noqa: B905 # as many, by construction
                encoded += encode(part)
        except OutOfBounds as error:
            raise self._field_error(error, values) from error
        return encoded

    def check(self, plain: Plain) -> Plain:
        """The tuple of an array's items."""
        if type(plain) not in (list, tuple) or len(plain) != len(self._checks):
            raise _undecodable(self, plain)
        try:
            return tuple([check(part) for check, part in zip(self._checks, plain, strict=True)])
        except DecodeError as error:
            field = self._failing_field(self._checks, plain)
            raise DecodeError(f"{field}: {error.message}", remedy=error.remedy) from error

    def restore(self, plain: Plain) -> T:
        """The dataclass of the fields' values."""
        return self.record(*(plain if self._fields_are_plain else self.restore_fields(plain)))

    def restore_fields(self, plain: Plain) -> Sequence[Any]:
        """The values of the fields in order, from plain data that `check` returned."""
        if self._fields_are_plain:
            values: tuple[Any, ...] = plain
            return values
        return [of(part) for of, part in zip(self._restorers, plain, strict=True)]

    def size(self, plain: Plain) -> int:
        """The head and the fields."""
        return self._sizes.of(plain)

    def measure(self, plain: Plain) -> int:
        """The head and the fields."""
        if type(plain) not in (list, tuple) or len(plain) != len(self._measures):
            raise _undecodable(self, plain)
        try:
            return _measured(self._measures, plain)
        except DecodeError as error:
            field = self._failing_field(self._measures, plain)
            raise DecodeError(f"{field}: {error.message}", remedy=error.remedy) from error

    def describe(self) -> str:
        """`Account(free: u128, ...)`."""
        inside = ", ".join(f"{name}: {item.describe()}" for name, item in self.items.items())
        return f"{self.record.__name__}({inside})"

    def _holds_integers(self, values: Sequence[Any]) -> bool:
        """Whether all fields are integers in bounds: one loop, where others need calls."""
        for part, least, most in zip(values, self._leasts, self._mosts):  # noqa: B905 # as above
            if type(part) is not int or not least <= part <= most:
                return False
        return bool(self._leasts)

    def _field_error(self, error: OutOfBounds, values: Sequence[Any]) -> OutOfBounds:
        """The error of the field that is out of bounds, with its name."""
        field = self._failing_field(self._plain_makers, values)
        return OutOfBounds(f"{field}: {error.message}", remedy=error.remedy)

    def _failing_field(self, converters: Iterable[Callable[[Any], Any]], values: Any) -> str:
        """The name of the first field that does not convert; there is one."""
        parts = zip(self.items, converters, values, strict=True)
        failing = (name for name, convert, value in parts if not _converts(convert, value))
        return f"{self.record.__name__}.{next(failing)}"


def _converts(convert: Callable[[Any], Any], value: Any) -> bool:
    try:
        convert(value)
    except (OutOfBounds, DecodeError):
        return False
    return True


class _Sizes:
    """The lengths of arrays with one type a position: what is fixed is added up once."""

    __slots__ = ("_known", "_open", "fixed_bytes")

    def __init__(self, items: Sequence[Codec[Any]]) -> None:
        self._known = head_bytes(len(items)) + sum(item.fixed_bytes or 0 for item in items)
        self._open = [
            (position, item.size) for position, item in enumerate(items) if item.fixed_bytes is None
        ]
        self.fixed_bytes = None if self._open else self._known

    def of(self, plain: Plain) -> int:
        total = self._known
        for position, size in self._open:
            total += size(plain[position])
        return total


def _measured(measures: Sequence[Callable[[Plain], int]], plain: Plain) -> int:
    """The length of an array of as many items as there are `measures`."""
    total = head_bytes(len(measures))
    for measure, part in zip(measures, plain):  # noqa: B905 # as many, the caller has looked
        total += measure(part)
    return total


def _tuple_getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _out_of_bounds(codec: Codec[Any], value: Any) -> OutOfBounds:
    message = f"{_shorten(value)} is not a value of {codec.describe()}."
    return OutOfBounds(message, remedy="Give a value within the bounds of the type.")


def _undecodable(codec: Codec[Any], plain: Plain) -> DecodeError:
    message = f"{_shorten(plain)} does not decode to {codec.describe()}."
    return DecodeError(message, remedy="Check the type's version and bounds.")


def _shorten(value: Any) -> str:
    """A value for an error message, in at most 80 characters."""
    if isinstance(value, bytes):
        return f"bytes of length {len(value)}"
    if type(value) in SCALARS:
        text = repr(value)
        return text if len(text) <= 80 else f"{text[:77]}..."
    return f"a {type(value).__name__}"
