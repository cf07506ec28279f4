"""Frozen dataclasses as TOML: what is written reads back as the same value, and nothing else reads.

A record is a table of its fields, a tuple of records an array of tables, any other tuple an array.
Bytes are hexadecimal digits. Amounts are decimal texts in OPEN, `"2.5"`, because they exceed TOML's
integers.  Every field must be there, and no other key may be.  A class with `from_table` and
`to_tables` has a form of its own.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from runtime.errors import OpenLedgerError
from runtime.types import OPEN, Amount

T = TypeVar("T")

_AMOUNT = re.compile(r"(\d{1,21})(?:\.(\d{1,18}))?")
_DECIMALS = 18
_EXPECTED = {int: "a whole number", str: "a text", bool: "true or false"}


class InvalidChainSpec(OpenLedgerError):
    """A chain spec that cannot be read, or that describes no chain."""


def read_record(record: type[T], text: str) -> T:
    """Return the record of a TOML document; raises `InvalidChainSpec`."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        message = f"The chain spec is not TOML: {error}."
        raise InvalidChainSpec(message, remedy="Correct the place that is named.") from error
    return _read_table(record, document, "the chain spec")


def write_record(record: Any) -> str:
    """Return a record as TOML: its own values first, then its tables."""
    hints = get_type_hints(type(record), include_extras=True)
    lines, tables = [], []
    for field in fields(record):
        value, hint = getattr(record, field.name), hints[field.name]
        if hasattr(value, "to_tables"):
            tables += value.to_tables(field.name)
        elif is_dataclass(value):
            tables.append(f"[{field.name}]\n{write_record(value)}")
        elif isinstance(value, tuple):
            tables += [f"[[{field.name}]]\n{_write_item(item)}" for item in value]
            lines += [] if value else [f"{field.name} = []\n"]
        else:
            lines.append(f"{field.name} = {write_value(value, hint)}\n")
    return "\n".join(["".join(lines), *tables])


def _write_item(record: Any) -> str:
    """A record of an array, one line for each field: what is inside it is inline."""
    hints = get_type_hints(type(record), include_extras=True)
    written = {each.name: (getattr(record, each.name), hints[each.name]) for each in fields(record)}
    return "".join(f"{name} = {write_value(*field)}\n" for name, field in written.items())


def _read_table(record: type[T], table: Any, where: str) -> T:
    require_table(table, where)
    hints = get_type_hints(record, include_extras=True)
    names = [field.name for field in fields(record)]  # type: ignore[arg-type] # T is a dataclass
    _check_keys(table, names, where)
    return record(
        **{name: read_value(hints[name], table[name], f"{where}.{name}") for name in names}
    )


def _check_keys(table: Mapping[str, Any], names: list[str], where: str) -> None:
    unknown = [key for key in table if key not in names]
    if unknown:
        message = f"{where} has the unknown key {unknown[0]!r}."
        raise InvalidChainSpec(message, remedy=f"The keys are: {', '.join(names)}.")
    missing = [name for name in names if name not in table]
    if missing:
        message = f"{where} has no {missing[0]!r}."
        raise InvalidChainSpec(message, remedy=f"The keys are: {', '.join(names)}.")


def require_table(table: Any, where: str) -> dict[str, Any]:
    """The table itself; raises `InvalidChainSpec` for anything else."""
    if not isinstance(table, dict):
        raise _wrong(where, table, "a table")
    return table


def read_value(hint: Any, value: Any, where: str) -> Any:
    """The value of a type's annotation, out of TOML; raises `InvalidChainSpec`."""
    base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if hasattr(base, "from_table"):
        return base.from_table(value, where)
    if is_dataclass(base) and isinstance(base, type):
        return _read_table(base, value, where)
    if get_origin(base) is tuple:
        if not isinstance(value, list):
            raise _wrong(where, value, "an array")
        item = get_args(base)[0]
        return tuple(read_value(item, each, f"{where}[{i}]") for i, each in enumerate(value))
    if _is_amount(hint):
        return _read_amount(value, where)
    if base is bytes:
        return _read_bytes(value, where)
    if type(value) is not base:
        raise _wrong(where, value, _EXPECTED[base])
    return value


def _read_amount(value: Any, where: str) -> int:
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) and value.isascii() else None
    if match is None:
        raise _wrong(where, value, 'an amount in OPEN, as a text such as "2.5"')
    whole, decimals = match.groups(default="")
    return int(whole) * OPEN + int(decimals.ljust(_DECIMALS, "0"))


def _read_bytes(value: Any, where: str) -> bytes:
    if not isinstance(value, str) or not re.fullmatch(r"([0-9a-f]{2})*", value):
        raise _wrong(where, value, "a text of lower-case hexadecimal digits")
    return bytes.fromhex(value)


def write_value(value: Any, hint: Any) -> str:
    """The value of a type's annotation as TOML."""
    if is_dataclass(value):
        return _write_inline(value)
    if isinstance(value, tuple):
        base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        return f"[{', '.join(write_value(item, get_args(base)[0]) for item in value)}]"
    return _write_plain(value, _is_amount(hint))


def _write_plain(value: bytes | str | int, is_amount: bool) -> str:
    if isinstance(value, bytes):
        return f'"{value.hex()}"'
    if isinstance(value, str):
        # JSON escapes as TOML does, except that it leaves DEL alone.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if is_amount:
        whole, rest = divmod(value, OPEN)
        return f'"{f"{whole}.{rest:018d}".rstrip("0").rstrip(".")}"'
    return str(value).lower()


def _write_inline(record: Any) -> str:
    hints = get_type_hints(type(record), include_extras=True)
    written = [
        f"{field.name} = {write_value(getattr(record, field.name), hints[field.name])}"
        for field in fields(record)
    ]
    return f"{{ {', '.join(written)} }}"


def _is_amount(hint: Any) -> bool:
    """Whether a type is `Amount`, or narrows it."""
    return get_args(Amount)[1] in get_args(hint)[1:]


def _wrong(where: str, value: Any, expected: str) -> InvalidChainSpec:
    shown = repr(value)
    message = f"{where} is {shown if len(shown) <= 60 else shown[:57] + '...'}."
    return InvalidChainSpec(message, remedy=f"Write {expected}.")
