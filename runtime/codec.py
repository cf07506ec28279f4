"""From type annotations to codecs; with `encode` and `decode`, all that other modules need.

A type without a bound has no codec: `DefinitionError`, when the class that uses it is created.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import IntEnum
from functools import cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

from runtime.cbor import OutOfBounds, Plain, decode, encode
from runtime.codecs import (
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
from runtime.errors import DefinitionError
from runtime.types import AtLeast, Between, Length, Max

__all__ = [
    "BooleanCodec",
    "BytesCodec",
    "Codec",
    "EnumCodec",
    "IntegerCodec",
    "OptionalCodec",
    "OutOfBounds",
    "Plain",
    "RecordCodec",
    "SequenceCodec",
    "TextCodec",
    "TupleCodec",
    "codec_of",
    "decode",
    "encode",
    "type_hints",
]

T = TypeVar("T")


@overload
def codec_of(annotation: type[T]) -> Codec[T]: ...
@overload
def codec_of(annotation: Any) -> Codec[Any]: ...
def codec_of(annotation: Any) -> Codec[Any]:
    """Return the codec of an annotation; raises `DefinitionError` for a type without a bound."""
    return _cached_codec(annotation)


def type_hints(target: Any, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the annotations of a class or function with their bounds; `names` are also known.

    Raises `DefinitionError` for a name that does not resolve.
    """
    try:
        return get_type_hints(target, localns=dict(names) or None, include_extras=True)
    except NameError as error:
        message = f"{target.__qualname__} has an annotation that does not resolve: {error}."
        remedy = "Import or define the type at the top of the module."
        raise DefinitionError(message, remedy=remedy) from error


@cache
def _cached_codec(annotation: Any) -> Codec[Any]:
    base, notes = annotation, tuple[Any, ...]()
    if get_origin(annotation) is Annotated:
        base, *rest = get_args(annotation)
        notes = tuple(rest)
    build = _BUILDERS.get(base)
    if build is not None:
        return build(annotation, notes)
    if get_origin(base) in (Union, UnionType):
        return _optional_codec(base)
    if get_origin(base) is tuple:
        return _tuple_codec(annotation, base, notes)
    if "make_codec" in getattr(base, "__dict__", {}):
        most = _bound(annotation, notes, "Annotated[RuntimeCall, Max(1_024)]")
        codec: Codec[Any] = base.make_codec(most)
        return codec
    if isinstance(base, type) and is_dataclass(base):
        return _record_codec(base)
    if isinstance(base, type) and issubclass(base, IntEnum):
        return EnumCodec(base)
    raise _no_codec(annotation, "Use the types of runtime.types, or a dataclass of them.")


def _integer_codec(annotation: Any, notes: tuple[Any, ...]) -> Codec[Any]:
    ranges = [note for note in notes if isinstance(note, Between)]
    if not ranges:
        raise _no_codec(annotation, "Write Annotated[int, Between(0, 100)], U32 or Amount.")
    floors = [note.least for note in notes if isinstance(note, AtLeast)]
    least = max([note.least for note in ranges] + floors)
    most = min(note.most for note in ranges)
    if least > most:
        raise _no_codec(annotation, f"Its bounds {least}..{most} are empty; widen them.")
    return IntegerCodec(least, most)


def _bytes_codec(annotation: Any, notes: tuple[Any, ...]) -> Codec[Any]:
    for note in notes:
        if isinstance(note, Length):
            return BytesCodec(note.count, note.count)
    return BytesCodec(0, _bound(annotation, notes, "Annotated[bytes, Max(256)], Hash or AccountId"))


def _text_codec(annotation: Any, notes: tuple[Any, ...]) -> Codec[Any]:
    return TextCodec(_bound(annotation, notes, "Annotated[str, Max(256)] or ShortText"))


def _boolean_codec(_annotation: Any, _notes: tuple[Any, ...]) -> Codec[Any]:
    return BooleanCodec()


_BUILDERS: dict[Any, Callable[[Any, tuple[Any, ...]], Codec[Any]]] = {
    int: _integer_codec,
    bytes: _bytes_codec,
    str: _text_codec,
    bool: _boolean_codec,
}


def _optional_codec(union: Any) -> Codec[Any]:
    items = [item for item in get_args(union) if item is not NoneType]
    if len(items) != 1 or len(get_args(union)) != len(items) + 1:
        raise _no_codec(union, "Only `X | None` has an encoding; use a dataclass with a kind.")
    item: Codec[Any] = _cached_codec(items[0])
    return OptionalCodec(item)


def _tuple_codec(annotation: Any, base: Any, notes: tuple[Any, ...]) -> Codec[Any]:
    items = get_args(base)
    if len(items) == 2 and items[1] is Ellipsis:
        most = _bound(annotation, notes, "Annotated[tuple[U32, ...], Max(16)]")
        return SequenceCodec(_immutable(annotation, items[0]), most)
    return TupleCodec(tuple(_immutable(annotation, item) for item in items))


def _record_codec(record: Any) -> Codec[Any]:
    hints = type_hints(record, {})
    frozen = bool(record.__dataclass_params__.frozen)
    items: dict[str, Codec[Any]] = {}
    for field in fields(record):
        try:
            items[field.name] = _immutable(record.__name__, hints[field.name])
        except DefinitionError as error:
            message = f"{record.__name__}.{field.name}: {error.message}"
            raise DefinitionError(message, remedy=error.remedy) from error
    return RecordCodec(record, items, frozen=frozen)


def _immutable(owner: Any, annotation: Any) -> Codec[Any]:
    """The codec of a part of another value: parts are shared between copies, so they are frozen."""
    item: Codec[Any] = _cached_codec(annotation)
    if item.mutable:
        remedy = f"Add frozen=True to the dataclass {item.describe().split('(')[0]}."
        raise DefinitionError(f"{owner} contains a mutable dataclass.", remedy=remedy)
    return item


def _bound(annotation: Any, notes: tuple[Any, ...], example: str) -> int:
    bounds = [note.count for note in notes if isinstance(note, Max)]
    if not bounds:
        raise _no_codec(annotation, f"Write {example}.")
    return min(bounds)


def _no_codec(annotation: Any, remedy: str) -> DefinitionError:
    name = getattr(annotation, "__name__", str(annotation))
    return DefinitionError(f"{name} is not a bounded type.", remedy=remedy)
