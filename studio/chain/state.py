"""`State`: the chain's storage at the head, decoded by the metadata; no pallet's code is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from node.history.decoder import SpecDecoder, StoredItem
from studio.chain.socket import NodeSocket

VALUES_MAX = 20_000
"""How many values of one head are kept for other pages and tabs."""
ENTRIES_MAX = 10_000
KEYS_PER_REQUEST = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """A map's entry: its storage key, its key and its value."""

    storage_key: bytes
    key: tuple[Any, ...]
    value: Any


class State:
    """What the node's storage says, each key asked for once a head."""

    def __init__(self, socket: NodeSocket, metadata: Mapping[str, Any]) -> None:
        self.metadata = metadata
        self.decoder = SpecDecoder(metadata)
        self.pallets: Mapping[str, Any] = {each["name"]: each for each in metadata["pallets"]}
        self._socket = socket
        self._values: dict[bytes, bytes | None] = {}
        self._defaults = {
            (pallet["name"], item["name"]): item.get("default")
            for pallet in metadata["pallets"]
            for item in pallet["storage"]
        }

    def forget(self) -> None:
        """There is another head; whoever reads now keeps what it has."""
        self._values = {}

    def has(self, pallet: str, item: str) -> bool:
        """Whether the runtime has a storage item."""
        return item in self.decoder.items.get(pallet, {})

    async def read(self, pallet: str, item: str, *key: Any) -> Any:
        """A value, or the entry of a key; its default, or None, where nothing is stored.

        None, too, where the runtime has no such item: chains are composed of different pallets.
        """
        return (await self.read_many(pallet, item, [key]))[0]

    async def read_many(self, pallet: str, item: str, keys: Sequence[Sequence[Any]]) -> list[Any]:
        """The values of several keys, in their order."""
        if not self.has(pallet, item):
            return [None] * len(keys)
        stored = self.decoder.item(pallet, item)
        storage_keys = [stored.storage_key(*key) for key in keys]
        values = await self._fetch(storage_keys)
        return [self._decoded(stored, values[key]) for key in storage_keys]

    async def page(
        self, pallet: str, item: str, count: int, after: bytes | None = None, prefix: bytes = b""
    ) -> list[Entry]:
        """Some entries of a map in the order of their storage keys, behind the key `after`.

        `prefix` are the bytes with which the keys go on behind the item's own.
        """
        stored = self.decoder.item(pallet, item)
        start = stored.prefix + prefix
        digits = None if after is None else after.hex()
        answer = await self._socket.call("state_getKeysPaged", start.hex(), count, digits)
        keys = [bytes.fromhex(each) for each in answer]
        values = await self._fetch(keys)
        return [
            Entry(key, _parts(stored.key_of(key)), self._decoded(stored, value))
            for key, value in values.items()
            # An entry can be gone between the two requests.
            if value is not None
        ]

    async def entries(
        self, pallet: str, item: str, count_max: int = ENTRIES_MAX, prefix: bytes = b""
    ) -> list[Entry]:
        """All entries of a map, or those whose keys begin so, up to a number."""
        if not self.has(pallet, item):
            return []
        found: list[Entry] = []
        after: bytes | None = None
        while len(found) < count_max:
            page = await self.page(pallet, item, min(KEYS_PER_REQUEST, count_max), after, prefix)
            found.extend(page)
            if len(page) < KEYS_PER_REQUEST:
                break
            after = page[-1].storage_key
        return found[:count_max]

    def describe(self, storage_key: bytes) -> tuple[str, Any]:
        """The item of a storage key as `Pallet.item`, and the entry's key as JSON."""
        for items in self.decoder.items.values():
            for stored in items.values():
                if storage_key.startswith(stored.prefix):
                    return str(stored), self.decoder.to_json(stored.key_of(storage_key))
        return "unknown", storage_key.hex()

    def type_of(self, storage_key: bytes) -> str | None:
        """The type of what is stored under a key, in the metadata's notation."""
        pallet, _, item = self.describe(storage_key)[0].partition(".")
        for each in self.pallets.get(pallet, {"storage": []})["storage"]:
            if each["name"] == item:
                return str(each["type"])
        return None

    def decode(self, storage_key: bytes, value: bytes | None) -> Any:
        """A stored value as JSON; None where there is none."""
        if value is None:
            return None
        name, _key = self.describe(storage_key)
        if name == "unknown":
            return value.hex()
        pallet, _, item = name.partition(".")
        return self.decoder.to_json(self.decoder.item(pallet, item).codec.decode(value))

    async def _fetch(self, keys: Sequence[bytes]) -> dict[bytes, bytes | None]:
        known = self._values
        missing = [key for key in dict.fromkeys(keys) if key not in known]
        if missing:
            answers = await self._socket.call_many(
                "state_getStorage", [[key.hex()] for key in missing]
            )
            if len(known) + len(missing) > VALUES_MAX:
                self._values = known = {key: known[key] for key in keys if key in known}
            for key, answer in zip(missing, answers, strict=True):
                known[key] = None if answer is None else bytes.fromhex(answer)
        return {key: known[key] for key in keys}

    def _decoded(self, stored: StoredItem, value: bytes | None) -> Any:
        if value is not None:
            return stored.codec.decode(value)
        default = self._defaults[stored.pallet, stored.name]
        return None if default is None else stored.codec.restore(_plain(default))


def _plain(value: Any) -> Any:
    """Arrays of JSON as the codecs have them."""
    return tuple(map(_plain, value)) if isinstance(value, list) else value


def _parts(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)
