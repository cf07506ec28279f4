"""A connection over streams in memory, with a clock that jumps: time-outs, rates, requests, ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
import trio
import trio.lowlevel
from prometheus_client import CollectorRegistry
from trio.testing import MockClock, memory_stream_pair

from node.p2p.connection import Connection
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
from node.p2p.kinds import Farewell, Form, Kind, Lane
from node.p2p.limits import KIB, LANE_LIMITS, LaneLimits, Limits, Rate
from node.p2p.messages import MemoryBudget, Message, encode_piece
from node.p2p.metrics import NetworkMetrics
from node.p2p.outbox import Parcel
from node.p2p.reputation import Misbehaviour
from runtime.errors import DecodeError
from tests.node.p2p.wires import message, sessions

WAIT_S = 1_000.0
"""Of the test's clock, which jumps: nothing waits for it."""


@dataclass(slots=True)
class Owner:
    """Who uses a connection: keeps what it is told, and does what the test wants."""

    received: list[Message] = field(default_factory=list)
    blamed: list[Misbehaviour] = field(default_factory=list)
    handling_s: float = 0.0

    async def deliver(self, _connection: Connection, message: Message) -> None:
        if message.payload == b"nonsense":
            raise DecodeError("Nonsense.")
        await trio.sleep(self.handling_s)
        self.received.append(message)

    async def answer(self, _connection: Connection, message: Message) -> bytes:
        if message.payload == b"never":
            await trio.sleep_forever()
        if message.payload == b"refuse":
            raise RequestRefused("No.")
        await trio.sleep(self.handling_s)
        return message.payload * 1_000

    def misbehaved(self, _connection: Connection, misbehaviour: Misbehaviour) -> None:
        self.blamed.append(misbehaviour)


@dataclass(slots=True)
class End:
    """One end of a connection, and how it ended."""

    connection: Connection
    owner: Owner
    stream: trio.abc.HalfCloseableStream
    session: Session
    error: NetworkError | None = None
    ended: trio.Event = field(default_factory=trio.Event)

    async def run(self) -> None:
        async with self.stream:
            self.error = await self.connection.run()
        self.ended.set()

    def send(self, kind: Kind, payload: bytes) -> bool:
        return self.connection.send(Parcel(message(kind, payload)))


def make_end(stream: trio.abc.HalfCloseableStream, session: Session, limits: Limits) -> End:
    owner = Owner()
    budget = MemoryBudget(limits.unfinished_bytes_max)
    metrics = NetworkMetrics(CollectorRegistry())
    connection = Connection(stream, session, owner, limits, budget, metrics)
    return End(connection, owner, stream, session)


def between(
    scenario: Callable[[End, End], Awaitable[None]],
    limits: Limits | None = None,
    *,
    both: bool = True,
) -> None:
    """Run `scenario(near, far)`; without `both`, the test itself is the far end."""

    async def main() -> None:
        streams = memory_stream_pair()
        near, far = (
            make_end(stream, session, limits or Limits())
            for stream, session in zip(streams, sessions(), strict=True)
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(near.run)
            if both:
                nursery.start_soon(far.run)
            await scenario(near, far)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def say(end: End, *contents: bytes) -> None:
    """Send frames by hand, as a hostile peer may."""
    for content in contents:
        await end.stream.send_all(end.session.sealer.seal(content))


def piece(kind: Kind, payload: bytes, form: Form = Form.MESSAGE, number: int = 0) -> bytes:
    """A whole message as the content of a frame."""
    return encode_piece(message(kind, payload, form, number), 0, len(payload))


def test_messages_go_both_ways_in_order():
    """And the ping tells how far away the other end is."""

    async def scenario(near: End, far: End) -> None:
        for number in range(100):
            near.send(Kind.CONSENSUS, b"%d" % number)
        far.send(Kind.STATUS, b"status")
        await trio.sleep(1)
        assert [each.payload for each in far.owner.received] == [b"%d" % n for n in range(100)]
        assert near.owner.received == [message(Kind.STATUS, b"status")]
        assert near.connection.rtt_s == far.connection.rtt_s == 0
        assert near.connection.sent_bytes == far.connection.received_bytes

    between(scenario)


def test_requests_are_answered_refused_or_late():
    """Each in its own way; a late answer is nobody's fault."""

    async def scenario(near: End, far: End) -> None:
        request = near.connection.request
        assert await request(Kind.BLOCKS, b"ab", 5) == b"ab" * 1_000
        with pytest.raises(RequestRefused):
            await request(Kind.BLOCKS, b"refuse", 5)
        far.owner.handling_s = 8
        with pytest.raises(PeerTooSlow):
            await request(Kind.BLOCKS, b"late", 5)
        await trio.sleep(10)
        assert near.owner.blamed == []
        far.owner.handling_s = 0
        assert await request(Kind.BLOCKS, b"again", 5) == b"again" * 1_000

    between(scenario)


def test_requests_in_flight_are_bounded():
    """One more than allowed is not sent; they end when the peer goes."""

    async def scenario(near: End, far: End) -> None:
        lost = []

        async def ask() -> None:
            try:
                await near.connection.request(Kind.BLOCKS, b"never", WAIT_S)
            except PeerLost as error:
                lost.append(error)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
            await trio.sleep(1)
            with pytest.raises(TooManyRequests):
                await near.connection.request(Kind.BLOCKS, b"", 1)
            far.connection.leave(Farewell.STOPPING)
        assert len(lost) == 3

    between(scenario, Limits(requests_max=3))


def test_large_answers_leave_one_after_the_other():
    """What is asked for at once does not fill the outbox at once, and is answered in full."""

    async def scenario(near: End, far: End) -> None:
        answers = []

        async def ask(letter: bytes) -> None:
            answers.append(await near.connection.request(Kind.BLOCKS, letter * 4_000, WAIT_S))

        async with trio.open_nursery() as nursery:
            for letter in (b"a", b"b", b"c"):
                nursery.start_soon(ask, letter)
        assert sorted(answers) == [letter * 4_000_000 for letter in (b"a", b"b", b"c")]
        assert far.owner.blamed == near.owner.blamed == []

    between(scenario)


def test_a_slow_answer_does_not_delay_a_vote():
    """Each lane is handled by itself."""

    async def scenario(near: End, far: End) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(near.connection.request, Kind.BLOCKS, b"never", 0.5)
            await trio.sleep(0.1)
            near.send(Kind.CONSENSUS, b"vote")
            await trio.sleep(0.1)
            assert far.owner.received == [message(Kind.CONSENSUS, b"vote")]
            nursery.cancel_scope.cancel()

    between(scenario)


def test_what_does_not_decode_is_blamed_and_survived():
    """The next message of the lane is handled."""

    async def scenario(near: End, far: End) -> None:
        near.send(Kind.CONSENSUS, b"nonsense")
        near.send(Kind.CONSENSUS, b"vote")
        await trio.sleep(1)
        assert far.owner.blamed == [Misbehaviour.INVALID]
        assert far.owner.received == [message(Kind.CONSENSUS, b"vote")]

    between(scenario)


@pytest.mark.parametrize("reason", list(Farewell))
def test_whoever_leaves_says_why(reason):
    """The other end hears it, and nothing is sent any more."""

    async def scenario(near: End, far: End) -> None:
        near.connection.leave(reason)
        assert not near.send(Kind.CONSENSUS, b"too late")
        await near.ended.wait()
        await far.ended.wait()
        assert near.error is None
        assert far.connection.farewell is reason
        unwanted = reason in (Farewell.FULL, Farewell.BANNED)
        assert isinstance(far.error, PeerRefused) if unwanted else far.error is None

    between(scenario)


def test_a_node_that_stops_says_so():
    """Cancelling a connection is not a broken one for the peer."""

    async def scenario(near: End, far: End) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(far.run)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        await near.ended.wait()
        assert near.connection.farewell is Farewell.STOPPING
        assert near.error is None

    between(scenario, both=False)


def test_a_peer_that_vanishes_is_an_error():
    """The end of the bytes without a last word may be anybody's doing."""

    async def scenario(near: End, far: End) -> None:
        await far.stream.aclose()
        await near.ended.wait()
        assert isinstance(near.error, PeerLost)

    between(scenario, both=False)


def test_a_peer_that_answers_no_ping_is_let_go():
    """However much else it says."""

    async def scenario(near: End, far: End) -> None:
        for _ in range(30):
            if near.ended.is_set():
                break
            await say(far, piece(Kind.STATUS, b"here"))
            await trio.sleep(1)
        assert isinstance(near.error, PeerTooSlow)
        assert trio.current_time() < 25

    between(scenario, both=False)


def test_a_peer_that_sends_a_byte_now_and_then_is_let_go():
    """Slow-loris: a frame that does not end holds up the pong, and nothing else."""

    async def scenario(near: End, far: End) -> None:
        await far.stream.send_all(far.session.sealer.seal(bytes(1_000))[:-1][:4])
        while not near.ended.is_set():
            with suppress(trio.BrokenResourceError):
                await far.stream.send_all(b"x")
            await trio.sleep(1)
        assert isinstance(near.error, PeerTooSlow)

    between(scenario, both=False)


def test_a_peer_that_never_finishes_a_message_is_let_go():
    """Though it answers pings in time."""

    async def scenario(near: End, far: End) -> None:
        large = message(Kind.CONSENSUS, bytes(5_000_000))
        sent = 0
        async with trio.open_nursery() as nursery:

            async def pong() -> None:
                while data := await far.stream.receive_some(1_000):
                    for content in far.session.opener.feed(data):
                        number = int.from_bytes(content[2:6], "big")
                        if content[:2] == bytes([Kind.PING, Form.REQUEST]):
                            await say(far, piece(Kind.PING, b"", Form.RESPONSE, number))

            nursery.start_soon(pong)
            while not near.ended.is_set():
                await say(far, encode_piece(large, sent, sent + KIB))
                sent += KIB
                await trio.sleep(1)
        assert isinstance(near.error, PeerTooSlow)
        assert 60 <= trio.current_time() <= 75

    between(scenario, both=False)


def test_a_peer_that_does_not_read_is_let_go():
    """When a frame has not left in time; meanwhile what waits for it is bounded."""

    class Stuck(trio.abc.HalfCloseableStream):
        """A stream whose other end reads nothing."""

        async def send_all(self, data: bytes | bytearray | memoryview) -> None:
            await trio.sleep_forever()

        async def wait_send_all_might_not_block(self) -> None:
            await trio.sleep_forever()

        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            await trio.sleep_forever()
            return b""

        async def send_eof(self) -> None:
            await trio.sleep_forever()

        async def aclose(self) -> None:
            await trio.lowlevel.checkpoint()

    async def main() -> None:
        end = make_end(Stuck(), sessions()[0], Limits())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(end.run)
            await trio.sleep(1)
            limit = LANE_LIMITS[Lane.GOSSIP].outbox_messages_max
            for number in range(2 * limit):
                end.send(Kind.EXTRINSICS, b"%d" % number)
            await end.ended.wait()
            assert isinstance(end.error, PeerTooSlow)
            assert trio.current_time() <= 21

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_a_peer_that_lets_votes_pile_up_is_let_go():
    """Old votes are of no use to it."""

    async def scenario(near: End, _far: End) -> None:
        limit = LANE_LIMITS[Lane.CONSENSUS].outbox_messages_max
        assert all(near.send(Kind.CONSENSUS, b"vote") for _ in range(limit))
        assert not near.send(Kind.CONSENSUS, b"vote")
        await near.ended.wait()
        assert isinstance(near.error, PeerTooSlow)

    between(scenario)


@pytest.mark.parametrize(
    ("raw", "error", "blamed"),
    [
        (b"\xff" * 100, FrameDamaged, Misbehaviour.DAMAGED),
        (bytes(100), FrameDamaged, Misbehaviour.DAMAGED),
        ((1_000).to_bytes(4, "big") + bytes(1_000), FrameDamaged, Misbehaviour.DAMAGED),
    ],
)
def test_bytes_that_are_no_frames_end_the_connection(raw, error, blamed):
    """Garbage, and an oversized length; the peer is blamed a little: it may not have been it."""

    async def scenario(near: End, far: End) -> None:
        await far.stream.send_all(raw)
        await near.ended.wait()
        assert isinstance(near.error, error)
        assert near.owner.blamed == [blamed]

    between(scenario, both=False)


def test_frames_that_are_no_messages_end_the_connection():
    """Only the peer can have sealed them: it is blamed for all of it."""

    async def scenario(near: End, far: End) -> None:
        await say(far, b"\xff" * 20)
        await near.ended.wait()
        assert isinstance(near.error, MessageMalformed)
        assert near.owner.blamed == [Misbehaviour.MALFORMED]

    between(scenario, both=False)


def test_an_answer_that_was_not_asked_for_is_blamed():
    """And not delivered."""

    async def scenario(near: End, far: End) -> None:
        await say(far, piece(Kind.BLOCKS, b"x", Form.RESPONSE, 77))
        await trio.sleep(1)
        assert near.owner.blamed == [Misbehaviour.UNASKED]
        assert near.owner.received == []

    between(scenario, both=False)


def slowly(lane: Lane, messages: Rate) -> Limits:
    """Limits with another rate in one lane."""
    known = LANE_LIMITS[lane]
    changed = LaneLimits(messages, known.bytes, known.outbox_messages_max, known.outbox_bytes_max)
    return Limits(lanes={**LANE_LIMITS, lane: changed})


def test_votes_that_come_too_fast_are_read_at_their_rate():
    """None is lost, and the peer is blamed."""

    async def scenario(near: End, far: End) -> None:
        for number in range(20):
            near.send(Kind.CONSENSUS, b"%d" % number)
            await trio.lowlevel.checkpoint()
        await trio.sleep(20)
        assert len(far.owner.received) == 20
        assert Misbehaviour.FLOODING in far.owner.blamed

    between(scenario, slowly(Lane.CONSENSUS, Rate(1, 2)))


def test_gossip_that_comes_too_fast_is_dropped():
    """It does not hold up the votes behind it."""

    async def scenario(near: End, far: End) -> None:
        await say(far, *[piece(Kind.EXTRINSICS, b"%d" % number) for number in range(10)])
        await say(far, piece(Kind.CONSENSUS, b"vote"))
        await trio.sleep(0.5)
        kinds = [each.kind for each in near.owner.received]
        assert sorted(kinds) == [Kind.CONSENSUS, Kind.EXTRINSICS, Kind.EXTRINSICS]
        assert near.owner.blamed == [Misbehaviour.FLOODING] * 8

    between(scenario, slowly(Lane.GOSSIP, Rate(0.001, 2)), both=False)


def test_an_honest_node_does_not_gossip_faster_than_its_peers_allow():
    """It drops what its users send too fast, and is never blamed for it."""

    async def scenario(near: End, far: End) -> None:
        for number in range(300):
            near.send(Kind.EXTRINSICS, b"%d" % number)
            await trio.sleep(0.001)
        await trio.sleep(5)
        assert 50 <= len(far.owner.received) < 300
        assert far.owner.blamed == []

    between(scenario, slowly(Lane.GOSSIP, Rate(100, 100)))


def test_blocks_that_were_asked_for_may_come_fast():
    """They are read at their rate, and nobody is blamed."""

    async def scenario(near: End, far: End) -> None:
        for _ in range(5):
            await near.connection.request(Kind.BLOCKS, b"x", 60)
        assert trio.current_time() > 2
        assert near.owner.blamed == far.owner.blamed == []

    between(scenario, slowly(Lane.SYNC, Rate(1, 2)))


def test_a_flood_that_would_take_long_to_read_ends_the_connection():
    """A frame of thousands of pings is not answered ping by ping."""

    async def scenario(near: End, far: End) -> None:
        await say(far, piece(Kind.PING, b"", Form.REQUEST, 1) * 4_000)
        await near.ended.wait()
        assert isinstance(near.error, PeerFloods)
        assert near.owner.blamed == [Misbehaviour.MALFORMED]

    between(scenario, both=False)


def test_a_connection_that_has_ended_takes_nothing():
    """Whoever still knows it hears at once that the peer is gone."""

    async def scenario(near: End, far: End) -> None:
        await far.stream.aclose()
        await near.ended.wait()
        assert not near.send(Kind.STATUS, b"x")
        with pytest.raises(PeerLost):
            await near.connection.request(Kind.BLOCKS, b"x", WAIT_S)
        assert trio.current_time() < 1

    between(scenario, both=False)


def test_nothing_is_delivered_of_a_peer_that_was_sent_away():
    """What it sent before and was not handled is forgotten."""

    async def scenario(near: End, far: End) -> None:
        far.owner.handling_s = 0.1
        for number in range(10):
            near.send(Kind.CONSENSUS, b"%d" % number)
        await trio.sleep(0.25)
        far.connection.leave(Farewell.BANNED)
        received = len(far.owner.received) + 1  # one is being handled
        await far.ended.wait()
        assert len(far.owner.received) <= received < 5

    between(scenario)


def test_a_slow_handler_makes_the_peer_wait():
    """All votes arrive in the end, and the peer is not blamed for a pong that was not read."""

    async def scenario(near: End, far: End) -> None:
        far.owner.handling_s = 0.3
        for number in range(50):
            near.send(Kind.CONSENSUS, b"%d" % number)
        await trio.sleep(200)
        assert [each.payload for each in far.owner.received] == [b"%d" % n for n in range(50)]
        assert not far.ended.is_set()
        assert far.owner.blamed == []

    between(scenario, Limits(inbox_messages_max=4))


def test_a_slow_handler_of_gossip_misses_some():
    """The newest are kept."""

    async def scenario(near: End, far: End) -> None:
        far.owner.handling_s = 1.0
        near.send(Kind.EXTRINSICS, b"first")
        await trio.sleep(0.1)
        for number in range(50):
            near.send(Kind.EXTRINSICS, b"%d" % number)
        await trio.sleep(200)
        received = [each.payload for each in far.owner.received]
        assert received[0] == b"first"
        assert received[-1] == b"49"
        assert len(received) < 10

    between(scenario, Limits(inbox_messages_max=4))


def test_an_inbox_holds_what_is_being_handled():
    """What was taken counts until more is taken; one message that is larger may be there alone."""

    async def main() -> None:
        inbox = Inbox(messages_max=10, bytes_max=100)
        await inbox.put([message(Kind.STATUS, bytes(500))])
        assert inbox.is_full
        assert len(await inbox.take()) == 1
        assert inbox.is_full
        with trio.move_on_after(1):
            await inbox.take()
        assert not inbox.is_full
        assert inbox.force([message(Kind.STATUS, bytes(60))] * 5) == 3

    trio.run(main, clock=MockClock(autojump_threshold=0))
