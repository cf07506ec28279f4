"""From types of the metadata to Python source: annotations, aliases, records, values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from node.chain_client.notation import (
    Boolean,
    Enumeration,
    Integer,
    Optional,
    Record,
    Sequence,
    Sized,
    Tuple,
    Type,
    parse_type,
)
from node.errors import ClientError

LINE_CHARACTERS_MAX = 100
LONG_DIGITS = 7
"""From this many zeros on a power of ten is written as a power."""
_SIZED = {"bytes": "bytes", "text": "str", "call": "RuntimeCall"}
Named = Enumeration | Record


@dataclass(slots=True)
class Annotations:
    """The names that a generated module needs, collected while its annotations are written."""

    taken: set[str]
    """Names that records may not have."""
    aliases: dict[str, str] = field(default_factory=dict)
    """The source of each alias."""
    records: dict[Named, str] = field(default_factory=dict)
    """The name of each record and enumeration, those that others need first."""
    users: dict[Named, list[str]] = field(default_factory=dict)
    """The pallets that a record or enumeration is of."""

    def of(self, notation: str, pallet: str) -> str:
        """The annotation for a notation, as used by a pallet; raises `ClientError`."""
        return self._annotation(parse_type(notation), pallet)

    def of_key(self, notation: str, pallet: str) -> str:
        """The annotations of the parts of a map's key."""
        key = parse_type(notation)
        parts = key.items if isinstance(key, Tuple) else (key,)
        return ", ".join(self._annotation(part, pallet) for part in parts)

    def value(self, notation: str, given: Any, pallet: str) -> str:
        """The source of a value that the metadata has as JSON; raises `ClientError`."""
        try:
            return self._value(parse_type(notation), given, pallet)
        except (TypeError, ValueError, KeyError) as error:
            message = f"A value in the metadata is not of its type {notation[:80]}."
            raise ClientError(message, remedy="Ask another node.") from error

    def fields(self, record: Record, pallet: str) -> list[str]:
        """The lines of a dataclass's fields."""
        return [f"{name}: {self._annotation(kind, pallet)}" for name, kind in record.fields]

    def _annotation(self, kind: Type, pallet: str) -> str:  # noqa: PLR0911 # one a kind
        match kind:
            case Boolean():
                return "bool"
            case Integer():
                return self._alias(_integer_name(kind), "int", _between(kind))
            case Sized():
                return self._alias(_sized_name(kind), _SIZED[kind.kind], _bound(kind))
            case Optional():
                return f"{self._annotation(kind.item, pallet)} | None"
            case Sequence():
                item = self._annotation(kind.item, pallet)
                return f"Annotated[tuple[{item}, ...], Max({kind.most})]"
            case Tuple():
                items = ", ".join(self._annotation(item, pallet) for item in kind.items)
                return f"tuple[{items or '()'}]"
            case _:
                return self._record(kind, pallet)

    def _alias(self, name: str, python_type: str, bound: str) -> str:
        self.aliases[name] = f"Annotated[{python_type}, {bound}]"
        return name

    def _record(self, kind: Named, pallet: str) -> str:
        if isinstance(kind, Record):
            self.fields(kind, pallet)  # what it needs comes before it
        known = self.records.get(kind)
        if known is None:
            known = kind.name
            # Two pallets may give different things one name.
            while known in self.taken:
                known = f"{pallet}{known}"
            self.taken.add(known)
            self.records[kind] = known
        users = self.users.setdefault(kind, [])
        if pallet not in users:
            users.append(pallet)
        return known

    def _value(self, kind: Type, given: Any, pallet: str) -> str:  # noqa: PLR0911 # one a kind
        match kind:
            case Optional():
                return "None" if given is None else self._value(kind.item, given, pallet)
            case Boolean() | Integer():
                return repr(bool(given) if isinstance(kind, Boolean) else int(given))
            case Sized(kind="text"):
                return json.dumps(str(given))
            case Sized(kind="bytes"):
                data = bytes.fromhex(given)
                return f'bytes.fromhex("{data.hex()}")' if any(data) else f"bytes({len(data)})"
            case Sequence():
                return _tuple(self._value(kind.item, item, pallet) for item in given)
            case Tuple():
                pairs = zip(kind.items, given, strict=True)
                return _tuple(self._value(item, part, pallet) for item, part in pairs)
            case Enumeration():
                name = next(name for name, number in kind.members if number == given)
                return f"{self._record(kind, pallet)}.{name}"
            case Record():
                named = zip(kind.fields, given, strict=True)
                parts = [
                    f"{name}={self._value(item, part, pallet)}" for (name, item), part in named
                ]
                return f"{self._record(kind, pallet)}({', '.join(parts)})"
            case _:
                raise ValueError(kind)


def call_lines(head: str, arguments: list[str], tail: str, indent: int) -> list[str]:
    """`head(arguments)tail` in as few lines as the formatter would."""
    space, inner = " " * indent, " " * (indent + 4)
    joined = ", ".join(arguments)
    if len(space) + len(f"{head}({joined}){tail}") <= LINE_CHARACTERS_MAX:
        return [f"{space}{head}({joined}){tail}"]
    if len(inner) + len(joined) <= LINE_CHARACTERS_MAX:
        return [f"{space}{head}(", f"{inner}{joined}", f"{space}){tail}"]
    return [
        f"{space}{head}(",
        *(line for argument in arguments for line in _argument_lines(argument, indent + 4)),
        f"{space}){tail}",
    ]


def _argument_lines(argument: str, indent: int) -> list[str]:
    line = f"{' ' * indent}{argument},"
    if len(line) <= LINE_CHARACTERS_MAX or not argument.endswith(")"):
        return [line]
    head, _, inside = argument[:-1].partition("(")
    return call_lines(head, split_arguments(inside), ",", indent)


def split_arguments(inside: str) -> list[str]:
    """The arguments between two brackets; commas inside further brackets part nothing."""
    parts, depth, begin = list[str](), 0, 0
    for place, character in enumerate(inside):
        depth += (character in "([") - (character in ")]")
        if character == "," and not depth:
            parts.append(inside[begin:place].strip())
            begin = place + 1
    return [*parts, inside[begin:].strip()]


def _tuple(items: Any) -> str:
    parts = list(items)
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def _integer_name(kind: Integer) -> str:
    bits = kind.most.bit_length()
    if kind.most == 2**bits - 1 and kind.least in {0, 1} and bits > 1:
        return f"{'Positive' if kind.least else ''}U{bits}"
    if (kind.least, kind.most) == (-(2**63), 2**63 - 1):
        return "I64"
    if kind.least == 0:
        return f"UpTo{_word(kind.most)}"
    return f"From{_word(kind.least)}To{_word(kind.most)}"


def _word(number: int) -> str:
    """A number as a part of a name."""
    zeros = len(str(number)) - 1
    text = f"1E{zeros}" if zeros >= LONG_DIGITS and number == 10**zeros else str(number)
    return text.replace("-", "Minus")


def _sized_name(kind: Sized) -> str:
    return f"{kind.kind.capitalize()}{'' if kind.exact else 'UpTo'}{kind.count}"


def _between(kind: Integer) -> str:
    return f"Between({_number(kind.least)}, {_number(kind.most)})"


def _bound(kind: Sized) -> str:
    return f"{'Length' if kind.exact else 'Max'}({kind.count})"


def _number(number: int) -> str:
    """Powers of two and of ten as people write them."""
    bits = number.bit_length()
    if number >= 2**16 and number == 2**bits - 1:
        return f"2**{bits} - 1"
    if number >= 2**16 and number == 2 ** (bits - 1):
        return f"2**{bits - 1}"
    if number <= -(2**16) and number == -(2 ** (bits - 1)):
        return f"-(2**{bits - 1})"
    zeros = len(str(number)) - 1
    return f"10**{zeros}" if zeros >= LONG_DIGITS and number == 10**zeros else str(number)
