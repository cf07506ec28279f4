"""What one executor remembers of the state between blocks: decoded values of recently used keys.

Reading a value costs a look-up in LevelDB, decoding and checking; a chain reads mostly what the
blocks before it touched.  The executor alone may use a cache, because it alone knows when the state
changes: after each commit it hands over what the block changed.  What is not here is read from the
store, so dropping everything is always right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.cbor import Plain
from runtime.overlay import StateReader

ENTRIES_MAX = 262_144
"""How many values are remembered; with one more all are forgotten."""


class CachedState:
    """A state as `Runtime.execute` reads it, with values remembered; one thread at a time."""

    def __init__(self, state: StateReader) -> None:
        self._state = state
        self.plain: dict[bytes, Any] = {}
        """Plain data by storage key, as codecs check it; `ABSENT` for a key without a value."""

    def get(self, key: bytes, /) -> bytes | None:
        """The encoded value of a storage key, or None."""
        return self._state.get(key)

    def keys(self, prefix: bytes, after: bytes | None, limit: int) -> list[bytes]:
        """As `Store.keys`."""
        found: list[bytes] = self._state.keys(prefix, after, limit)  # type: ignore[attr-defined] # a store; dictionaries are never migrated
        return found

    def advance(self, changed: Mapping[bytes, Plain]) -> None:
        """Note that the state has the changes of a block: their plain data by key."""
        if len(self.plain) + len(changed) > ENTRIES_MAX:
            self.plain.clear()
        self.plain.update(changed)
