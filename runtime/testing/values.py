"""Random values of any codec: within its bounds, often at their edges, often seen before.

A call with random identifiers fails at its first look-up, and tests nothing after it.  So a `Pool`
remembers the leaves of what was seen in events, in storage and in calls that succeeded, by the name
of their field and by their kind, and `Values` prefers what fits.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from types import MappingProxyType
from typing import Any

from runtime.calls import CallCodec, CallDefinition, HeldCallCodec
from runtime.codec import (
    BooleanCodec,
    BytesCodec,
    Codec,
    EnumCodec,
    IntegerCodec,
    OptionalCodec,
    OutOfBounds,
    RecordCodec,
    SequenceCodec,
    TextCodec,
    TupleCodec,
)
from runtime.errors import DefinitionError, OpenLedgerError
from runtime.testing.draws import Draws, choose

REMEMBERED_MAX = 16
"""How many values a pool remembers of one name, and of one kind; the oldest goes first."""
NAMES_MAX = 4_096
"""How many names a pool knows."""
CALL_DEPTH_MAX = 2
"""How deep generated calls hold calls."""
RECORD_DRAWS_MAX = 1_000
"""How often the fields of a record are drawn that refuses them together."""
_ITEMS_USUAL = 3
_ITEMS_MANY = 40
_CHARACTERS = "ab é\u00df\u4e2d\U0001d11e\0\n"
_BYTES_LONG = 48
_NO_SCENE: Mapping[str, Any] = MappingProxyType({})


class Pool:
    """Values worth using again."""

    def __init__(self) -> None:
        self._by_name: dict[str, deque[Any]] = {}

    def remember(self, name: str, codec: Codec[Any], value: Any) -> None:
        """Keep the leaves of a value under its name, and those of a record under theirs."""
        if isinstance(codec, OptionalCodec):
            if value is not None:
                self.remember(name, codec.item, value)
        elif isinstance(codec, RecordCodec):
            for field, item in codec.items.items():
                self.remember(field, item, getattr(value, field))
        elif isinstance(codec, TupleCodec):
            for item, part in zip(codec.items, value, strict=True):
                self.remember(name, item, part)
        elif isinstance(codec, SequenceCodec):
            for part in value[:_ITEMS_USUAL]:
                self.remember(name, codec.item, part)
        elif type(value) in _LEAF_KINDS:
            self._keep(name, value)
            self._keep(_LEAF_KINDS[type(value)], value)

    def known(self, name: str) -> Sequence[Any]:
        """What is remembered of a name, the oldest first; the kinds are `int`, `bytes`, `text`."""
        return tuple(self._by_name.get(name, ()))

    def _keep(self, name: str, value: Any) -> None:
        if name not in self._by_name and len(self._by_name) >= NAMES_MAX:
            return
        values = self._by_name.setdefault(name, deque(maxlen=REMEMBERED_MAX))
        if value not in values:
            values.append(value)


_LEAF_KINDS: Mapping[type, str] = MappingProxyType({int: "int", bytes: "bytes", str: "text"})


class Values:
    """Draws values of codecs."""

    def __init__(
        self,
        draws: Draws,
        pool: Pool,
        calls: Sequence[CallDefinition] = (),
        scene: Mapping[str, Any] = _NO_SCENE,
    ) -> None:
        """`calls` are those that an argument of the type `RuntimeCall` may be.

        The values of `scene` belong together, and are preferred for fields of their names.
        """
        self._draws = draws
        self._pool = pool
        self._calls = calls
        self._scene = scene
        self._depth = 0

    def of(self, codec: Codec[Any], name: str = "") -> Any:
        """A value of a codec for a field of that name."""
        if name in self._scene:
            played = self._scene[name]
            if fits(codec, played) and self._draws.integer(0, 7) <= 6:
                return played
        draw = _DRAWING.get(type(codec))
        if draw is None:
            message = f"{type(codec).__name__} has no rule for random values."
            raise DefinitionError(message, remedy="Add it to runtime/testing/values.py.")
        return draw(self, codec, name)

    def call(self, definition: CallDefinition) -> Any:
        """A call with random arguments."""
        return self.of(definition.arguments)

    def integer(self, codec: IntegerCodec, name: str) -> int:
        """An edge, small, remembered and its neighbours, a power of ten, or anything."""
        least, most = codec.least, codec.most
        kind = self._draws.integer(0, 11)
        if kind <= 1:
            edges = (least, least, most, max(least, most - 1), min(most, least + 1))
            return choose(self._draws, edges)
        if kind <= 3:
            return self._draws.integer(least, min(most, least + 8))
        if kind <= 9:
            known = self._recall(codec, name, "int")
            return least if known is None else int(known)
        if kind == 10:
            power = int(10 ** self._draws.integer(0, len(str(most)) - 1))
            return max(least, min(most, power + self._draws.integer(-1, 1)))
        return self._draws.integer(least, most)

    def octets(self, codec: BytesCodec, name: str) -> bytes:
        """Remembered, constant, or anything."""
        kind = self._draws.integer(0, 5)
        known = self._recall(codec, name, "bytes") if kind <= 3 else None
        if known is not None:
            return bytes(known)
        length = self._length(codec.least, codec.most, _BYTES_LONG)
        if kind == 4:
            return bytes([self._draws.integer(0, 255)]) * length
        return self._draws.integer(0, 256**length - 1).to_bytes(length, "big")

    def text(self, codec: TextCodec, name: str) -> str:
        """Remembered, or characters of one to four bytes."""
        known = self._recall(codec, name, "text") if self._draws.integer(0, 1) else None
        if known is not None:
            return str(known)
        length = self._length(0, codec.most, _BYTES_LONG)
        text = "".join(choose(self._draws, _CHARACTERS) for _ in range(min(length, _BYTES_LONG)))
        text += "x" * (length - len(text))
        return text.encode()[: codec.most].decode(errors="ignore")

    def boolean(self, _codec: BooleanCodec, _name: str) -> bool:
        """Either."""
        return self._draws.integer(0, 1) == 1

    def member(self, codec: EnumCodec, _name: str) -> IntEnum:
        """Any member."""
        return choose(self._draws, tuple(codec.members))

    def optional(self, codec: OptionalCodec[Any], name: str) -> Any:
        """None in one of four."""
        return None if self._draws.integer(0, 3) == 0 else self.of(codec.item, name)

    def sequence(self, codec: SequenceCodec[Any], name: str) -> tuple[Any, ...]:
        """Mostly a few items."""
        count = self._length(0, codec.most, _ITEMS_MANY if self._depth == 0 else _ITEMS_USUAL)
        return tuple(self.of(codec.item, name) for _ in range(count))

    def tuple_of(self, codec: TupleCodec, name: str) -> tuple[Any, ...]:
        """Each part for itself."""
        return tuple(self.of(item, name) for item in codec.items)

    def record(self, codec: RecordCodec[Any], _name: str) -> Any:
        """Each field under its name, drawn again while the record refuses them together.

        Raises `DefinitionError` for a record that hardly any values make.
        """
        for _ in range(RECORD_DRAWS_MAX):
            fields = {name: self.of(item, name) for name, item in codec.items.items()}
            # A record may want more than its fields say: a set of validators is sorted.
            with contextlib.suppress(OpenLedgerError):
                return codec.record(**fields)
        message = f"No random values make a {codec.record.__name__}."
        raise DefinitionError(message, remedy="Give its fields types that say what it wants.")

    def nested_call(self, codec: CallCodec | HeldCallCodec, _name: str) -> Any:
        """A call; at the depth limit one whose arguments hold no further call."""
        calls = self._calls
        if self._depth >= CALL_DEPTH_MAX:
            calls = [each for each in calls if not each.holds_calls]
        self._depth += 1
        try:
            call = self.call(choose(self._draws, calls))
        finally:
            self._depth -= 1
        if fits(codec, call):
            return call
        # Too long for where it is held: the call with the shortest arguments.
        return self.call(min(calls, key=lambda each: each.arguments.max_bytes))

    def _length(self, least: int, most: int, usual: int) -> int:
        """Mostly short; sometimes at most `usual`, rarely the bound itself."""
        kind = self._draws.integer(0, 19)
        if kind == 19:
            return most if most <= 4 * usual else least + usual
        bound = _ITEMS_USUAL if kind <= 15 else usual
        return self._draws.integer(least, max(least, min(most, bound)))

    def _recall(self, codec: Codec[Any], name: str, kind: str) -> Any:
        """A remembered value within the bounds, of the name or, in one of four, of its kind."""
        known = self._pool.known(kind if self._draws.integer(0, 3) == 3 else name)
        if not known:
            return None
        value = choose(self._draws, known)
        if type(value) is int and self._draws.integer(0, 5) == 5:
            value += self._draws.integer(-1, 1)
        return value if fits(codec, value) else None


def fits(codec: Codec[Any], value: Any) -> bool:
    """Whether a value is within the bounds of a codec."""
    try:
        codec.to_plain(value)
    except OutOfBounds:
        return False
    return True


_DRAWING: Mapping[type, Callable[[Values, Any, str], Any]] = MappingProxyType(
    {
        IntegerCodec: Values.integer,
        BytesCodec: Values.octets,
        TextCodec: Values.text,
        BooleanCodec: Values.boolean,
        EnumCodec: Values.member,
        OptionalCodec: Values.optional,
        SequenceCodec: Values.sequence,
        TupleCodec: Values.tuple_of,
        RecordCodec: Values.record,
        CallCodec: Values.nested_call,
        HeldCallCodec: Values.nested_call,
    }
)
