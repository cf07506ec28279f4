"""What waits for the engine: the node's own events first, then the peers' messages."""

from __future__ import annotations

from collections import Counter, deque

import trio

from consensus.engine import Event, MessageReceived

MESSAGES_MAX = 4_096
"""Messages that wait; more are dropped, and sent again by the protocol (R4)."""
MESSAGES_PER_PEER_MAX = 512
"""Of one peer: who floods crowds out itself."""


class Inbox:
    """Two queues that one task takes from."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._messages: deque[MessageReceived] = deque()
        self._counts: Counter[bytes] = Counter()
        self._arrived = trio.Event()

    def put(self, event: Event) -> None:
        """Add an event of the node's own; there are as many as tasks and timers."""
        self._events.append(event)
        self._arrived.set()

    def put_message(self, message: MessageReceived) -> None:
        """Add a message of a peer, unless too many wait."""
        waiting = self._counts[message.peer]
        if len(self._messages) < MESSAGES_MAX and waiting < MESSAGES_PER_PEER_MAX:
            self._messages.append(message)
            self._counts[message.peer] = waiting + 1
            self._arrived.set()

    async def get(self) -> Event:
        """Wait for the next event."""
        while not (self._events or self._messages):
            self._arrived = trio.Event()
            await self._arrived.wait()
        # A checkpoint even if something waits: the other tasks must have their turn.
        await trio.lowlevel.checkpoint()
        if self._events:
            return self._events.popleft()
        message = self._messages.popleft()
        self._counts[message.peer] -= 1
        if not self._counts[message.peer]:
            del self._counts[message.peer]
        return message
