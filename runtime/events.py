"""Events: what happened in a block, for whoever watches it.

An event is a frozen dataclass nested in its pallet.  It encodes as
[extrinsic index or null, pallet index, event index, [fields]]; a block's events are the array of
those encodings, and its `events_root` is their Merkle list (`runtime.outcome`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, dataclass_transform

from runtime.block import BLOCK_EVENTS_MAX, BLOCK_EXTRINSICS_MAX
from runtime.cbor import Plain, array_head, decode, encode_integer, encode_plain
from runtime.codec import RecordCodec
from runtime.errors import DecodeError

_HEAD = array_head(4)
_NO_EXTRINSIC = encode_plain(None)


@dataclass(frozen=True)
class EventDefinition:
    """What the runtime knows of a pallet's event."""

    pallet: str
    pallet_index: int
    name: str
    index: int
    """Its place among the pallet's events."""
    documentation: str
    codec: RecordCodec[Any]

    @cached_property
    def _place(self) -> bytes:
        """The encoded indices of pallet and event."""
        return encode_integer(self.pallet_index) + encode_integer(self.index)

    def encode(self, extrinsic_index: int | None, event: Event) -> bytes:
        """The canonical bytes of an emitted event; raises `OutOfBounds`."""
        emitter = _NO_EXTRINSIC if extrinsic_index is None else encode_integer(extrinsic_index)
        return _HEAD + emitter + self._place + self.codec.encode(event)


@dataclass_transform(frozen_default=True)
class Event:
    """The base of a pallet's events: `class Transferred(Event): sender: AccountId`."""

    event_definition: ClassVar[EventDefinition]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # Frozen for type checkers only: at run time that would double the cost of an event, and
        # `emit` encodes it.
        dataclass()(cls)


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event of a block; `extrinsic_index` is None for the block's own hooks."""

    extrinsic_index: int | None
    pallet: str
    name: str
    fields: Mapping[str, Any]


class EventCodec:
    """The encoding of every event of one runtime."""

    def __init__(self, definitions: Iterable[EventDefinition]) -> None:
        self._by_index: dict[tuple[int, int], EventDefinition] = {}
        self._by_name: dict[tuple[str, str], EventDefinition] = {}
        for definition in definitions:
            self._by_index[definition.pallet_index, definition.index] = definition
            self._by_name[definition.pallet, definition.name] = definition

    def encode(self, records: Iterable[EventRecord]) -> tuple[bytes, ...]:
        """Return each record's canonical bytes: the leaves of the events root."""
        return tuple([encode_plain(self._to_plain(record)) for record in records])

    def decode(self, data: bytes) -> tuple[EventRecord, ...]:
        """Return the records of `join`ed encodings; raises `DecodeError`."""
        items = decode(data)
        if type(items) is not list or len(items) > BLOCK_EVENTS_MAX:
            message = f"A block's events are an array of at most {BLOCK_EVENTS_MAX} encodings."
            raise DecodeError(message, remedy="Ask the node for the events again.")
        return self.records(items)

    def records(self, encodings: Iterable[Any]) -> tuple[EventRecord, ...]:
        """Return the records of encoded events; raises `DecodeError`."""
        return tuple(map(self._from_bytes, encodings))

    def _to_plain(self, record: EventRecord) -> Plain:
        definition = self._by_name[record.pallet, record.name]
        fields = [
            item.to_plain(record.fields[name]) for name, item in definition.codec.items.items()
        ]
        return (record.extrinsic_index, definition.pallet_index, definition.index, fields)

    def _from_bytes(self, data: Any) -> EventRecord:
        plain = decode(data) if type(data) is bytes else None
        if type(plain) is not list or len(plain) != 4 or not _is_index(plain[0]):
            message = "An event is [extrinsic index, pallet index, event index, [fields]]."
            raise DecodeError(message, remedy="Ask the node for the events again.")
        extrinsic_index, *place, fields = plain
        definition = self._definition(place)
        values = definition.codec.restore_fields(definition.codec.check(fields))
        return EventRecord(
            extrinsic_index,
            definition.pallet,
            definition.name,
            dict(zip(definition.codec.items, values, strict=True)),
        )

    def _definition(self, place: list[Any]) -> EventDefinition:
        pallet_index, index = place
        if type(pallet_index) is int and type(index) is int:
            definition = self._by_index.get((pallet_index, index))
            if definition is not None:
                return definition
        message = f"There is no event {index} in a pallet {pallet_index}."
        raise DecodeError(message, remedy="Use the metadata of the block's spec version.")


def join(encodings: Iterable[bytes]) -> bytes:
    """Return the array of encodings, as the store keeps a block's events."""
    return encode_plain(tuple(encodings))


def _is_index(plain: Plain) -> bool:
    return plain is None or (type(plain) is int and 0 <= plain < BLOCK_EXTRINSICS_MAX)
