"""A state in memory: what dry runs and tests execute blocks on."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping


class MemoryState:
    """Encoded values by storage key, with the keys in order."""

    def __init__(self, values: Mapping[bytes, bytes]) -> None:
        self.values = dict(values)
        self._keys: list[bytes] | None = None

    def get(self, key: bytes, /) -> bytes | None:
        """The encoded value of a storage key, or None."""
        return self.values.get(key)

    def keys(self, prefix: bytes, after: bytes | None, limit: int) -> list[bytes]:
        """The first `limit` keys with `prefix` that follow `after`, in order."""
        if self._keys is None:
            self._keys = sorted(self.values)
        start = bisect_left(self._keys, prefix)
        if after is not None:
            start = max(start, bisect_right(self._keys, after))
        found = self._keys[start : start + limit]
        return [key for key in found if key.startswith(prefix)]

    def apply(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Take over the changes of a block."""
        for key, value in changes.items():
            if value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = value
        self._keys = None
