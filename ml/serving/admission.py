"""The way of requests to a slot: waiting in turns, then with their adapter in memory.

    submit -> waiting (a queue for each adapter) -> loader -> ready -> batch

Adapters take turns, so that a crowd that asks one adapter does not keep the others waiting.  Only
as many requests are ready as may soon run: the fair order is decided late, and what is pinned stays
small.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass

from ml.serving.errors import EngineStopped, QueueFull
from ml.serving.ticket import Ticket


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How many requests wait at most."""

    waiting_max: int
    waiting_per_adapter_max: int
    ready_max: int


class Admission:
    """Requests that do not run yet; threads share it."""

    def __init__(self, limits: QueueLimits) -> None:
        """Nobody waits."""
        self._limits = limits
        self._waiting: OrderedDict[bytes | None, deque[Ticket]] = OrderedDict()
        self._waiting_count = 0
        self._loading_count = 0
        self._ready: deque[Ticket] = deque()
        self._closed = False
        self._changed = threading.Condition()

    @property
    def waiting_count(self) -> int:
        """Requests that are not ready."""
        return self._waiting_count + self._loading_count

    @property
    def ready_count(self) -> int:
        """Requests whose adapter is in memory."""
        return len(self._ready)

    def put(self, ticket: Ticket) -> None:
        """Queue a request; raises `QueueFull` and `EngineStopped`."""
        key = ticket.request.adapter_key
        with self._changed:
            if self._closed:
                raise EngineStopped("The engine was stopped.", remedy="Ask another server.")
            if self._is_full(key):
                self._drop_cancelled()
            if self._is_full(key):
                raise QueueFull(
                    f"{self._waiting_count} requests are waiting for a place, "
                    f"{len(self._waiting.get(key, ()))} of them for this adapter.",
                    remedy="Try again in a moment.",
                )
            self._waiting.setdefault(key, deque()).append(ticket)
            self._waiting_count += 1
            self._changed.notify_all()

    def next_to_load(self) -> Ticket | None:
        """Wait for the next request in turn; None once closed (the loader's end)."""
        with self._changed:
            while True:
                if self._closed:
                    return None
                if self._waiting and len(self._ready) < self._limits.ready_max:
                    self._loading_count = 1
                    return self._take_next()
                self._changed.wait()

    def finish_load(self, ticket: Ticket) -> bool:
        """Let a request run whose adapter is in memory, unless it failed; False once closed."""
        with self._changed:
            self._loading_count = 0
            self._changed.notify_all()
            if self._closed:
                return False
            if not ticket.closed:
                self._ready.append(ticket)
            return True

    def take_ready(self) -> Ticket | None:
        """The next request that may run, or None (the batch's end)."""
        with self._changed:
            ticket = self._ready.popleft() if self._ready else None
            self._changed.notify_all()
            return ticket

    def put_back(self, ticket: Ticket) -> None:
        """Let a request that found no room be the next again (the batch's end)."""
        with self._changed:
            self._ready.appendleft(ticket)

    def wait_for_ready(self) -> bool:
        """Wait while requests are loading and none is ready; returns whether one is."""
        with self._changed:
            while not self._ready and (self._waiting or self._loading_count):
                self._changed.wait()
            return bool(self._ready)

    def wait_for_any(self, *, busy: bool) -> bool:
        """Wait until a request is ready, unless the batch is `busy`; returns False once closed."""
        with self._changed:
            while not (busy or self._ready or self._closed):
                self._changed.wait()
            return not self._closed

    def close(self) -> list[Ticket]:
        """Take no more requests; returns those that never ran."""
        with self._changed:
            self._closed = True
            left = [*self._ready, *(each for own in self._waiting.values() for each in own)]
            self._ready.clear()
            self._waiting.clear()
            self._waiting_count = 0
            self._changed.notify_all()
            return left

    def _is_full(self, key: bytes | None) -> bool:
        own = len(self._waiting.get(key, ()))
        return (
            self._waiting_count >= self._limits.waiting_max
            or own >= self._limits.waiting_per_adapter_max
        )

    def _take_next(self) -> Ticket:
        """The oldest request of the adapter whose turn it is, which goes to the end of the line."""
        key, own = self._waiting.popitem(last=False)
        ticket = own.popleft()
        self._waiting_count -= 1
        if own:
            self._waiting[key] = own
        return ticket

    def _drop_cancelled(self) -> None:
        for key in list(self._waiting):
            own = deque(each for each in self._waiting[key] if not each.cancelled)
            self._waiting_count -= len(self._waiting[key]) - len(own)
            if own:
                self._waiting[key] = own
            else:
                del self._waiting[key]
