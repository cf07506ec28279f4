"""Messages, and the pieces that frames carry them in.

    content of a frame = pieces      piece = kind (1 byte), form (1), number (4), missing (4),
                                             length (4), so many bytes of the payload

`missing` is how much of the payload is not received before this piece; so the first piece tells the
size of the whole, and a small message is one piece with missing = length.  Each lane has one
message in progress: a vote may come between two pieces of a block, and never waits for all of it.
Pieces have at least `PIECE_BYTES_MIN` bytes, the last one excepted, because each costs time to
read.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

from node.p2p.errors import MessageMalformed, PeerTooSlow
from node.p2p.kinds import LANES, Form, Kind, Lane
from node.p2p.limits import KIB, PAYLOAD_BYTES_MAX

PIECE_BYTES_MIN = KIB
_HEAD = Struct(">BBIII")
HEAD_BYTES = _HEAD.size
NUMBER_MAX = 2**32 - 1
_REMEDY = "The peer is faulty or hostile; its operator should update it."


class Message(NamedTuple):
    """One complete message."""

    kind: Kind
    form: Form
    number: int
    """Which request a response answers; 0 for what is neither."""
    payload: bytes


class _Type(NamedTuple):
    kind: Kind
    form: Form
    lane: Lane
    bytes_max: int


_TYPES = {
    (kind, form): _Type(kind, form, LANES[kind], bytes_max)
    for (kind, form), bytes_max in PAYLOAD_BYTES_MAX.items()
} | {
    # Whatever has a response may be refused.
    (kind, Form.REFUSAL): _Type(kind, Form.REFUSAL, LANES[kind], 0)
    for kind, form in PAYLOAD_BYTES_MAX
    if form is Form.RESPONSE
}


def encode_piece(message: Message, start: int, end: int) -> bytes:
    """The piece with the payload's bytes from `start` to `end`."""
    kind, form, number, payload = message
    missing = len(payload) - start
    return _HEAD.pack(kind, form, number, missing, end - start) + payload[start:end]


def check_size(kind: Kind, form: Form, payload: bytes) -> None:
    """Raise `ValueError` for what no peer would accept: a mistake of whoever sends it."""
    bytes_max = PAYLOAD_BYTES_MAX.get((kind, form))
    if bytes_max is None:
        message = f"{kind.name} is never a {form.name}."
        raise ValueError(message)
    if len(payload) > bytes_max:
        message = f"{kind.name} has {len(payload)} bytes, and {bytes_max} at most."
        raise ValueError(message)


class MemoryBudget:
    """What all peers' unfinished messages may hold together."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self.used_bytes = 0

    def take(self, count: int) -> None:
        """Take `count` bytes; raises `PeerTooSlow` when they are not there."""
        if self.used_bytes + count > self._bytes_max:
            message = f"The unfinished messages of all peers have {self.used_bytes} bytes."
            raise PeerTooSlow(message, remedy="The connection is closed; it may be made again.")
        self.used_bytes += count

    def give_back(self, count: int) -> None:
        """Return what was taken."""
        self.used_bytes -= count


class _Unfinished:
    """A message of which pieces are missing; what nobody waits for is not held."""

    __slots__ = ("begun_at", "missing", "number", "parts", "type", "wanted")

    def __init__(self, type_: _Type, number: int, wanted: bool, begun_at: float) -> None:
        self.type = type_
        self.number = number
        self.wanted = wanted
        self.begun_at = begun_at
        self.missing = 0
        self.parts: list[bytes] = []


class Reassembler:
    """Turns the contents of one peer's frames into messages.

    `expects(kind, number)` says whether a response is waited for; one that is not is not held.
    """

    def __init__(self, expects: Callable[[Kind, int], bool], budget: MemoryBudget) -> None:
        self._expects = expects
        self._budget = budget
        self._unfinished: dict[Lane, _Unfinished] = {}
        self._held_bytes = 0

    def feed(self, content: bytes, now_s: float) -> list[Message]:
        """The messages that a frame completes; raises `MessageMalformed`, `PeerTooSlow`."""
        messages: list[Message] = []
        at, size = 0, len(content)
        while at < size:
            begin = at + HEAD_BYTES
            if begin > size:
                raise _malformed("A piece is cut off")
            kind, form, number, missing, length = _HEAD.unpack_from(content, at)
            at = begin + length
            type_ = _TYPES.get((kind, form))
            if type_ is None:
                raise _malformed(f"There is no kind {kind} in the form {form}")
            if at > size or length > missing or length < min(missing, PIECE_BYTES_MIN):
                raise _malformed(f"A piece has {length} bytes of {missing}")
            if length == missing and type_.lane not in self._unfinished:
                if self._begin(type_, number, missing):
                    payload = content[begin:at]
                    messages.append(Message(type_.kind, type_.form, number, payload))
                continue
            finished = self._add(type_, number, missing, content[begin:at], now_s)
            if finished is not None:
                messages.append(finished)
        return messages

    def begun_at(self) -> float | None:
        """When the oldest unfinished message began."""
        return min((each.begun_at for each in self._unfinished.values()), default=None)

    def close(self) -> None:
        """Forget what is unfinished."""
        self._unfinished.clear()
        self._budget.give_back(self._held_bytes)
        self._held_bytes = 0

    def _begin(self, type_: _Type, number: int, size: int) -> bool:
        """Whether a message that begins is wanted; raises `MessageMalformed` if it may not be."""
        if size > type_.bytes_max:
            raise _malformed(f"{type_.kind.name} has {size} bytes, and {type_.bytes_max} at most")
        if type_.form is Form.MESSAGE and number:
            raise _malformed("A message that is no answer has a number")
        answers = type_.form in (Form.RESPONSE, Form.REFUSAL)
        return not answers or self._expects(type_.kind, number)

    def _add(
        self, type_: _Type, number: int, missing: int, part: bytes, now_s: float
    ) -> Message | None:
        unfinished = self._unfinished.get(type_.lane)
        if unfinished is None:
            wanted = self._begin(type_, number, missing)
            unfinished = _Unfinished(type_, number, wanted, now_s)
            unfinished.missing = missing
            self._unfinished[type_.lane] = unfinished
        if (unfinished.type, unfinished.number, unfinished.missing) != (type_, number, missing):
            raise _malformed(f"A piece does not continue the message in lane {type_.lane.name}")
        unfinished.missing -= len(part)
        if unfinished.wanted:
            self._budget.take(len(part))
            self._held_bytes += len(part)
            unfinished.parts.append(part)
        return None if unfinished.missing else self._finish(unfinished)

    def _finish(self, unfinished: _Unfinished) -> Message | None:
        del self._unfinished[unfinished.type.lane]
        payload = b"".join(unfinished.parts)
        self._budget.give_back(len(payload))
        self._held_bytes -= len(payload)
        if not unfinished.wanted:
            return None
        return Message(unfinished.type.kind, unfinished.type.form, unfinished.number, payload)


def _malformed(what: str) -> MessageMalformed:
    return MessageMalformed(f"{what}.", remedy=_REMEDY)
