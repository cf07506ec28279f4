"""Which gossip was seen lately: two generations of hashes, of this period and of the last."""

from __future__ import annotations

from hashlib import blake2b

HASH_BYTES = 16


class SeenMessages:
    """Remembers a message for one to two periods, or less while many arrive."""

    def __init__(self, count_max: int, period_s: float, now_s: float) -> None:
        self._count_max = count_max
        self._period_s = period_s
        self._since_s = now_s
        self._now: set[bytes] = set()
        self._before: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._now) + len(self._before)

    def add(self, kind: int, payload: bytes, now_s: float) -> bool:
        """Remember a message; whether it is new."""
        if now_s - self._since_s > self._period_s or len(self._now) >= self._count_max:
            self._before, self._now = self._now, set()
            self._since_s = now_s
        digest = blake2b(payload, digest_size=HASH_BYTES, salt=bytes([kind])).digest()
        if digest in self._now or digest in self._before:
            return False
        self._now.add(digest)
        return True
