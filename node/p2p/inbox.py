"""What a peer has sent in one lane, until whoever handles it has time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import trio

from node.p2p.messages import Message


class Inbox:
    """A queue with one writer and one reader, bounded by messages and bytes.

    What the reader has taken counts until it takes more: it is still being handled.
    """

    def __init__(self, messages_max: int, bytes_max: int) -> None:
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._waiting: deque[Message] = deque()
        self._waiting_bytes = 0
        self._taken = 0
        self._taken_bytes = 0
        self._arrived = trio.Event()
        self._emptied = trio.Event()

    @property
    def is_full(self) -> bool:
        """Whether whoever puts in more has to wait, or to drop."""
        return (
            len(self._waiting) + self._taken >= self._messages_max
            or self._waiting_bytes + self._taken_bytes >= self._bytes_max
        )

    async def put(self, messages: Sequence[Message]) -> None:
        """Put messages in, each when there is room."""
        for message in messages:
            while self.is_full:
                self._emptied = trio.Event()
                await self._emptied.wait()
            self._add(message)

    def force(self, messages: Sequence[Message]) -> int:
        """Put messages in at once; the oldest that wait give way.  Returns how many."""
        dropped = 0
        for message in messages:
            while self.is_full and self._waiting:
                self._waiting_bytes -= len(self._waiting.popleft().payload)
                dropped += 1
            self._add(message)
        return dropped

    async def take(self) -> list[Message]:
        """All messages that wait, when there are any; those taken before are done with."""
        self._taken = self._taken_bytes = 0
        self._emptied.set()
        while not self._waiting:
            self._arrived = trio.Event()
            await self._arrived.wait()
        taken = list(self._waiting)
        self._taken, self._taken_bytes = len(taken), self._waiting_bytes
        self._waiting.clear()
        self._waiting_bytes = 0
        return taken

    def _add(self, message: Message) -> None:
        self._waiting.append(message)
        self._waiting_bytes += len(message.payload)
        self._arrived.set()
