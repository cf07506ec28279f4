"""Storage items of pallets: `Value` and `Map`, typed and bounded.

On the class they are declarations; on a pallet inside a runtime they are bound to its overlay.
What is stored is immutable plain data.  Every read makes a new object and every write checks and
copies, so a mutation of an object that was read or written never reaches the state.

A storage key is a 16-byte prefix (blake2b of "Pallet.item"), then each part of the map's key in
canonical CBOR; a tuple is several parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, get_args, overload

from runtime.cbor import Plain, encode_plain, parse
from runtime.codec import BytesCodec, Codec, TupleCodec, codec_of
from runtime.errors import DecodeError, DefinitionError, DispatchError, InvariantViolation
from runtime.overlay import ABSENT, Overlay

PREFIX_BYTES = 16
KEY_BYTES_MAX = 512
"""The longest storage key, in bytes; receipts carry keys."""
VALUE_BYTES_MAX = 65_536
"""The largest encoded value, in bytes; receipts carry values."""

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


class KeyMissing(DispatchError):
    """A map without a default has no entry for a key."""


def storage_key(pallet: str, item: str, *parts: Plain) -> bytes:
    """Return the key of a storage entry; without parts, a value's key or a map's prefix."""
    prefix = blake2b(f"{pallet}.{item}".encode(), digest_size=PREFIX_BYTES).digest()
    return prefix + b"".join([encode_plain(part) for part in parts])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a storage item is declared: pallet and attribute."""

    pallet: str
    item: str

    def __str__(self) -> str:
        return f"{self.pallet}.{self.item}"


class Value(Generic[T]):
    """One stored value: `issuance = Value[Amount](0)`."""

    place: Place
    annotation: Any
    codec: Codec[T]
    prefix: bytes

    def __init__(self, default: T) -> None:
        self.default = default

    def define(self, pallet: str, item: str) -> None:
        """Take the name and the bounds; raises `DefinitionError`."""
        self.place = Place(pallet, item)
        (annotation,) = _type_arguments(self, self.place, "Value[Amount](0)")
        self.annotation = annotation
        self.codec = _value_codec(self.place, annotation)
        self.prefix = storage_key(pallet, item)
        self.default_plain = _default_plain(self.place, self.codec, self.default)

    @overload
    def __get__(self, pallet: None, owner: type) -> Self: ...
    @overload
    def __get__(self, pallet: object, owner: type) -> BoundValue[T]: ...
    def __get__(self, pallet: object | None, owner: type) -> Self | BoundValue[T]:
        """The declaration on the class; a bound pallet has the bound value in its `__dict__`."""
        if pallet is None:
            return self
        raise _unbound(self.place)

    def load(self, encoded: bytes) -> Plain:
        """Return the plain data of a stored encoding; raises `InvariantViolation`."""
        return _checked(self.place, self.codec, encoded)

    def bind(self, overlay: Overlay) -> BoundValue[T]:
        """Return the value as a pallet of one runtime sees it."""
        return BoundValue(self, overlay)


class Map(Generic[K, V]):
    """Stored values by key: `accounts = Map[AccountId, Account](Account())`.

    With a default every key has a value; without one, reading an absent key raises `KeyMissing`.
    """

    place: Place
    key_codec: Codec[K]
    codec: Codec[V]
    prefix: bytes

    def __init__(self, *default: V) -> None:
        self.default = default

    def define(self, pallet: str, item: str) -> None:
        """Take the name and the bounds; raises `DefinitionError`."""
        self.place = Place(pallet, item)
        key, value = _type_arguments(self, self.place, "Map[AccountId, Account](Account())")
        self.key_codec = _key_codec(self.place, key)
        self._has_parts = isinstance(self.key_codec, TupleCodec)
        self.codec = _value_codec(self.place, value)
        self.prefix = storage_key(pallet, item)
        self.default_plain: Plain = ABSENT
        if self.default:
            (default,) = self.default
            self.default_plain = _default_plain(self.place, self.codec, default)

    @overload
    def __get__(self, pallet: None, owner: type) -> Self: ...
    @overload
    def __get__(self, pallet: object, owner: type) -> BoundMap[K, V]: ...
    def __get__(self, pallet: object | None, owner: type) -> Self | BoundMap[K, V]:
        """The declaration on the class; a bound pallet has the bound map in its `__dict__`."""
        if pallet is None:
            return self
        raise _unbound(self.place)

    def load(self, encoded: bytes) -> Plain:
        """Return the plain data of a stored encoding; raises `InvariantViolation`."""
        return _checked(self.place, self.codec, encoded)

    def bind(self, overlay: Overlay) -> BoundMap[K, V]:
        """Return the map as a pallet of one runtime sees it."""
        return BoundMap(self, overlay)

    def bytes_key(self) -> tuple[bytes, int]:
        """What is in front of a key that is bytes of one length, and that length; otherwise -1.

        Most maps are by accounts or hashes: their storage keys are made in one step.
        """
        codec = self.key_codec
        if not isinstance(codec, BytesCodec) or codec.least != codec.most:
            return b"", -1
        return self.prefix + encode_plain(bytes(codec.most))[: -codec.most], codec.most

    def storage_key(self, key: K) -> bytes:
        """Return the key under which the entry is stored; raises `OutOfBounds`."""
        plain = self.key_codec.to_plain(key)
        if self._has_parts:
            return self.prefix + b"".join([encode_plain(part) for part in plain])
        return self.prefix + encode_plain(plain)


StorageItem = Value[Any] | Map[Any, Any]


class BoundValue(Generic[T]):
    """A stored value inside a runtime."""

    __slots__ = ("_item", "_overlay")

    def __init__(self, item: Value[T], overlay: Overlay) -> None:
        self._item = item
        self._overlay = overlay

    def get(self) -> T:
        """The value, or the default if none was put."""
        item = self._item
        plain = self._overlay.read(item.prefix, item.load)
        return item.codec.restore(item.default_plain if plain is ABSENT else plain)

    def put(self, value: T) -> None:
        """Store a value; raises `OutOfBounds`."""
        self._overlay.write(self._item.prefix, self._item.codec.to_plain(value))

    def translate(self, old: Any, convert: Callable[[Any], T | None]) -> None:
        """Replace the stored value by what `convert` makes of it as the type `old`; None removes.

        For migrations.  A value that was never put stays so.
        """
        _translate(self._item, self._overlay, self._item.prefix, codec_of(old), convert)

    def edit(self) -> Edit[T]:
        """Edit a copy: `with self.item.edit() as value:`; see `BoundMap.edit`."""
        return Edit(self._item, self._overlay, self._item.prefix)


class BoundMap(Generic[K, V]):
    """A stored map inside a runtime; there is no iteration inside calls."""

    __slots__ = (
        "_item",
        "_key_bytes",
        "_key_head",
        "_last_key",
        "_last_storage_key",
        "_load",
        "_overlay",
        "_restore",
        "_to_plain",
    )

    def __init__(self, item: Map[K, V], overlay: Overlay) -> None:
        self._item = item
        self._overlay = overlay
        self._load = item.load
        self._restore = item.codec.restore
        self._to_plain = item.codec.to_plain
        self._key_head, self._key_bytes = item.bytes_key()
        self._last_key: object = self  # no key
        self._last_storage_key = b""

    def __getitem__(self, key: K) -> V:
        """The entry or the default; raises `KeyMissing` where there is neither."""
        plain = self._overlay.read(self._storage_key(key), self._load)
        if plain is ABSENT:
            plain = self._item.default_plain
            if plain is ABSENT:
                raise _key_missing(self._item, key)
        return self._restore(plain)

    def get(self, key: K) -> V | None:
        """The entry, the default, or None."""
        item = self._item
        plain = self._overlay.read(self._storage_key(key), item.load)
        if plain is ABSENT:
            plain = item.default_plain
        return None if plain is ABSENT else item.codec.restore(plain)

    def __contains__(self, key: K) -> bool:
        """Whether there is an entry; a default is none."""
        return self._overlay.read(self._storage_key(key), self._item.load) is not ABSENT

    def __setitem__(self, key: K, value: V) -> None:
        """Store an entry; raises `OutOfBounds`."""
        self._overlay.write(self._storage_key(key), self._to_plain(value))

    def __delitem__(self, key: K) -> None:
        """Remove an entry; raises `KeyMissing` if there is none."""
        storage_key = self._storage_key(key)
        if self._overlay.read(storage_key, self._item.load) is ABSENT:
            raise _key_missing(self._item, key)
        self._overlay.write(storage_key, ABSENT)

    def translate(
        self, old: Any, convert: Callable[[Any], V | None], cursor: bytes, *, limit: int
    ) -> bytes | None:
        """Replace `limit` entries by what `convert` makes of them as the type `old`; None removes.

        For migrations: begins behind the entry `cursor` (empty: with the first one), and returns
        the cursor to go on with, or None behind the last.  Only entries that were there before the
        block are visited, in the order of their storage keys.
        """
        item = self._item
        keys = self._overlay.scan(item.prefix, cursor, limit)
        codec = codec_of(old)
        for storage_key in keys:
            _translate(item, self._overlay, storage_key, codec, convert)
        return keys[-1] if len(keys) == limit else None

    def edit(self, key: K) -> Edit[V]:
        """Edit a copy of an entry: `with self.accounts.edit(sender) as account:`.

        The copy is written back when the block ends without an exception.  Changing the same entry
        inside raises `NestedEdit`; an absent entry without a default raises `KeyMissing`.
        """
        return Edit(self._item, self._overlay, self._storage_key(key), key)

    def _storage_key(self, key: Any) -> bytes:
        """`Map.storage_key`; in one step for accounts and hashes, and none for the last one."""
        # An entry is mostly read and then written under the same object.
        if key is self._last_key:
            return self._last_storage_key
        # Nothing but bytes: other types of the same length would not be checked.
        if type(key) is not bytes or len(key) != self._key_bytes:
            return self._item.storage_key(key)
        self._last_key = key
        self._last_storage_key = storage_key = self._key_head + key
        return storage_key


class Edit(Generic[V]):
    """A copy of a mutable entry, written back on success."""

    __slots__ = ("_item", "_key", "_overlay", "_storage_key", "_value")
    _value: V

    def __init__(
        self, item: Value[V] | Map[Any, V], overlay: Overlay, storage_key: bytes, key: Any = None
    ) -> None:
        if not item.codec.mutable:
            raise DefinitionError(
                f"{item.place} holds {item.codec.describe()}, which cannot change in place.",
                remedy="Assign a new value, or store a dataclass that is not frozen.",
            )
        self._item = item
        self._overlay = overlay
        self._storage_key = storage_key
        self._key = key

    def __enter__(self) -> V:
        self._overlay.open_edit(self._storage_key)
        try:
            self._value = _read(self._item, self._overlay, self._storage_key, self._key)
        except BaseException:
            self._overlay.close_edit(self._storage_key)
            raise
        return self._value

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._overlay.close_edit(self._storage_key)
        if kind is None:
            self._overlay.write(self._storage_key, self._item.codec.to_plain(self._value))


def _read(item: Value[V] | Map[Any, V], overlay: Overlay, storage_key: bytes, key: Any) -> V:
    plain = overlay.read(storage_key, item.load)
    if plain is ABSENT:
        plain = item.default_plain
        if plain is ABSENT:
            raise _key_missing(item, key)
    return item.codec.restore(plain)


def _translate(
    item: Value[V] | Map[Any, V],
    overlay: Overlay,
    storage_key: bytes,
    old: Codec[Any],
    convert: Callable[[Any], V | None],
) -> None:
    plain = overlay.read(storage_key, lambda encoded: _checked(item.place, old, encoded))
    if plain is ABSENT:
        return
    new = convert(old.restore(plain))
    overlay.write(storage_key, ABSENT if new is None else item.codec.to_plain(new))


def _checked(place: Place, codec: Codec[Any], encoded: bytes) -> Plain:
    try:
        return codec.check(parse(encoded))
    except DecodeError as error:
        # The bytes are ours: a call must not fail where another node's succeeds.
        message = f"The stored {place} does not decode: {error.message}"
        remedy = "Restore the data directory, or register the migration that is missing."
        raise InvariantViolation(message, remedy=remedy) from error


def _key_missing(item: Value[Any] | Map[Any, Any], key: Any) -> KeyMissing:
    message = f"{item.place} has no entry for {_describe_key(key)}."
    return KeyMissing(message, remedy="Check the identifier.")


def _describe_key(key: Any) -> str:
    if isinstance(key, bytes):
        return key.hex()
    if isinstance(key, tuple):
        return f"({', '.join(map(_describe_key, key))})"
    return str(key)


def _unbound(place: Place) -> DefinitionError:
    return DefinitionError(
        f"{place} is used on a pallet that is in no runtime.",
        remedy="Compose it first: Runtime(System(), ..., spec_version=1, name='test').",
    )


def _type_arguments(item: object, place: Place, example: str) -> tuple[Any, ...]:
    # typing notes the `[...]` of a generic's instance here once it is constructed.
    arguments = get_args(getattr(item, "__orig_class__", None))
    if not arguments:
        remedy = f"Write {place.item} = {example}."
        raise DefinitionError(f"{place} has no types.", remedy=remedy)
    return arguments


def _bounded_codec(place: Place, annotation: Any) -> Codec[Any]:
    try:
        codec: Codec[Any] = codec_of(annotation)
    except DefinitionError as error:
        raise DefinitionError(f"{place}: {error.message}", remedy=error.remedy) from error
    return codec


def _value_codec(place: Place, annotation: Any) -> Codec[Any]:
    codec = _bounded_codec(place, annotation)
    if codec.max_bytes > VALUE_BYTES_MAX:
        message = f"{place} may take {codec.max_bytes} bytes a value."
        remedy = f"Lower its bounds to {VALUE_BYTES_MAX} bytes: store a hash or several entries."
        raise DefinitionError(message, remedy=remedy)
    return codec


def _key_codec(place: Place, annotation: Any) -> Codec[Any]:
    codec = _bounded_codec(place, annotation)
    if codec.mutable:
        message = f"{place} has a mutable dataclass as its key."
        raise DefinitionError(message, remedy="Add frozen=True to the dataclass.")
    if PREFIX_BYTES + codec.max_bytes > KEY_BYTES_MAX:
        message = f"{place} may take {codec.max_bytes} bytes a key."
        raise DefinitionError(message, remedy="Use a hash or a counter as the key.")
    return codec


def _default_plain(place: Place, codec: Codec[Any], default: Any) -> Plain:
    try:
        return codec.to_plain(default)
    except DispatchError as error:
        message = f"The default of {place} is out of bounds: {error.message}"
        raise DefinitionError(message, remedy="Give a default within the type's bounds.") from error
