"""Checks of JSON-RPC parameters: each gives the value, or an `InvalidParameters` that names it."""

from __future__ import annotations

from typing import Any

from node.errors import InvalidParameters
from runtime.types import Between


def hex_bytes(value: Any, name: str, *, length: int | None = None, bytes_max: int = 0) -> bytes:
    """Bytes from hexadecimal digits, `0x` optional: of `length`, or else at most `bytes_max`."""
    if not isinstance(value, str):
        raise _wrong(name, "a string of hexadecimal digits")
    try:
        data = bytes.fromhex(value.removeprefix("0x"))
    except ValueError as error:
        raise _wrong(name, "a string of hexadecimal digits") from error
    if length is not None and len(data) != length:
        raise _wrong(name, f"{length} bytes, as {2 * length} hexadecimal digits")
    if length is None and len(data) > bytes_max:
        raise _wrong(name, f"at most {bytes_max} bytes")
    return data


def whole_number(value: Any, name: str, within: Between) -> int:
    """An integer within bounds."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(name, "an integer")
    if not within.least <= value <= within.most:
        raise _wrong(name, f"an integer from {within.least} to {within.most}")
    return value


def hex_list(
    value: Any, name: str, *, length: int | None, bytes_max: int, count_max: int
) -> list[bytes]:
    """A list of at most `count_max` byte strings in hexadecimal digits."""
    if not isinstance(value, list) or len(value) > count_max:
        raise _wrong(name, f"an array of at most {count_max} hexadecimal strings")
    return [
        hex_bytes(item, f"{name}[{index}]", length=length, bytes_max=bytes_max)
        for index, item in enumerate(value)
    ]


def _wrong(name: str, expected: str) -> InvalidParameters:
    message = f"The parameter {name} is not {expected}."
    return InvalidParameters(message, remedy="Correct it and send the request again.")
