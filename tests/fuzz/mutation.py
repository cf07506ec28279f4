"""Mutations of inputs: what changes little, what attacks the form of CBOR, what takes from others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from enum import IntEnum
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")
INPUT_BYTES_MAX = 8_192
ENCODED = 0.4
"""The part of the inputs of `changed_one` whose bytes are changed; of the rest it is parts."""
_HEADS = bytes(
    [
        *(0x00, 0x17, 0x18, 0x19, 0x1A, 0x1B, 0x1F, 0x20, 0x38, 0x3B),
        *(0x40, 0x58, 0x5B, 0x5F, 0x60, 0x78, 0x7B, 0x7F, 0x80, 0x81, 0x84, 0x98, 0x9B, 0x9F),
        *(0xA0, 0xA1, 0xBF, 0xC0, 0xC2, 0xC3, 0xC4, 0xD8, 0xD9, 0xDB),
        *(0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA, 0xFB, 0xFF),
    ]
)


def mutate(random: Random, seeds: Sequence[bytes]) -> bytes:
    """Return a seed after one to four changes, rarely as it is."""
    data = bytearray(seeds[int(random.random() * len(seeds))])
    for _ in range((0, 1, 1, 1, 1, 2, 2, 4)[int(random.random() * 8)]):
        _MUTATIONS[int(random.random() * len(_MUTATIONS))](random, data, seeds)
    return bytes(data[:INPUT_BYTES_MAX])


def pick(random: Random, items: Sequence[T]) -> T:
    """Return one of the items."""
    return items[int(random.random() * len(items))]


def flipped(random: Random, data: bytes) -> bytes:
    """Return `data` with one bit changed; a zero byte if there is none."""
    if not data:
        return b"\0"
    changed = bytearray(data)
    changed[int(random.random() * len(changed))] ^= 1 << int(random.random() * 8)
    return bytes(changed)


def change_list(
    random: Random, items: list[Any], others: Sequence[Any], changed: Callable[[], Any]
) -> None:
    """Delete, reverse or cut `items`, take from `others`, or put in what `changed` gives."""
    kind = int(random.random() * 6)
    at = int(random.random() * (len(items) + 1))
    if kind == 0:
        del items[at : at + 1]
    elif kind == 1:
        items[at:at] = others[:1]
    elif kind == 2:
        items.reverse()
    elif kind == 3:
        items[at:] = others[at:]
    elif kind == 4:
        del items[at:]
    else:
        items[at : at + 1] = [changed()]


def changed_one(
    random: Random, specimens: Sequence[Any], encodings: Sequence[bytes], kind: Any
) -> Any:
    """A specimen whose bytes or parts are changed, decoded; raises `DecodeError`."""
    if random.random() < ENCODED:
        return kind.decode(mutate(random, encodings))
    value = pick(random, specimens)
    for _ in range((0, 1, 1, 1, 2, 3)[int(random.random() * 6)]):
        value = _changed(random, value, pick(random, specimens))
    return kind.decode(value.encode())


def _changed(random: Random, value: Any, other: Any) -> Any:
    """A value with one part changed, or taken from another of its type."""
    if is_dataclass(value) and type(value) is type(other) and random.random() < 0.9:
        name = pick(random, fields(value)).name
        part = _changed(random, getattr(value, name), getattr(other, name))
        return replace(value, **{name: part})  # type: ignore[type-var] # of whatever type it is
    if isinstance(value, tuple) and isinstance(other, tuple) and value:
        items = list(value)
        change_list(random, items, other, lambda: _changed(random, items[0], items[-1]))
        return tuple(items)
    return other if random.random() < 0.4 else _near(random, value, other)


def _near(random: Random, value: Any, other: Any) -> Any:
    if isinstance(value, IntEnum):
        return pick(random, list(type(value)))
    if isinstance(value, int):
        return max(0, value + pick(random, (-1, 1)))
    return flipped(random, value) if isinstance(value, bytes) and value else other


def generate(random: Random, depth: int = 0) -> bytes:
    """Return a random item of CBOR: mostly canonical, often not, sometimes not even CBOR."""
    kind = int(random.random() * 12)
    if kind <= 2:
        return head(random, kind & 1, _number(random))
    if kind <= 5:
        text = kind == 5
        body = random.choice(_TEXTS) if text else random.randbytes(int(random.random() * 40))
        return head(random, 3 if text else 2, len(body)) + body
    if kind <= 8 and depth < 40:
        count = int(random.random() * 4)
        items = b"".join(generate(random, depth + 1) for _ in range(count))
        return head(random, 4, count) + items
    if kind == 9:
        number = _number(random)
        body = number.to_bytes((number.bit_length() + 7) // 8 + (random.random() < 0.1), "big")
        return bytes([0xC2 + int(random.random() * 2)]) + head(random, 2, len(body)) + body
    if kind == 10:
        return bytes([0xF4 + int(random.random() * 4)])
    return bytes([_HEADS[int(random.random() * len(_HEADS))]]) + random.randbytes(2)


def head(random: Random, major: int, argument: int) -> bytes:
    """A head: mostly the shortest, sometimes a longer one, sometimes of indefinite length."""
    choice = random.random()
    if choice > 0.995:
        return bytes([major << 5 | 31])
    widths = [0] if argument < 24 else []
    widths += [width for width in (1, 2, 4, 8) if argument < 1 << (8 * width)]
    if not widths:
        argument, widths = argument % 2**64, [8]
    width = widths[0] if choice < 0.97 else widths[-1]
    if not width:
        return bytes([major << 5 | argument])
    return bytes([major << 5 | (23 + width.bit_length())]) + argument.to_bytes(width, "big")


_TEXTS = (
    b"",
    b"a",
    "\u00e9".encode(),
    "\U0001d11e".encode(),
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"x" * 64,
    b"x" * 65,
)


def _number(random: Random) -> int:
    bits = (1, 4, 5, 8, 9, 16, 17, 32, 33, 63, 64, 65, 128, 129)[int(random.random() * 14)]
    return max(0, (1 << bits) - 1 - int(random.random() * 3)) >> int(random.random() * 2)


def _place(random: Random, data: bytearray) -> int:
    return int(random.random() * len(data))


def _flip(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    if data:
        data[_place(random, data)] ^= 1 << int(random.random() * 8)


def _set(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    if data:
        data[_place(random, data)] = _HEADS[int(random.random() * len(_HEADS))]


def _step(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    if data:
        at = _place(random, data)
        data[at] = (data[at] + (1 if random.random() < 0.5 else 255)) % 256


def _insert(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    at = _place(random, data)
    data[at:at] = generate(random, 38)


def _delete(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    at = _place(random, data)
    del data[at : at + 1 + int(random.random() * 4)]


def _cut(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    del data[_place(random, data) :]


def _repeat(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    at = _place(random, data)
    data[at:at] = data[at : at + 1 + int(random.random() * 40)]


def _splice(random: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = seeds[int(random.random() * len(seeds))]
    data[_place(random, data) :] = other[int(random.random() * len(other)) :]


def _widen(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    """Spell a small integer, length or count in a longer head."""
    if data:
        at = _place(random, data)
        if data[at] & 31 < 24:
            data[at : at + 1] = bytes([data[at] & 0xE0 | 24, data[at] & 31])


def _nest(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    data[0:0] = b"\x81" * int(random.random() * 40)


_MUTATIONS = (_flip, _flip, _set, _step, _insert, _delete, _cut, _repeat, _splice, _widen, _nest)
