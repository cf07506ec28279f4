"""Chain values as JSON: bytes become hexadecimal digits, records objects, tuples arrays.

Integers stay JSON numbers, exact at any size; a reader in JavaScript needs a parser that keeps
integers above 2**53.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import IntEnum
from typing import Any


def to_json(value: Any) -> Any:
    """Return `value` as JSON can hold it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, IntEnum):
        return value.name
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    return value
