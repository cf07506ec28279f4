"""The notation of types in the metadata (`Codec.describe`), parsed into a tree.

| notation | type |
|---|---|
| `bool`, `u8` to `u128`, `i64`, `int[1..5]` | a boolean, an integer of a range |
| `bytes[32]`, `bytes[..256]`, `text[..64]`, `call[..1024]` | an exact length, a bound in bytes |
| `T?` | T or nothing |
| `[T; ..7]`, `(A, B)` | at most seven T, one of each |
| `Name(A=0, B=1)`, `Name(field: T, ...)` | an enumeration, a record |

The text comes from a node that may lie, and Python source is made of it: a name is an identifier,
a number is digits, and nothing else passes.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Container
from dataclasses import dataclass

from node.errors import ClientError

DEPTH_MAX = 32
LENGTH_MAX = 1_000_000
"""Of the notation of one type, in characters."""
_TOKEN = re.compile(r"\.\.|-?[0-9]{1,80}|[A-Za-z][A-Za-z0-9_]{0,63}|[\[\](),;:=?]| ")


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer of an inclusive range."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Boolean:
    """True or false."""


@dataclass(frozen=True, slots=True)
class Sized:
    """Bytes, text or a call, of at most, or of exactly, `count` bytes."""

    kind: str
    count: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Optional:
    """A value or nothing."""

    item: Type


@dataclass(frozen=True, slots=True)
class Sequence:
    """At most `most` values of one type."""

    item: Type
    most: int


@dataclass(frozen=True, slots=True)
class Tuple:
    """One type a position."""

    items: tuple[Type, ...]


@dataclass(frozen=True, slots=True)
class Enumeration:
    """Named numbers."""

    name: str
    members: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Record:
    """Named fields in order."""

    name: str
    fields: tuple[tuple[str, Type], ...]


Type = Integer | Boolean | Sized | Optional | Sequence | Tuple | Enumeration | Record


def parse_type(text: str) -> Type:
    """The type that a notation describes; raises `ClientError`."""
    if not isinstance(text, str) or len(text) > LENGTH_MAX:
        raise _malformed(str(text))
    parser = _Parser(text)
    parsed = parser.type(0)
    parser.end()
    return parsed


def check_name(name: object, taken: Container[str] = ()) -> str:
    """A name that is safe in Python source; raises `ClientError`.

    A keyword, and what is `taken`, gets an underscore at its end; `declared_name` takes it off.
    """
    if isinstance(name, str) and name.isascii() and name.isidentifier():
        if keyword.iskeyword(name) or name in taken:
            return f"{name}_"
        if name[0] != "_" != name[-1]:
            return name
    message = f"{str(name)[:80]!r} in the metadata is not a name."
    raise ClientError(message, remedy="Do not trust the node that it came from.")


_SIMPLE: dict[str, Type] = {
    "bool": Boolean(),
    "u8": Integer(0, 2**8 - 1),
    "u16": Integer(0, 2**16 - 1),
    "u32": Integer(0, 2**32 - 1),
    "u64": Integer(0, 2**64 - 1),
    "u128": Integer(0, 2**128 - 1),
    "i64": Integer(-(2**63), 2**63 - 1),
}


def declared_name(name: str) -> str:
    """The name in the metadata of a name in a generated module."""
    return name.removesuffix("_")


class _Parser:
    """Recursive descent over the tokens."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _TOKEN.findall(text)
        self._next = 0
        if "".join(self._tokens) != text:
            raise _malformed(text)

    def type(self, depth: int) -> Type:
        """A type, with its question mark if it has one."""
        if depth > DEPTH_MAX:
            raise _malformed(self._text)
        parsed = self._plain_type(depth)
        if self._accept("?"):
            return Optional(parsed)
        return parsed

    def end(self) -> None:
        """Nothing follows."""
        if self._next != len(self._tokens):
            raise _malformed(self._text)

    def _plain_type(self, depth: int) -> Type:
        if self._accept("["):
            return self._sequence(depth)
        if self._accept("("):
            return self._tuple(depth)
        token = self._take()
        if token in _SIMPLE:
            return _SIMPLE[token]
        if token == "int":  # noqa: S105 -- a type, not a password
            return self._range()
        if token in {"bytes", "text", "call"}:
            return self._sized(token)
        return self._named(check_name(token), depth)

    def _sequence(self, depth: int) -> Sequence:
        item = self.type(depth + 1)
        self._expect(";", " ", "..")
        most = self._number()
        self._expect("]")
        return Sequence(item, most)

    def _range(self) -> Integer:
        self._expect("[")
        least = self._number()
        self._expect("..")
        most = self._number()
        self._expect("]")
        return Integer(least, most)

    def _sized(self, kind: str) -> Sized:
        self._expect("[")
        exact = not self._accept("..")
        count = self._number()
        self._expect("]")
        return Sized(kind, count, exact)

    def _tuple(self, depth: int) -> Tuple:
        items: list[Type] = []
        while not self._accept(")"):
            if items:
                self._expect(",", " ")
            items.append(self.type(depth + 1))
        return Tuple(tuple(items))

    def _named(self, name: str, depth: int) -> Enumeration | Record:
        self._expect("(")
        fields: list[tuple[str, Type]] = []
        members: list[tuple[str, int]] = []
        while not self._accept(")"):
            if fields or members:
                self._expect(",", " ")
            part = check_name(self._take())
            if not fields and self._accept("="):
                members.append((part, self._number()))
            elif not members:
                self._expect(":", " ")
                fields.append((part, self.type(depth + 1)))
            else:
                raise _malformed(self._text)
        return Enumeration(name, tuple(members)) if members else Record(name, tuple(fields))

    def _number(self) -> int:
        token = self._take()
        if not token.removeprefix("-").isdecimal():
            raise _malformed(self._text)
        return int(token)

    def _take(self) -> str:
        if self._next == len(self._tokens):
            raise _malformed(self._text)
        self._next += 1
        return str(self._tokens[self._next - 1])

    def _accept(self, token: str) -> bool:
        found = self._next < len(self._tokens) and self._tokens[self._next] == token
        self._next += found
        return found

    def _expect(self, *tokens: str) -> None:
        for token in tokens:
            if not self._accept(token):
                raise _malformed(self._text)


def _malformed(text: str) -> ClientError:
    message = f"{text[:80]!r} in the metadata is not the notation of a type."
    remedy = "Generate the client with the version of OpenLedger that the node runs."
    return ClientError(message, remedy=remedy)
