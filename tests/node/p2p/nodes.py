"""Whole nodes of the network over real TCP on 127.0.0.1, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import trio
from prometheus_client import CollectorRegistry, generate_latest

from node.p2p.addresses import PeerAddress
from node.p2p.errors import PeerRefused, RequestRefused
from node.p2p.greeting import greet
from node.p2p.handshake import Initiator, Session
from node.p2p.kinds import Kind
from node.p2p.limits import Limits
from node.p2p.metrics import NetworkMetrics
from node.p2p.network import Network, NetworkConfig
from runtime.errors import DecodeError
from runtime.keys import Keypair
from tests.node.p2p.wires import CHAIN, anybody, local

PATIENCE_S = 30.0
FAST = Limits(dial_interval_s=0.02, exchange_interval_s=0.3, ping_interval_s=0.3)
"""So that tests do not wait for what takes a second."""


@dataclass
class Node:
    """A node that keeps what it is told."""

    network: Network
    config: NetworkConfig
    metrics: NetworkMetrics
    registry: CollectorRegistry
    address: PeerAddress = field(default=PeerAddress("127.0.0.1", 1))
    received: list[tuple[bytes, Kind, bytes]] = field(default_factory=list)
    events: list[tuple[str, bytes]] = field(default_factory=list)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    async def receive(self, peer: bytes, kind: Kind, payload: bytes) -> None:
        if payload == b"nonsense":
            raise DecodeError("Nonsense.")
        self.received.append((peer, kind, payload))

    async def answer(self, _peer: bytes, kind: Kind, payload: bytes) -> bytes:
        if kind is not Kind.BLOCKS:
            raise RequestRefused("Only blocks.")
        return payload * 2

    def connected(self, peer: bytes) -> None:
        self.events.append(("connected", peer))

    def disconnected(self, peer: bytes) -> None:
        self.events.append(("disconnected", peer))

    @property
    def identity(self) -> bytes:
        return self.network.identity

    def known(self) -> set[bytes]:
        """The identities of its peers."""
        return {peer.identity for peer in self.network.peers()}

    def metric(self, line: str) -> float:
        """The value of a metric; 0 when it is not there."""
        for each in generate_latest(self.registry).decode().splitlines():
            if each.startswith(f"openledger_p2p_{line} "):
                return float(each.rpartition(" ")[2])
        return 0.0

    async def run(self, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        with self.scope:
            await self.network.run(task_status)

    def stop(self) -> None:
        """Stop it, and nothing else."""
        self.scope.cancel()


@dataclass
class Cluster:
    """Starts nodes in a nursery."""

    nursery: trio.Nursery
    count: int = 0

    async def start(
        self,
        *seeds: PeerAddress,
        identity: Keypair | None = None,
        reserved: tuple[PeerAddress, ...] = (),
        limits: Limits = FAST,
        book: Path | None = None,
        port: int = 0,
    ) -> Node:
        """Start one more node; each has an identity of its own."""
        self.count += 1
        keypair = identity or Keypair.from_seed(bytes([self.count]) * 32)
        config = NetworkConfig(port=port, seeds=seeds, reserved=reserved, book=book, limits=limits)
        registry = CollectorRegistry()
        metrics = NetworkMetrics(registry)
        node = Node(None, config, metrics, registry)  # type: ignore[arg-type]  # set just below
        node.network = Network(config, CHAIN, keypair, node, metrics, random=Random(self.count))
        bound = await self.nursery.start(node.run)
        node.address = PeerAddress("127.0.0.1", bound, keypair.account)
        return node


def run(scenario: Callable[[Cluster], Awaitable[None]]) -> None:
    """Run a scenario, and stop its nodes."""

    async def main() -> None:
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                await scenario(Cluster(nursery))
                nursery.cancel_scope.cancel()

    trio.run(main)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what other tasks bring about; the scenario's patience is the limit."""
    while not condition():  # noqa: ASYNC110 # of many objects, and not worth an event in each
        await trio.sleep(0.005)


@asynccontextmanager
async def intrude(
    node: Node, identity: Keypair
) -> AsyncIterator[tuple[trio.SocketStream, Session]]:
    """Connect as a peer that the test plays itself."""
    stream = await trio.open_tcp_stream(node.address.host, node.address.port)
    async with stream:
        machine = Initiator(local(identity, port=0), Random(0).randbytes(32), anybody)
        yield stream, await greet(stream, machine, PATIENCE_S)


async def is_refused(node: Node, identity: Keypair) -> bool:
    """Whether a node does not let a peer in."""
    try:
        async with intrude(node, identity):
            return False
    except PeerRefused:
        return True


def without_identity(address: PeerAddress) -> PeerAddress:
    """The address as a seed list has it."""
    return replace(address, identity=None)
