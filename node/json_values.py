"""Chain values as JSON: bytes become hexadecimal digits, records objects, tuples arrays.

Integers stay JSON numbers, exact at any size; a reader in JavaScript needs a parser that keeps
integers above 2**53.  A call is `{"call": "Pallet.name", "arguments": {...}}`; one that is held in
another value is that too where the calls of its runtime are known, and else the array of
`runtime.calls`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import IntEnum
from typing import Any

from runtime.calls import CallCodec, RuntimeCall, UnresolvedCall
from runtime.errors import DecodeError


def to_json(value: Any, calls: CallCodec | None = None) -> Any:
    """Return `value` as JSON can hold it; `calls` are those that it may hold."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, IntEnum):
        return value.name
    if isinstance(value, RuntimeCall):
        return _call(value, calls)
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item, calls) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(item, calls) for item in value]
    return value


def _call(call: RuntimeCall, calls: CallCodec | None) -> Any:
    if isinstance(call, UnresolvedCall):
        try:
            resolved = None if calls is None else calls.restore(call.plain)
        except DecodeError:  # whoever wrote it may have written anything
            resolved = None
        if resolved is None:
            return to_json(call.plain)
        call = resolved
    definition = call.call_definition
    arguments = {name: to_json(getattr(call, name), calls) for name in definition.arguments.items}
    return {"call": str(definition), "arguments": arguments}
