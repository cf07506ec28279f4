"""What waits to be sent to one peer: a queue for each lane, and frames filled in their order.

While a frame is on its way, what is sent meanwhile gathers here, and leaves together in the next
one: that is 30 times cheaper than a frame a message.  Lanes go strictly in their order.  A frame is
filled up to 64 KiB, so that no vote waits for more than that of a block.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from node.p2p.kinds import LANES, Lane
from node.p2p.limits import KIB, LaneLimits
from node.p2p.messages import HEAD_BYTES, PIECE_BYTES_MIN, Message, encode_piece

FRAME_BYTES_TARGET = 64 * KIB
WHOLE_BYTES_MAX = 8 * KIB
"""A message up to this size is one piece, encoded once for all the peers that it goes to."""


class Parcel:
    """A message on its way; the same may be in the outboxes of many peers."""

    __slots__ = ("encoded", "lane", "message", "size_bytes")

    def __init__(self, message: Message) -> None:
        size_bytes = len(message.payload)
        self.message = message
        self.lane = LANES[message.kind]
        self.size_bytes = HEAD_BYTES + size_bytes
        self.encoded = (
            encode_piece(message, 0, size_bytes) if size_bytes <= WHOLE_BYTES_MAX else None
        )


class _Queue:
    __slots__ = ("limits", "parcels", "sent_bytes", "size_bytes")

    def __init__(self, limits: LaneLimits) -> None:
        self.limits = limits
        self.parcels: deque[Parcel] = deque()
        self.size_bytes = 0
        self.sent_bytes = 0
        """Of the payload of the first parcel."""

    def has_room(self, parcel: Parcel) -> bool:
        if not self.parcels:
            return True
        return (
            len(self.parcels) < self.limits.outbox_messages_max
            and self.size_bytes + parcel.size_bytes <= self.limits.outbox_bytes_max
        )

    def add(self, parcel: Parcel) -> None:
        self.parcels.append(parcel)
        self.size_bytes += parcel.size_bytes

    def drop_oldest(self) -> bool:
        """Drop the first parcel of which nothing is sent; whether there was one."""
        index = 1 if self.sent_bytes else 0
        if index >= len(self.parcels):
            return False
        self.size_bytes -= self.parcels[index].size_bytes
        del self.parcels[index]
        return True

    def take(self, room_bytes: int) -> bytes:
        """The next piece of at most `room_bytes`, or nothing if it does not fit."""
        parcel = self.parcels[0]
        if parcel.encoded is not None:
            if len(parcel.encoded) > room_bytes:
                return b""
            self._pop(parcel)
            return parcel.encoded
        left_bytes = len(parcel.message.payload) - self.sent_bytes
        taken_bytes = min(left_bytes, room_bytes - HEAD_BYTES)
        if taken_bytes < min(left_bytes, PIECE_BYTES_MIN):
            return b""
        end = self.sent_bytes + taken_bytes
        piece = encode_piece(parcel.message, self.sent_bytes, end)
        self.sent_bytes = end
        if taken_bytes == left_bytes:
            self._pop(parcel)
        return piece

    def _pop(self, parcel: Parcel) -> None:
        self.parcels.popleft()
        self.size_bytes -= parcel.size_bytes
        self.sent_bytes = 0


class Outbox:
    """The queues of one peer; not safe to share between threads."""

    def __init__(self, limits: Mapping[Lane, LaneLimits]) -> None:
        self._queues = {lane: _Queue(limits[lane]) for lane in Lane}
        self.dropped = 0
        """Gossip that had to make room."""

    def __bool__(self) -> bool:
        return any(queue.parcels for queue in self._queues.values())

    def put(self, parcel: Parcel) -> bool:
        """Queue a parcel; False when its lane is full.  In the gossip lane the oldest give way."""
        queue = self._queues[parcel.lane]
        if parcel.lane is Lane.GOSSIP:
            while not queue.has_room(parcel) and queue.drop_oldest():
                self.dropped += 1
        if not queue.has_room(parcel):
            return False
        queue.add(parcel)
        return True

    def is_empty(self, lane: Lane) -> bool:
        """Whether nothing waits in a lane."""
        return not self._queues[lane].parcels

    def take_frame(self) -> bytes:
        """The content of the next frame; empty when nothing waits."""
        pieces: list[bytes] = []
        room_bytes = FRAME_BYTES_TARGET
        for queue in self._queues.values():
            while queue.parcels:
                piece = queue.take(room_bytes)
                if not piece:
                    return b"".join(pieces)
                pieces.append(piece)
                room_bytes -= len(piece)
        return b"".join(pieces)
