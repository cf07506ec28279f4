"""What Prometheus is told of the network; every label has a bounded set of values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from node.p2p.errors import HandshakeError
from node.p2p.kinds import Kind, Lane
from node.p2p.reputation import Misbehaviour

Direction = Literal["in", "out"]
DIRECTIONS: tuple[Direction, ...] = ("in", "out")


class NetworkMetrics(Collector):
    """The network's metrics in the registry of its node.

    Messages are counted in plain integers, which are read when somebody asks: there are so many
    that Prometheus's own counters would take a third of the time of sending them.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._peers = Gauge(
            "openledger_p2p_peers",
            "Connected peers, by who has made the connection.",
            ["direction"],
            registry=registry,
        )
        bytes_ = Counter(
            "openledger_p2p_bytes", "Bytes of frames.", ["direction"], registry=registry
        )
        dropped = Counter(
            "openledger_p2p_dropped",
            "Messages that were dropped because too many wait, or arrive.",
            ["direction", "lane"],
            registry=registry,
        )
        self._handshake_failures = Counter(
            "openledger_p2p_handshake_failures",
            "Connections that did not come about, by reason.",
            ["direction", "reason"],
            registry=registry,
        )
        self._misbehaviour = Counter(
            "openledger_p2p_misbehaviour",
            "What peers did that honest nodes do not do.",
            ["misbehaviour"],
            registry=registry,
        )
        self._bans = Counter("openledger_p2p_bans", "Peers that were banned.", registry=registry)
        self._messages = {(each, kind): 0 for each in DIRECTIONS for kind in Kind}
        registry.register(self)
        # Looked up once: a label costs more than the count.
        self._bytes = {each: bytes_.labels(each) for each in DIRECTIONS}
        self._dropped = {
            (each, lane): dropped.labels(each, lane.name.lower())
            for each in DIRECTIONS
            for lane in Lane
        }

    def collect(self) -> Iterator[Metric]:
        """The number of messages by kind, for the registry."""
        family = CounterMetricFamily(
            "openledger_p2p_messages", "Messages by kind.", labels=["direction", "kind"]
        )
        for (direction, kind), count in self._messages.items():
            family.add_metric([direction, kind.name.lower()], count)
        yield family

    def watch_peers(self, count: Callable[[Direction], int]) -> None:
        """Read the number of peers whenever the metrics are asked for."""
        for direction in DIRECTIONS:
            self._peers.labels(direction).set_function(partial(count, direction))

    def count_bytes(self, direction: Direction, count: int) -> None:
        """Count bytes of frames."""
        self._bytes[direction].inc(count)

    def count_message(self, direction: Direction, kind: Kind) -> None:
        """Count a message."""
        self._messages[direction, kind] += 1

    def count_dropped(self, direction: Direction, lane: Lane, count: int) -> None:
        """Count messages that were dropped."""
        if count:
            self._dropped[direction, lane].inc(count)

    def count_handshake_failure(self, direction: Direction, error: HandshakeError) -> None:
        """Count a connection that did not come about."""
        self._handshake_failures.labels(direction, error.reason).inc()

    def count_misbehaviour(self, misbehaviour: Misbehaviour, *, banned: bool) -> None:
        """Count what a peer did, and whether it was banned for it."""
        self._misbehaviour.labels(misbehaviour.label).inc()
        if banned:
            self._bans.inc()
