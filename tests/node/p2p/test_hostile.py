"""Hostile peers over real TCP: the honest node stays up, its memory bounded, its peers undisturbed."""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress
from dataclasses import replace

import pytest
import trio

from node.p2p.handshake import Session
from node.p2p.kinds import Form, Kind, Lane
from node.p2p.limits import KIB, LANE_LIMITS, MIB, LaneLimits, Rate
from node.p2p.messages import MemoryBudget, Reassembler, encode_piece
from runtime.keys import Keypair
from tests.node.p2p.nodes import FAST, Cluster, Node, intrude, is_refused, run, until
from tests.node.p2p.wires import ALICE, MALLORY, message


async def pair(cluster: Cluster, **limits) -> tuple[Node, Node]:
    """Two honest nodes, of which the first has the limits."""
    first = await cluster.start(limits=replace(FAST, **limits))
    second = await cluster.start(first.address)
    await until(lambda: second.identity in first.known())
    return first, second


async def still_talk(first: Node, second: Node) -> None:
    """What the second sends reaches the first, and the first never lost it."""
    assert second.network.send(first.identity, Kind.CONSENSUS, b"still here")
    await until(lambda: (second.identity, Kind.CONSENSUS, b"still here") in first.received)
    assert ("disconnected", second.identity) not in first.events


@pytest.mark.parametrize(
    "garbage", [b"\x00" * 5_000, b"GET / HTTP/1.1\r\n\r\n".ljust(200), b"\xff" * 106]
)
def test_garbage_instead_of_a_handshake_is_closed_and_blamed(garbage):
    """At once, without an answer."""

    async def scenario(cluster: Cluster) -> None:
        first, second = await pair(cluster)
        async with await trio.open_tcp_stream("127.0.0.1", first.address.port) as stream:
            await stream.send_all(garbage)
            # Closed, or reset because more was sent than is read.
            with suppress(trio.BrokenResourceError):
                assert await stream.receive_some(1_000) == b""
        assert first.metric('handshake_failures_total{direction="in",reason="protocol"}') == 1
        assert first.metric('misbehaviour_total{misbehaviour="bad_handshake"}') == 1
        await still_talk(first, second)

    run(scenario)


def test_a_handshake_that_does_not_go_on_times_out():
    """Slow-loris: a byte now and then does not extend it."""

    async def scenario(cluster: Cluster) -> None:
        first, second = await pair(cluster, connect_timeout_s=0.2)
        async with await trio.open_tcp_stream("127.0.0.1", first.address.port) as stream:
            await stream.send_all(b"OPEN")
            assert await stream.receive_some(1) == b""
        assert first.metric('handshake_failures_total{direction="in",reason="timeout"}') >= 1
        assert first.metric('misbehaviour_total{misbehaviour="slow"}') >= 1
        await still_talk(first, second)

    run(scenario)


def test_hoarded_handshakes_do_not_keep_honest_nodes_out():
    """The oldest of too many that do not go on makes room for who comes."""

    async def scenario(cluster: Cluster) -> None:
        first, second = await pair(cluster, handshakes_max=5, arrivals=Rate(1_000, 1_000))
        streams = [await trio.open_tcp_stream("127.0.0.1", first.address.port) for _ in range(20)]
        await until(
            lambda: first.metric('handshake_failures_total{direction="in",reason="refused"}') >= 15
        )
        third = await cluster.start(first.address)
        await until(lambda: third.identity in first.known())
        await still_talk(first, second)
        for stream in streams:
            await stream.aclose()

    run(scenario)


def test_who_connects_too_often_is_turned_away():
    """Before anything is computed for it."""

    async def scenario(cluster: Cluster) -> None:
        first, second = await pair(cluster, arrivals=Rate(0.001, 3))
        assert not await is_refused(first, ALICE)
        assert not await is_refused(first, ALICE)
        assert await is_refused(first, ALICE)
        await still_talk(first, second)

    run(scenario)


def test_what_only_a_liar_can_have_sent_bans_at_once():
    """It cannot come back, and others are not disturbed."""

    async def scenario(cluster: Cluster) -> None:
        first, second = await pair(cluster)
        async with intrude(first, MALLORY) as (stream, session):
            await stream.send_all(session.sealer.seal(b"\xff" * 100))
            await until(lambda: first.metric("bans_total") == 1)
        assert MALLORY.account not in first.known()
        assert await is_refused(first, MALLORY)
        await still_talk(first, second)

    run(scenario)


def test_an_oversized_frame_is_refused_and_adds_up_to_a_ban():
    """Nothing of it is held; once could be an attacker between the two."""

    async def scenario(cluster: Cluster) -> None:
        first, second = await pair(cluster)
        damaged = 'misbehaviour_total{misbehaviour="damaged"}'
        for number in range(1, 6):
            async with intrude(first, MALLORY) as (stream, _):
                await stream.send_all(b"\xff\xff\xff\xff" + bytes(100))
                await until(lambda number=number: first.metric(damaged) == number)  # type: ignore[misc]  # a bound loop variable
        await until(lambda: MALLORY.account not in first.known())
        assert await is_refused(first, MALLORY)
        await still_talk(first, second)

    run(scenario)


def test_a_flood_of_gossip_is_dropped_and_banned():
    """The node takes what the rate allows, and sends the peer away."""

    async def flood(stream: trio.SocketStream, session: Session) -> None:
        for number in range(1_000_000):
            payload = number.to_bytes(200, "big")
            piece = encode_piece(message(Kind.EXTRINSICS, payload), 0, 200)
            await stream.send_all(session.sealer.seal(piece))

    async def scenario(cluster: Cluster) -> None:
        known = LANE_LIMITS[Lane.GOSSIP]
        slow = LaneLimits(Rate(10, 100), known.bytes, 4_096, 4_096 * KIB)
        first, second = await pair(cluster, lanes={**LANE_LIMITS, Lane.GOSSIP: slow})
        async with intrude(first, MALLORY) as (stream, session):
            with pytest.raises(trio.BrokenResourceError):
                await flood(stream, session)
        assert MALLORY.account not in first.known()
        assert first.metric("bans_total") == 1
        assert len(first.received) <= 150
        assert first.metric('dropped_total{direction="in",lane="gossip"}') > 0
        await still_talk(first, second)

    run(scenario)


def test_answers_that_nobody_asked_for_are_banned():
    """Some twenty of them; the bytes are not held."""

    async def scenario(cluster: Cluster) -> None:
        first, second = await pair(cluster)
        answer = message(Kind.BLOCKS, bytes(60 * KIB), Form.RESPONSE, 77)
        async with intrude(first, MALLORY) as (stream, session):
            for _ in range(20):
                await stream.send_all(session.sealer.seal(encode_piece(answer, 0, 60 * KIB)))
            await until(lambda: first.metric("bans_total") == 1)
        assert MALLORY.account not in first.known()
        await still_talk(first, second)

    run(scenario)


def test_messages_that_do_not_decode_are_banned():
    """Whoever uses the network says so by a `DecodeError`."""

    async def scenario(cluster: Cluster) -> None:
        first, second = await pair(cluster)
        piece = encode_piece(message(Kind.CONSENSUS, b"nonsense"), 0, 8)
        async with intrude(first, MALLORY) as (stream, session):
            await stream.send_all(session.sealer.seal(piece * 4))
            await until(lambda: first.metric("bans_total") == 1)
        assert MALLORY.account not in first.known()
        await still_talk(first, second)

    run(scenario)


def test_what_peers_can_make_the_node_hold_is_bounded():
    """Unfinished proposals of many peers together stay within the budget."""

    async def scenario(cluster: Cluster) -> None:
        first, second = await pair(cluster, unfinished_bytes_max=1_000_000)
        budget = first.network._budget
        piece = encode_piece(message(Kind.CONSENSUS, bytes(900_000)), 0, 800_000)
        async with AsyncExitStack() as stack:
            for number in range(5):
                identity = Keypair.from_seed(bytes([100 + number]) * 32)
                stream, session = await stack.enter_async_context(intrude(first, identity))
                await stream.send_all(session.sealer.seal(piece))
            # The honest peer, and the one that came first.
            await until(lambda: len(first.known()) == 2 and budget.used_bytes == 800_000)
            await still_talk(first, second)
        await until(lambda: budget.used_bytes == 0)

    run(scenario)


def test_a_peer_cannot_ask_for_addresses_all_the_time():
    """The second question is refused."""

    async def scenario(cluster: Cluster) -> None:
        first, _ = await pair(cluster, exchange_interval_s=1_000.0)
        answers: list[Form] = []
        incoming = Reassembler(lambda _kind, _number: True, MemoryBudget(MIB))
        async with intrude(first, MALLORY) as (stream, session):
            for number in (1, 2):
                question = message(Kind.PEERS, b"", Form.REQUEST, number)
                await stream.send_all(session.sealer.seal(encode_piece(question, 0, 0)))
            while len(answers) < 2:
                for content in session.opener.feed(await stream.receive_some(10_000)):
                    messages = incoming.feed(content, 0.0)
                    answers += [each.form for each in messages if each.kind is Kind.PEERS]
        assert answers == [Form.RESPONSE, Form.REFUSAL]

    run(scenario)


def test_a_bug_in_a_handler_is_not_hidden(monkeypatch):
    """It ends the network, and with it the node, instead of a connection without a word."""

    class Bug(Exception):
        """What nobody expects."""

    async def fail(*_arguments) -> None:
        raise Bug

    async def scenario(cluster: Cluster) -> None:
        first, second = await pair(cluster)
        monkeypatch.setattr(first, "receive", fail)
        second.network.send(first.identity, Kind.STATUS, b"x")
        await trio.sleep_forever()

    with pytest.RaisesGroup(Bug, flatten_subgroups=True):
        run(scenario)
