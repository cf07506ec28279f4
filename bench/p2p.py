"""How fast messages travel between two nodes, and how long a handshake takes.

    python -m bench.p2p --json

Both ends are in one process over loopback TCP, so each figure is what both sides cost together.
The raw rate is that of the same bytes over trio's TCP without encryption, framing or queues, in a
write for each message; the bulk rate, in writes of the size of a frame.  Rounds alternate, so that
a busy machine disturbs all alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import trio
import trio.testing
from nacl.utils import random as random_bytes
from prometheus_client import CollectorRegistry

from bench.report import report
from node.http.server import bound_port, open_listeners
from node.logs import configure_logs
from node.p2p.addresses import PeerAddress
from node.p2p.connection import RECEIVE_BYTES
from node.p2p.greeting import greet
from node.p2p.handshake import EPHEMERAL_BYTES, ChainIdentity, Initiator, LocalNode, Responder
from node.p2p.kinds import Kind, Lane
from node.p2p.limits import LANE_LIMITS, LaneLimits, Limits, Rate
from node.p2p.metrics import NetworkMetrics
from node.p2p.network import Network, NetworkConfig
from node.p2p.outbox import FRAME_BYTES_TARGET
from runtime.keys import Keypair

MESSAGE_BYTES = 200
MESSAGES = 200_000
BATCH_MESSAGES = 1_000
"""Sent before the writer runs, as when a node passes on what a block's worth of peers told it."""
ALONE_MESSAGES = 2_000
ROUNDS = 3
HANDSHAKES = 200
CHAIN = ChainIdentity(b"g" * 32, b"r" * 32)
UNLIMITED = Rate(10**9, 10**9)
LIMITS = Limits(
    lanes={
        **LANE_LIMITS,
        Lane.CONSENSUS: LaneLimits(UNLIMITED, UNLIMITED, 10 * BATCH_MESSAGES, 2**30),
    }
)


@dataclass(slots=True)
class _Counter:
    """The handlers of a node that counts what arrives."""

    received: int = 0
    wanted: int = 1
    arrived: trio.Event = field(default_factory=trio.Event)

    async def until(self, count: int) -> None:
        """Wait until so many messages have arrived."""
        self.wanted, self.arrived = count, trio.Event()
        await self.arrived.wait()

    async def receive(self, _peer: bytes, _kind: Kind, _payload: bytes) -> None:
        self.received += 1
        if self.received == self.wanted:
            self.arrived.set()

    async def answer(self, _peer: bytes, _kind: Kind, payload: bytes) -> bytes:
        return payload

    def connected(self, _peer: bytes) -> None:
        self.arrived.set()

    def disconnected(self, _peer: bytes) -> None:
        raise SystemExit("The connection was lost.")


@asynccontextmanager
async def _two_nodes() -> AsyncIterator[tuple[Network, _Counter]]:
    """A node, and the counter of the other one that it is connected with."""
    async with trio.open_nursery() as nursery:
        counter, ours = _Counter(), _Counter()
        keys = [Keypair.from_seed(bytes([number]) * 32) for number in (1, 2)]
        config = NetworkConfig(limits=LIMITS)
        other = Network(config, CHAIN, keys[0], counter, NetworkMetrics(CollectorRegistry()))
        port = await nursery.start(other.run)
        seeds = (PeerAddress("127.0.0.1", port),)
        sender = Network(
            replace(config, seeds=seeds), CHAIN, keys[1], ours, NetworkMetrics(CollectorRegistry())
        )
        await nursery.start(sender.run)
        await ours.arrived.wait()
        yield sender, counter
        nursery.cancel_scope.cancel()


async def _messages_per_second(sender: Network, counter: _Counter) -> float:
    payload = bytes(MESSAGE_BYTES)
    counter.received = 0
    begun = time.perf_counter()
    for start in range(0, MESSAGES, BATCH_MESSAGES):
        for _ in range(BATCH_MESSAGES):
            sender.broadcast(Kind.CONSENSUS, payload)
        # One batch at a time, well within the outbox: the other end sets the pace.
        await counter.until(start + BATCH_MESSAGES)
    return MESSAGES / (time.perf_counter() - begun)


async def _alone_per_second(sender: Network, counter: _Counter) -> float:
    """Messages that each wait for the one before to arrive."""
    payload = bytes(MESSAGE_BYTES)
    begun = time.perf_counter()
    counter.received = 0
    for count in range(1, ALONE_MESSAGES + 1):
        sender.broadcast(Kind.CONSENSUS, payload)
        await counter.until(count)
    return ALONE_MESSAGES / (time.perf_counter() - begun)


async def _raw_per_second(write_bytes: int) -> float:
    """The same bytes over a TCP connection of their own."""
    listeners = await open_listeners("127.0.0.1", 0)
    left_bytes = MESSAGES * MESSAGE_BYTES
    finished = trio.Event()

    async def receive(stream: trio.SocketStream) -> None:
        nonlocal left_bytes
        while left_bytes:
            left_bytes -= len(await stream.receive_some(RECEIVE_BYTES))
        finished.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, receive, listeners)
        stream = await trio.open_tcp_stream("127.0.0.1", bound_port(listeners))
        chunk = bytes(write_bytes)
        begun = time.perf_counter()
        for start in range(0, MESSAGES * MESSAGE_BYTES, write_bytes):
            await stream.send_all(chunk[: MESSAGES * MESSAGE_BYTES - start])
        await finished.wait()
        seconds = time.perf_counter() - begun
        nursery.cancel_scope.cancel()
    return MESSAGES / seconds


async def _handshake_ms() -> float:
    """Milliseconds of a handshake of both sides over memory streams: their computing alone."""
    locals_ = [LocalNode(CHAIN, Keypair.from_seed(bytes([n]) * 32), 0) for n in (1, 2)]
    rounds = []
    for _ in range(HANDSHAKES):
        streams = trio.testing.memory_stream_pair()
        initiator = Initiator(locals_[0], random_bytes(EPHEMERAL_BYTES), _anybody)
        responder = Responder(locals_[1], random_bytes(EPHEMERAL_BYTES), _anybody)
        begun = time.perf_counter()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(greet, streams[0], initiator, 5.0)
            nursery.start_soon(greet, streams[1], responder, 5.0)
        rounds.append(time.perf_counter() - begun)
    return statistics.median(rounds) * 1e3


def _anybody(_identity: bytes) -> None:
    """Every peer is welcome."""


async def _figures() -> dict[str, float]:
    over_raw, over_bulk, coalesced, alone = [], [], [], []
    async with _two_nodes() as (sender, counter):
        for _ in range(ROUNDS):
            coalesced.append(await _messages_per_second(sender, counter))
            over_raw.append(coalesced[-1] / await _raw_per_second(MESSAGE_BYTES))
            over_bulk.append(coalesced[-1] / await _raw_per_second(FRAME_BYTES_TARGET))
            alone.append(await _alone_per_second(sender, counter))
    return {
        "p2p_messages_per_second": statistics.median(coalesced),
        "p2p_messages_over_raw": statistics.median(over_raw),
        "p2p_messages_over_bulk": statistics.median(over_bulk),
        "p2p_message_alone_us": 1e6 / statistics.median(alone),
        "p2p_handshake_ms": await _handshake_ms(),
    }


if __name__ == "__main__":
    configure_logs("warning")
    report("p2p", trio.run(_figures))
