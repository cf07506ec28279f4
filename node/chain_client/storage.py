"""Storage of a typed client: `chain.balances.accounts(bob).free`.

On the class the items are declarations, whose type arguments are the encoding; on the pallet of a
connected chain they read the node's state.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, Self, TypeVar, TypeVarTuple, cast, get_args, overload

from node.chain_client.notation import declared_name
from node.connection import ENTRIES_MAX
from node.map_keys import decode_map_key
from runtime.cbor import encode_plain
from runtime.codec import Codec, codec_of
from runtime.storage import PREFIX_BYTES, storage_key

V = TypeVar("V")
R = TypeVar("R")
K = TypeVarTuple("K")


class StateReader(Protocol):
    """What reads a node's state: a `BaseChain`."""

    @abstractmethod
    def get(self, key: bytes, height: int | None) -> bytes | None:
        """An encoded value at the head, or at a recent height."""

    @abstractmethod
    def entries_of(self, prefix: bytes, count_max: int) -> list[tuple[bytes, bytes]]:
        """Keys with a prefix and their encoded values, at the head."""


class HasReader(Protocol):
    """A pallet of a typed client."""

    _reader: StateReader


class Value(Generic[V]):
    """One stored value: `issuance = Value[U128](0)`."""

    def __init__(self, default: V) -> None:
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        (annotation,) = _type_arguments(self)
        self._key = storage_key(declared_name(owner.__name__), declared_name(name))
        self._codec: Codec[V] = codec_of(annotation)

    @overload
    def __get__(self, pallet: None, owner: type) -> Self: ...
    @overload
    def __get__(self, pallet: HasReader, owner: type) -> BoundValue[V]: ...
    def __get__(self, pallet: HasReader | None, owner: type) -> Self | BoundValue[V]:
        """On a pallet, what reads it."""
        if pallet is None:
            return self
        reader = _reader_of(pallet)
        return BoundValue(reader, self._key, self._codec, self._default)


@dataclass(frozen=True, slots=True)
class BoundValue(Generic[V]):
    """A stored value at a node: call it."""

    _reader: StateReader
    key: bytes
    """The storage key, for proofs."""
    _codec: Codec[V]
    _default: V
    _height: int | None = None

    def __call__(self) -> V:
        """The value, or its default."""
        encoded = self._reader.get(self.key, self._height)
        return self._default if encoded is None else self._codec.decode(encoded)

    def at(self, height: int) -> BoundValue[V]:
        """The same at a recent height."""
        return replace(self, _height=height)


class _Map(Generic[*K, V]):
    """What maps with and without a default share."""

    def __set_name__(self, owner: type, name: str) -> None:
        *keys, value = _type_arguments(self)
        self._prefix = storage_key(declared_name(owner.__name__), declared_name(name))
        self._key_codec: Codec[Any] = codec_of(tuple[*keys])  # type: ignore[valid-type] # built here
        self._codec: Codec[V] = codec_of(value)


class Map(_Map[*K, V]):
    """Stored values by key, of which some are there: `names = Map[U32, ShortText]()`."""

    @overload
    def __get__(self, pallet: None, owner: type) -> Self: ...
    @overload
    def __get__(self, pallet: HasReader, owner: type) -> BoundMap[V, V | None, *K]: ...
    def __get__(self, pallet: HasReader | None, owner: type) -> Self | BoundMap[V, V | None, *K]:
        """On a pallet, what reads it; a missing entry is None."""
        if pallet is None:
            return self
        reader = _reader_of(pallet)
        return BoundMap(reader, self._prefix, self._key_codec, self._codec, None)


class DefaultMap(_Map[*K, V]):
    """Stored values by key, with one for every other key: `nonces = DefaultMap[Hash, U64](0)`."""

    def __init__(self, default: V) -> None:
        self._default = default

    @overload
    def __get__(self, pallet: None, owner: type) -> Self: ...
    @overload
    def __get__(self, pallet: HasReader, owner: type) -> BoundMap[V, V, *K]: ...
    def __get__(self, pallet: HasReader | None, owner: type) -> Self | BoundMap[V, V, *K]:
        """On a pallet, what reads it."""
        if pallet is None:
            return self
        reader = _reader_of(pallet)
        return BoundMap(reader, self._prefix, self._key_codec, self._codec, self._default)


@dataclass(frozen=True, slots=True)
class BoundMap(Generic[V, R, *K]):
    """A stored map at a node: call it with a key."""

    _reader: StateReader
    prefix: bytes
    _key_codec: Codec[Any]
    _codec: Codec[V]
    _default: R
    _height: int | None = None

    def __call__(self, *key: *K) -> V | R:
        """The entry of a key, or the default."""
        encoded = self._reader.get(self.key(*key), self._height)
        return self._default if encoded is None else self._codec.decode(encoded)

    def key(self, *key: *K) -> bytes:
        """The storage key of an entry, for proofs; raises `OutOfBounds`."""
        return self.prefix + b"".join(map(encode_plain, self._key_codec.to_plain(key)))

    def entries(self, count_max: int = ENTRIES_MAX) -> list[tuple[*K, V]]:
        """The keys' parts and the value of each entry at the head, in the order of the keys."""
        found: list[Any] = [
            (*decode_map_key(self._key_codec, key[PREFIX_BYTES:]), self._codec.decode(value))
            for key, value in self._reader.entries_of(self.prefix, count_max)
        ]
        return cast("list[tuple[*K, V]]", found)

    def at(self, height: int) -> BoundMap[V, R, *K]:
        """The same at a recent height."""
        return replace(self, _height=height)


def _reader_of(pallet: HasReader) -> StateReader:
    return pallet._reader  # noqa: SLF001 # plain names are the metadata's


def _type_arguments(item: object) -> tuple[Any, ...]:
    # typing notes the `[...]` of a generic's instance here once it is constructed.
    return get_args(getattr(item, "__orig_class__", None))
