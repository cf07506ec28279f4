"""`SpecDecoder`: what one spec version's metadata say of bytes; its code need not be here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from node.chain_client.notation import check_name
from node.errors import ClientError
from node.history.codecs import codec_of_notation, record_codec
from node.json_values import to_json
from node.map_keys import decode_map_key
from runtime.calls import CallCodec, CallDefinition, RuntimeCall, holds_calls
from runtime.codec import Codec, RecordCodec, TupleCodec
from runtime.errors import DefinitionError
from runtime.events import EventCodec, EventDefinition, EventRecord
from runtime.extrinsic import (
    CheckedExtrinsic,
    CheckedInherent,
    check_inherent,
    is_inherent,
    open_extrinsic,
)
from runtime.hashing import ZERO_HASH
from runtime.storage import PREFIX_BYTES, storage_key
from runtime.types import Marker, Track
from runtime.weights import Weight


@dataclass(frozen=True, slots=True)
class StoredItem:
    """A storage item as one spec version has it."""

    pallet: str
    name: str
    prefix: bytes
    key_codec: Codec[Any] | None
    """None: it is one value, not a map."""
    codec: Codec[Any]

    def __str__(self) -> str:
        return f"{self.pallet}.{self.name}"

    @property
    def key_codecs(self) -> tuple[Codec[Any], ...]:
        """The codecs of the parts of a map's key; none for a value."""
        if self.key_codec is None:
            return ()
        codec = self.key_codec
        return codec.items if isinstance(codec, TupleCodec) else (codec,)

    def storage_key(self, *parts: Any) -> bytes:
        """The storage key of an entry; raises `OutOfBounds`."""
        plain = [codec.to_plain(part) for codec, part in zip(self.key_codecs, parts, strict=True)]
        return storage_key(self.pallet, self.name, *plain)

    def key_of(self, key: bytes) -> Any:
        """The key of a map's entry out of its storage key; raises `DecodeError`."""
        return (
            None if self.key_codec is None else decode_map_key(self.key_codec, key[PREFIX_BYTES:])
        )


class SpecDecoder:
    """Decodes extrinsics, events and storage of one spec version; any thread may use it."""

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        """Read the metadata; raises `ClientError` for what are none."""
        try:
            self.spec_version = int(metadata["spec_version"])
            pallets = metadata["pallets"]
            definitions = tuple(_calls(pallets))
            self.call_definitions: Mapping[str, CallDefinition] = {
                str(call): call for call in definitions
            }
            """The calls by `Pallet.name`."""
            self.calls = CallCodec(
                {(call.pallet_index, call.index): call for call in definitions},
                self.spec_version,
            )
            self.events: Mapping[tuple[str, str], EventDefinition] = {
                (event.pallet, event.name): event for event in _events(pallets)
            }
            self.items: Mapping[str, Mapping[str, StoredItem]] = {
                pallet["name"]: {item.name: item for item in _items(pallet)} for pallet in pallets
            }
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            message = f"These are not the metadata of a runtime ({type(error).__name__})."
            raise ClientError(message, remedy="Give what state_getMetadata answers.") from error
        self._event_codec = EventCodec(self.events.values())

    def decode_events(self, encoded: bytes) -> tuple[EventRecord, ...]:
        """The events of a block; raises `DecodeError`."""
        return self._event_codec.decode(encoded)

    def decode_extrinsic(self, raw: bytes) -> CheckedExtrinsic | CheckedInherent:
        """An extrinsic or inherent of a finalised block; its signature is not verified again.

        Raises `DecodeError` or `InvalidTransaction`.
        """
        if is_inherent(raw):
            return check_inherent(raw, self.calls)
        # The genesis hash matters to the signature only.
        return open_extrinsic(raw, ZERO_HASH, self.calls)[0]

    def item(self, pallet: str, item: str) -> StoredItem:
        """A storage item by its names; raises `ClientError`."""
        known = self.items.get(pallet, {})
        if item not in known:
            names = ", ".join(known) or ", ".join(self.items)
            message = f"Spec version {self.spec_version} has no storage item {pallet}.{item}."
            raise ClientError(message, remedy=f"Choose one of {names}.")
        return known[item]

    def names_by_prefix(self) -> dict[bytes, str]:
        """`Pallet.item` of every storage item."""
        return {item.prefix: str(item) for items in self.items.values() for item in items.values()}

    def to_json(self, value: Any) -> Any:
        """What was decoded as JSON can hold it; held calls are told by their names."""
        return to_json(value, self.calls)


def _no_code(*_arguments: Any) -> NoReturn:
    message = "Metadata tell what a call of another spec version says, and not what it does."
    raise DefinitionError(message, remedy="Run the version of OpenLedger that has this call.")


def _calls(pallets: list[Any]) -> Iterator[CallDefinition]:
    for pallet in pallets:
        for call in pallet["calls"]:
            codec = record_codec("Call", _fields(call["arguments"]), (RuntimeCall,))
            definition = CallDefinition(
                pallet=str(pallet["name"]),
                pallet_index=int(pallet["index"]),
                name=str(call["name"]),
                index=int(call["index"]),
                weight=Weight(**call["weight"]) if call["weight"] else _no_code,
                operational=bool(call["operational"]),
                origin=_origin(call["origin"]),
                documentation=str(call["documentation"]),
                function=_no_code,
                arguments=codec,
                holds_calls=any(map(holds_calls, codec.items.values())),
            )
            codec.record.call_definition = definition
            yield definition


def _events(pallets: list[Any]) -> Iterator[EventDefinition]:
    for pallet in pallets:
        for event in pallet["events"]:
            codec: RecordCodec[Any] = record_codec(
                check_name(event["name"]), _fields(event["fields"])
            )
            yield EventDefinition(
                pallet=str(pallet["name"]),
                pallet_index=int(pallet["index"]),
                name=str(event["name"]),
                index=int(event["index"]),
                documentation=str(event["documentation"]),
                codec=codec,
            )


def _items(pallet: Mapping[str, Any]) -> Iterator[StoredItem]:
    for item in pallet["storage"]:
        key = item.get("key")
        yield StoredItem(
            pallet=str(pallet["name"]),
            name=str(item["name"]),
            prefix=bytes.fromhex(item["prefix"]),
            key_codec=None if key is None else codec_of_notation(key),
            codec=codec_of_notation(item["type"]),
        )


def _fields(described: list[Any]) -> dict[str, Codec[Any]]:
    return {check_name(each["name"]): codec_of_notation(each["type"]) for each in described}


def _origin(named: str) -> Marker | Track:
    kind, _, track = str(named).partition(" ")
    return Track(track) if kind == "track" else Marker(kind)
