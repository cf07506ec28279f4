"""Token buckets: how much of something a peer may do, at once and in the long run."""

from __future__ import annotations

from collections import OrderedDict

from node.p2p.addresses import household
from node.p2p.limits import LaneLimits, Rate


class TokenBucket:
    """Begins full; `now_s` may be of any clock that does not go backwards."""

    __slots__ = ("_at_s", "_rate", "_tokens")

    def __init__(self, rate: Rate, now_s: float) -> None:
        self._rate = rate
        self._tokens = rate.burst
        self._at_s = now_s

    def spend(self, count: float, now_s: float) -> float:
        """Take `count` tokens, even if they are not there; returns seconds until they are."""
        self._refill(now_s)
        self._tokens -= count
        return max(0.0, -self._tokens / self._rate.per_second)

    def has(self, count: float, now_s: float) -> bool:
        """Whether there are `count` tokens, or as many as there can be."""
        self._refill(now_s)
        return self._tokens >= min(count, self._rate.burst)

    def _refill(self, now_s: float) -> None:
        refilled = self._tokens + (now_s - self._at_s) * self._rate.per_second
        self._tokens = min(self._rate.burst, refilled)
        self._at_s = now_s


class LaneAllowance:
    """What one peer may still send in one lane, or a part of that: messages and bytes."""

    __slots__ = ("_bytes", "_messages")

    def __init__(self, limits: LaneLimits, now_s: float, part: float = 1.0) -> None:
        self._messages = TokenBucket(limits.messages.times(part), now_s)
        self._bytes = TokenBucket(limits.bytes.times(part), now_s)

    def has(self, messages: int, size_bytes: int, now_s: float) -> bool:
        """Whether so much may be received now."""
        return self._messages.has(messages, now_s) and self._bytes.has(size_bytes, now_s)

    def spend(self, messages: int, size_bytes: int, now_s: float) -> float:
        """Take so much; returns the seconds to wait before more is read."""
        return max(self._messages.spend(messages, now_s), self._bytes.spend(size_bytes, now_s))


class ArrivalRates:
    """A bucket for each IP address that connections come from, the latest `count_max` of them."""

    def __init__(self, rate: Rate, count_max: int) -> None:
        self._rate = rate
        self._count_max = count_max
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def allows(self, ip: str, now_s: float) -> bool:
        """Whether one more connection may come from `ip` now; it counts if so."""
        place = household(ip)
        bucket = self._buckets.pop(place, None) or TokenBucket(self._rate, now_s)
        self._buckets[place] = bucket
        if len(self._buckets) > self._count_max:
            self._buckets.popitem(last=False)
        if not bucket.has(1, now_s):
            return False
        bucket.spend(1, now_s)
        return True
