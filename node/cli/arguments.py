"""From the words of a command line to the typed arguments of a call or the key of a storage item.

| type | how it is written |
|---|---|
| integer | `5`, `1_000`, or an amount of the token: `2.5OPEN` |
| bytes | hexadecimal digits; an account also by the name of a key |
| text | as it is |
| boolean | `true`, `false` |
| nothing | `null` |
| tuple, record | JSON: `[1, 2]`, `{"rank": 8}` |
| call | JSON: `{"call": "System.remark", "arguments": {"data": "00"}}`, as it is printed |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from node.errors import ConfigError
from runtime.calls import CallDefinition, HeldCallCodec, RuntimeCall
from runtime.codec import (
    BooleanCodec,
    BytesCodec,
    Codec,
    EnumCodec,
    IntegerCodec,
    OptionalCodec,
    RecordCodec,
    SequenceCodec,
    TupleCodec,
    codec_of,
)
from runtime.errors import OpenLedgerError
from runtime.executive import Runtime
from runtime.types import OPEN, Amount

E = TypeVar("E", bound=Enum)
AccountOf = Callable[[str], bytes | None]
"""The account of a name, or None for a name that is not known."""
Calls = Mapping[str, CallDefinition]
"""The calls of a runtime by `Pallet.name`."""
NO_CALLS: Calls = {}
_UNIT = "OPEN"
_DECIMALS = 18
_ACCOUNT_BYTES = 32


@dataclass(frozen=True, slots=True)
class _Names:
    """What names in values stand for."""

    account_of: AccountOf
    calls: Calls = field(default_factory=dict)


def calls_of(runtime: Runtime) -> Calls:
    """The calls of a runtime, for values that hold calls."""
    return {
        str(call): call for pallet in runtime.pallets.values() for call in pallet.definition.calls
    }


def options_of(words: Sequence[str]) -> dict[str, str]:
    """`--name value` and `--name=value` pairs; raises `ConfigError` for anything else."""
    options: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, has_value, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or (not has_value and not rest):
            message = f"{word!r} is not an option with a value."
            raise ConfigError(message, remedy="Write --name value for each argument of the call.")
        options[name.replace("-", "_")] = value if has_value else rest.pop(0)
    return options


def typed_arguments(
    codecs: Mapping[str, Codec[Any]],
    options: Mapping[str, str],
    account_of: AccountOf,
    calls: Calls = NO_CALLS,
) -> dict[str, Any]:
    """The options as values of the codecs' types; raises `ConfigError` if names do not match."""
    expected = ", ".join(f"--{name} {codec.describe()}" for name, codec in codecs.items())
    for name in [*options, *codecs]:
        if name not in codecs or name not in options:
            trouble = "unknown" if name not in codecs else "missing"
            message = f"The argument --{name} is {trouble}."
            raise ConfigError(message, remedy=f"The call takes: {expected or 'nothing'}.")
    return {
        name: typed_value(codec, options[name], name, account_of, calls)
        for name, codec in codecs.items()
    }


def typed_value(
    codec: Codec[Any], text: str, name: str, account_of: AccountOf, calls: Calls = NO_CALLS
) -> Any:
    """One word as a value of the codec's type; raises `ConfigError`."""
    try:
        value = _from_text(codec, text, _Names(account_of, calls))
        codec.to_plain(value)
    except (ValueError, KeyError, TypeError, OpenLedgerError) as error:
        message = f"{text[:80]!r} is not a value for {name}."
        raise ConfigError(message, remedy=f"It is of type {codec.describe()}.") from error
    return value


def amount_of(text: str, name: str) -> int:
    """An amount of OPEN in units of 10**-18, as `2.5OPEN` or in units; raises `ConfigError`."""
    value: int = typed_value(codec_of(Amount), text, name, lambda _name: None)
    return value


def member_of(kind: type[E], text: str) -> E:
    """The member of an enumeration by its name in any case; raises `ConfigError`."""
    names = [each.name.lower() for each in kind]
    if text.lower() not in names:
        message = f"{text!r} is none of {', '.join(names)}."
        raise ConfigError(message, remedy="Choose one of them.")
    return kind[text.upper()]


def _from_text(codec: Codec[Any], text: str, names: _Names) -> Any:
    if isinstance(codec, OptionalCodec):
        return None if text in {"null", "none"} else _from_text(codec.item, text, names)
    if isinstance(codec, SequenceCodec | TupleCodec | RecordCodec | BooleanCodec | HeldCallCodec):
        return _from_json(codec, json.loads(text), names)
    return _from_json(codec, text, names)


def _from_json(codec: Codec[Any], value: Any, names: _Names) -> Any:
    result = value
    match codec:
        case OptionalCodec() if value is not None:
            result = _from_json(codec.item, value, names)
        case IntegerCodec():
            result = _integer(value)
        case BytesCodec():
            result = _bytes(codec, value, names)
        case EnumCodec():
            known = isinstance(value, str) and value in codec.members.__members__
            result = codec.members[value] if known else codec.members(int(value))
        case SequenceCodec():
            result = tuple(_from_json(codec.item, item, names) for item in value)
        case TupleCodec():
            pairs = zip(codec.items, value, strict=True)
            result = tuple(_from_json(item, part, names) for item, part in pairs)
        case HeldCallCodec():
            result = _call(value, names)
        case RecordCodec():
            items = codec.items.items()
            fields = {name: _from_json(item, value[name], names) for name, item in items}
            result = codec.record(**fields)
    return result


def _call(value: Any, names: _Names) -> RuntimeCall:
    """A call as it is printed: its name, and its arguments by theirs."""
    definition = names.calls[value["call"]]
    arguments = {
        name: _from_json(codec, value["arguments"][name], names)
        for name, codec in definition.arguments.items.items()
    }
    call: RuntimeCall = definition.arguments.record(**arguments)
    return call


def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = str(value).strip()
    if not text.endswith(_UNIT):
        return int(text)
    whole, _, fraction = text.removesuffix(_UNIT).strip().partition(".")
    if len(fraction) > _DECIMALS:
        raise ValueError("a fraction of the smallest unit")
    return int(whole or "0") * OPEN + int(fraction.ljust(_DECIMALS, "0"))


def _bytes(codec: BytesCodec, value: Any, names: _Names) -> bytes:
    if codec.least == codec.most == _ACCOUNT_BYTES:
        account = names.account_of(str(value))
        if account is not None:
            return account
    return bytes.fromhex(str(value).removeprefix("0x"))
