"""One connection: messages of four lanes in both directions, requests and their answers.

Tasks of a connection: one reads, one writes, one pings, and one for each lane handles what has
arrived.  So a block that is read from disk for the peer does not delay its votes.  Whoever handles
a message slowly makes the reader wait, and in the end the peer (TCP does that); gossip is dropped
instead, because it must not hold up votes.  Reading also waits while a lane's rate is exceeded.

A connection ends by `leave` (the last frame says why), by the peer, or by an error, which `run`
returns.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

import trio

from node.p2p.errors import (
    FrameDamaged,
    MessageMalformed,
    NetworkError,
    PeerFloods,
    PeerLost,
    PeerRefused,
    PeerTooSlow,
    RequestRefused,
    TooManyRequests,
)
from node.p2p.handshake import Session
from node.p2p.inbox import Inbox
from node.p2p.kinds import LANES, OWN_KINDS, Farewell, Form, Kind, Lane
from node.p2p.limits import GOSSIP_SENT, KIB, Limits
from node.p2p.messages import NUMBER_MAX, MemoryBudget, Message, Reassembler, encode_piece
from node.p2p.metrics import NetworkMetrics
from node.p2p.outbox import Outbox, Parcel
from node.p2p.rates import LaneAllowance
from node.p2p.reputation import Misbehaviour
from runtime.errors import DecodeError

RECEIVE_BYTES = 256 * KIB
LATE_MAX = 64
"""Requests whose answer may come after nobody waits for it any more."""


class Owner(Protocol):
    """What a connection needs of the network that it belongs to."""

    async def deliver(self, connection: Connection, message: Message) -> None:
        """Handle a message; raises `DecodeError` for one that no honest node sends."""

    async def answer(self, connection: Connection, message: Message) -> bytes:
        """Answer a request; raises `RequestRefused`, or `DecodeError` as above."""

    def misbehaved(self, connection: Connection, misbehaviour: Misbehaviour) -> None:
        """Count what the peer has done."""


class _Pending:
    """A request whose answer has not come."""

    __slots__ = ("done", "kind", "payload", "refused")

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.done = trio.Event()
        self.payload: bytes | None = None
        self.refused = False


class Connection:
    """One authenticated, encrypted connection; `run` it once."""

    def __init__(
        self,
        stream: trio.abc.HalfCloseableStream,
        session: Session,
        owner: Owner,
        limits: Limits,
        budget: MemoryBudget,
        metrics: NetworkMetrics,
    ) -> None:
        self.remote = session.remote
        self.since_s = trio.current_time()
        self.rtt_s: float | None = None
        self.received_bytes = 0
        self.sent_bytes = 0
        self.farewell: Farewell | None = None
        """Why the peer says that it leaves."""
        self._stream = stream
        self._opener, self._sealer = session.opener, session.sealer
        self._owner = owner
        self._limits = limits
        self._metrics = metrics
        self._outbox = Outbox(limits.lanes)
        self._reassembler = Reassembler(self._expects, budget)
        self._allowances = {lane: LaneAllowance(limits.lanes[lane], self.since_s) for lane in Lane}
        self._gossip = LaneAllowance(limits.lanes[Lane.GOSSIP], self.since_s, part=GOSSIP_SENT)
        self._inboxes = {
            lane: Inbox(limits.inbox_messages_max, limits.inbox_bytes_max) for lane in Lane
        }
        self._pending: dict[int, _Pending] = {}
        self._late: OrderedDict[int, None] = OrderedDict()
        self._number = 0
        self._queued = trio.Event()
        self._sent = trio.Event()
        """Set, and made anew, when a frame has left."""
        self._stalled = False
        self._is_sending = False
        self._leaving: Farewell | None = None
        self._ended = False
        self._scope = trio.CancelScope()
        self._error: NetworkError | None = None

    # For the network

    async def run(self) -> NetworkError | None:
        """Carry messages until the connection ends; returns the error that ended it, if one did."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    for work in (self._read, self._write, self._ping):
                        nursery.start_soon(self._until_error, work)
                    for lane in Lane:
                        nursery.start_soon(self._handle, lane)
        finally:
            self._ended = True
            self._reassembler.close()
            for pending in self._pending.values():
                pending.done.set()
            if not self._scope.cancel_called:  # the node stops
                await self._stop()
        return self._error

    def leave(self, reason: Farewell) -> None:
        """Say why, and close: within a second, whether the peer listens or not."""
        if self._leaving is None:
            self._leaving = reason
            self._scope.deadline = trio.current_time() + self._limits.goodbye_timeout_s
            self._queued.set()

    def send(self, parcel: Parcel) -> bool:
        """Queue a message; False when it is not sent.

        A peer that lets votes pile up is let go: what it gets would be useless by then.
        """
        if self._leaving is not None or self._ended:
            return False
        if parcel.lane is Lane.GOSSIP and not self._may_gossip(parcel):
            self._metrics.count_dropped("out", parcel.lane, 1)
            return False
        dropped_before = self._outbox.dropped
        queued = self._outbox.put(parcel)
        if self._outbox.dropped != dropped_before:
            self._metrics.count_dropped("out", parcel.lane, self._outbox.dropped - dropped_before)
        if queued:
            self._metrics.count_message("out", parcel.message.kind)
            self._queued.set()
        else:
            self._metrics.count_dropped("out", parcel.lane, 1)
            if parcel.lane in (Lane.CONTROL, Lane.CONSENSUS):
                self._error = _too_slow("does not read what it is sent")
                self.leave(Farewell.TOO_SLOW)
        return queued

    def _may_gossip(self, parcel: Parcel) -> bool:
        now_s = trio.current_time()
        allowed = self._gossip.has(1, parcel.size_bytes, now_s)
        if allowed:
            self._gossip.spend(1, parcel.size_bytes, now_s)
        return allowed

    async def request(self, kind: Kind, payload: bytes, timeout_s: float) -> bytes:
        """The peer's answer.

        Raises `RequestRefused`, `TooManyRequests`, `PeerTooSlow` and `PeerLost`.
        """
        if len(self._pending) >= self._limits.requests_max and kind not in OWN_KINDS:
            message = f"{self._limits.requests_max} requests wait for this peer's answers."
            raise TooManyRequests(message, remedy="Ask another peer, or later.")
        self._number = self._number % NUMBER_MAX + 1
        number, pending = self._number, _Pending(kind)
        self._pending[number] = pending
        try:
            if not self.send(Parcel(Message(kind, Form.REQUEST, number, payload))):
                raise _lost("takes no requests any more")
            with trio.move_on_after(timeout_s):
                await pending.done.wait()
        finally:
            del self._pending[number]
            if not pending.done.is_set():
                self._remember_late(number)
        return _result_of(pending, timeout_s)

    # Receiving

    async def _read(self) -> None:
        while data := await self._stream.receive_some(RECEIVE_BYTES):
            self.received_bytes += len(data)
            self._metrics.count_bytes("in", len(data))
            # After the last word only the end is waited for: unread bytes would reset the
            # connection, and the word be lost.
            if self._leaving is None:
                await self._open(data)
        if self._leaving is None and not self._opener.ended:
            raise _lost("has gone away")
        self._scope.cancel()

    async def _open(self, data: bytes | bytearray) -> None:
        try:
            for content in self._opener.feed(data):
                messages = self._reassembler.feed(content, trio.current_time())
                await self._sort(messages)
                if self._leaving is not None:
                    return
        except FrameDamaged:
            self._owner.misbehaved(self, Misbehaviour.DAMAGED)
            raise
        except MessageMalformed:
            self._owner.misbehaved(self, Misbehaviour.MALFORMED)
            raise

    async def _sort(self, messages: list[Message]) -> None:
        """Put the messages of a frame where they belong, as the peer's rates allow."""
        batches: dict[Lane, list[Message]] = {}
        for message in messages:
            self._metrics.count_message("in", message.kind)
            batches.setdefault(LANES[message.kind], []).append(message)
        for lane, batch in batches.items():
            if await self._is_allowed(lane, batch):
                await self._take_in(lane, batch)

    async def _is_allowed(self, lane: Lane, batch: list[Message]) -> bool:
        """Whether the batch is taken, after a wait if it comes too fast; gossip does not wait."""
        now_s = trio.current_time()
        allowance = self._allowances[lane]
        size_bytes = sum(len(message.payload) for message in batch)
        if lane is Lane.GOSSIP and not allowance.has(len(batch), size_bytes, now_s):
            self._metrics.count_dropped("in", lane, len(batch))
            self._owner.misbehaved(self, Misbehaviour.FLOODING)
            return False
        delay_s = allowance.spend(len(batch), size_bytes, now_s)
        if delay_s > self._limits.pong_timeout_s:
            self._owner.misbehaved(self, Misbehaviour.MALFORMED)
            message = f"The peer has sent what would take {delay_s:.0f} s at its rate."
            raise PeerFloods(message, remedy="The peer is hostile, or faulty: update it.")
        if delay_s:
            # Blocks come because we asked for them: whoever sends them fast does us a favour.
            if lane is not Lane.SYNC:
                self._owner.misbehaved(self, Misbehaviour.FLOODING)
            with self._stalling():
                await trio.sleep(delay_s)
        return True

    async def _take_in(self, lane: Lane, batch: list[Message]) -> None:
        others = [message for message in batch if not self._take_own(message)]
        inbox = self._inboxes[lane]
        if lane is Lane.GOSSIP:
            self._metrics.count_dropped("in", lane, inbox.force(others))
        elif others:
            with self._stalling():
                await inbox.put(others)

    @contextmanager
    def _stalling(self) -> Iterator[None]:
        """Meanwhile the peer is not blamed for a pong that is not read."""
        self._stalled = True
        yield
        self._stalled = False

    def _take_own(self, message: Message) -> bool:
        """Take an answer, a ping or a goodbye; whether it was one."""
        if message.form in (Form.RESPONSE, Form.REFUSAL):
            pending = self._pending.get(message.number)
            if pending is not None:
                pending.refused = message.form is Form.REFUSAL
                pending.payload = message.payload
                pending.done.set()
            return True
        if message.kind is Kind.PING:
            self.send(Parcel(Message(Kind.PING, Form.RESPONSE, message.number, b"")))
            return True
        if message.kind is Kind.GOODBYE:
            self._take_farewell(message.payload)
            return True
        return False

    def _take_farewell(self, payload: bytes) -> None:
        known = payload in [bytes([each]) for each in Farewell]
        self.farewell = Farewell(payload[0]) if known else Farewell.STOPPING
        if self.farewell in (Farewell.FULL, Farewell.BANNED):
            message = f"The peer does not want the connection ({self.farewell.name.lower()})."
            self._error = PeerRefused(message, remedy="The node tries others, and it again later.")
        self._scope.cancel()

    def _expects(self, kind: Kind, number: int) -> bool:
        """Whether a response is waited for; one that was not asked for is counted."""
        pending = self._pending.get(number)
        if pending is not None and pending.kind is kind and not pending.done.is_set():
            return True
        if number not in self._late:
            self._owner.misbehaved(self, Misbehaviour.UNASKED)
        return False

    def _remember_late(self, number: int) -> None:
        self._late[number] = None
        if len(self._late) > LATE_MAX:
            self._late.popitem(last=False)

    # Handling

    async def _handle(self, lane: Lane) -> None:
        """Have the messages of a lane handled one after the other."""
        while True:
            for message in await self._inboxes[lane].take():
                if self._leaving is None:
                    await self._handle_one(lane, message)

    async def _handle_one(self, lane: Lane, message: Message) -> None:
        try:
            if message.form is Form.REQUEST:
                await self._answer(message, lane)
            else:
                await self._owner.deliver(self, message)
        except DecodeError:
            self._owner.misbehaved(self, Misbehaviour.INVALID)

    async def _answer(self, request: Message, lane: Lane) -> None:
        kind, _, number, _ = request
        try:
            payload = await self._owner.answer(self, request)
        except RequestRefused:
            self.send(Parcel(Message(kind, Form.REFUSAL, number, b"")))
            return
        # One answer waits at most: they are large, and the peer sets the pace.
        while not self._outbox.is_empty(lane):
            await self._sent.wait()
        self.send(Parcel(Message(kind, Form.RESPONSE, number, payload)))

    # Sending

    async def _write(self) -> None:
        while True:
            content = self._outbox.take_frame()
            if content:
                await self._send(self._sealer.seal(content))
                self._sent.set()
                self._sent = trio.Event()
            elif self._leaving is not None:
                await self._say_goodbye(self._leaving)
                return
            else:
                self._queued = trio.Event()
                await self._queued.wait()

    async def _send(self, frame: bytes) -> None:
        self._is_sending = True
        try:
            with trio.fail_after(self._limits.write_timeout_s):
                await self._stream.send_all(frame)
        except trio.TooSlowError as error:
            raise _too_slow("does not read") from error
        self._is_sending = False
        self.sent_bytes += len(frame)
        self._metrics.count_bytes("out", len(frame))

    async def _stop(self) -> None:
        """Tell the peer that the node stops, unless a frame was cut off: nothing can follow it."""
        with (
            trio.move_on_after(self._limits.goodbye_timeout_s, shield=True),
            suppress(NetworkError, trio.BrokenResourceError, trio.ClosedResourceError),
        ):
            if not self._is_sending:
                await self._say_goodbye(Farewell.STOPPING)

    async def _say_goodbye(self, reason: Farewell) -> None:
        farewell = Message(Kind.GOODBYE, Form.MESSAGE, 0, bytes([reason]))
        await self._send(self._sealer.seal(encode_piece(farewell, 0, 1), final=True))
        await self._stream.send_eof()

    # Watching

    async def _ping(self) -> None:
        """Measure the way to the peer, and notice when it is gone or never finishes."""
        while True:
            begun_at_s = trio.current_time()
            try:
                await self.request(Kind.PING, b"", self._limits.pong_timeout_s)
                self.rtt_s = trio.current_time() - begun_at_s
            except PeerTooSlow:
                if not self._stalled:
                    raise
            self._check_unfinished()
            await trio.sleep(self._limits.ping_interval_s)

    def _check_unfinished(self) -> None:
        begun_at_s = self._reassembler.begun_at()
        if begun_at_s is None or self._stalled:
            return
        if trio.current_time() - begun_at_s > self._limits.message_timeout_s:
            raise _too_slow("does not finish a message")

    async def _until_error(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except NetworkError as error:
            # Otherwise a last word is on its way, and has its own deadline.
            if self._leaving is None:
                self._error = self._error or error
                self._scope.cancel()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            if self._leaving is None:
                self._error = self._error or _lost("has gone away")
            self._scope.cancel()


def _result_of(pending: _Pending, timeout_s: float) -> bytes:
    if pending.refused:
        message = f"The peer does not answer this request ({pending.kind.name.lower()})."
        raise RequestRefused(message, remedy="Ask another peer.")
    if pending.payload is not None:
        return pending.payload
    if pending.done.is_set():
        raise _lost("went away before it answered")
    raise _too_slow(f"has not answered within {timeout_s:g} s")


def _lost(what: str) -> PeerLost:
    return PeerLost(f"The peer {what}.", remedy="Ask another peer; the node connects again.")


def _too_slow(what: str) -> PeerTooSlow:
    return PeerTooSlow(f"The peer {what}.", remedy="Ask another peer; the node connects again.")
