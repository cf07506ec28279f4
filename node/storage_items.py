"""Storage items by their names: their keys in the store, and how much of it they take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from node.errors import ClientError
from runtime.executive import Runtime
from runtime.state.store import Store
from runtime.storage import PREFIX_BYTES, StorageItem, Value

UNKNOWN_ITEM = "(unknown)"
"""Where entries are counted whose prefix the head's spec version does not have."""


@dataclass(slots=True)
class ItemStats:
    """How much of the state one storage item takes."""

    item: str
    entries: int = 0
    key_bytes: int = 0
    value_bytes: int = 0
    largest_value_bytes: int = 0


def find_item(runtime: Runtime, pallet: str, item: str) -> StorageItem:
    """What a storage item is; raises `ClientError` for a name that the runtime lacks."""
    known = runtime.pallets.get(pallet)
    storage = {} if known is None else known.definition.storage
    if item not in storage:
        names = ", ".join(storage) or ", ".join(runtime.pallets)
        message = f"The runtime has no storage item {pallet}.{item}."
        raise ClientError(message, remedy=f"Choose one of {names}.")
    declared: StorageItem = storage[item]
    return declared


def storage_key_of(declared: StorageItem, parts: Sequence[Any]) -> bytes:
    """The storage key of an item and its typed key parts."""
    if isinstance(declared, Value):
        return declared.prefix
    return declared.storage_key(parts[0] if len(parts) == 1 else tuple(parts))


def item_stats(store: Store, names: Mapping[bytes, str]) -> list[ItemStats]:
    """Entries and bytes of each storage item that has any, by its prefix; the largest first."""
    found: dict[str, ItemStats] = {}
    for key, value in store.freeze().values():
        name = names.get(key[:PREFIX_BYTES], UNKNOWN_ITEM)
        stats = found.setdefault(name, ItemStats(name))
        stats.entries += 1
        stats.key_bytes += len(key)
        stats.value_bytes += len(value)
        stats.largest_value_bytes = max(stats.largest_value_bytes, len(value))
    return sorted(found.values(), key=lambda each: (-each.value_bytes - each.key_bytes, each.item))


def entries(store: Store, prefix: bytes, limit: int) -> Iterator[tuple[bytes, bytes]]:
    """Up to `limit` keys with a prefix and their values, in the order of the keys."""
    after: bytes | None = None
    while limit > 0 and (keys := store.keys(prefix, after, limit)):
        for key in keys:
            yield key, store.get(key) or b""
        after, limit = keys[-1], limit - len(keys)
