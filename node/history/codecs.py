"""From types of the metadata to codecs: the inverse of `Codec.describe`.

The codecs are the runtime's own, so that bytes mean the same, and are refused for the same reasons.
Records and enumerations become classes of the same names and fields.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import make_dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any, cast

from node.chain_client.notation import (
    Boolean,
    Enumeration,
    Integer,
    Optional,
    Record,
    Sized,
    Tuple,
    Type,
    parse_type,
)
from node.chain_client.notation import Sequence as Many
from runtime.calls import HeldCallCodec
from runtime.codec import (
    BooleanCodec,
    BytesCodec,
    Codec,
    EnumCodec,
    IntegerCodec,
    OptionalCodec,
    RecordCodec,
    SequenceCodec,
    TextCodec,
    TupleCodec,
)

CODECS_MAX = 4_096
"""How many codecs are kept for the next time: a runtime has a few hundred types."""
_new_enumeration = cast("Callable[[str, Sequence[tuple[str, int]]], type[IntEnum]]", IntEnum)


@lru_cache(CODECS_MAX)
def codec_of_notation(notation: str) -> Codec[Any]:
    """The codec whose `describe` is `notation`; raises `ClientError`."""
    return _codec(parse_type(notation))


def record_codec(
    name: str, items: dict[str, Codec[Any]], bases: tuple[type, ...] = ()
) -> RecordCodec[Any]:
    """The codec of a new frozen dataclass with these fields."""
    fields = [(field, Any) for field in items]
    record = make_dataclass(name, fields, bases=bases, frozen=True, slots=True)
    return RecordCodec(record, items, frozen=True)


def _codec(kind: Type) -> Codec[Any]:  # noqa: PLR0911 # one a kind
    match kind:
        case Boolean():
            return BooleanCodec()
        case Integer():
            return IntegerCodec(kind.least, kind.most)
        case Sized():
            return _sized_codec(kind)
        case Optional():
            return OptionalCodec(_codec(kind.item))
        case Many():
            return SequenceCodec(_codec(kind.item), kind.most)
        case Tuple():
            return TupleCodec(tuple(map(_codec, kind.items)))
        case Enumeration():
            return EnumCodec(_new_enumeration(kind.name, kind.members))
        case Record():
            return record_codec(kind.name, {name: _codec(item) for name, item in kind.fields})


def _sized_codec(kind: Sized) -> Codec[Any]:
    if kind.kind == "bytes":
        return BytesCodec(kind.count if kind.exact else 0, kind.count)
    return TextCodec(kind.count) if kind.kind == "text" else HeldCallCodec(kind.count)
