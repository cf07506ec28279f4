"""A connected peer: its connection, and where it is."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import trio

from node.p2p.addresses import PeerAddress
from node.p2p.connection import Connection
from node.p2p.slots import Slot


@dataclass(frozen=True, slots=True)
class PeerView:
    """A connected peer, as the RPC shows it."""

    identity: bytes
    address: str
    """IP address and port of the other end of the connection."""
    inbound: bool
    reserved: bool
    connected_s: float
    """Seconds since the handshake."""
    received_bytes: int
    sent_bytes: int
    rtt_s: float | None
    points: float
    """Of misbehaviour, lately; 90 bring a ban."""


class Peer:
    """One connection with its stream and its place among the others."""

    __slots__ = (
        "answered_at_s",
        "asked_at_s",
        "connection",
        "inbound",
        "ip",
        "port",
        "reserved",
        "stream",
    )

    def __init__(
        self,
        stream: trio.SocketStream,
        connection: Connection,
        place: tuple[str, int],
        *,
        inbound: bool,
        reserved: bool,
    ) -> None:
        self.stream = stream
        self.connection = connection
        self.ip, self.port = place
        self.inbound = inbound
        self.reserved = reserved
        self.asked_at_s = -inf
        """When we last asked it for addresses."""
        self.answered_at_s = -inf
        """When we last told it some."""

    @property
    def identity(self) -> bytes:
        """The identity that it has proved."""
        return self.connection.remote.identity

    def slot(self) -> Slot:
        """What decides who has to leave."""
        since_s, rtt_s = self.connection.since_s, self.connection.rtt_s
        return Slot(self.identity, self.ip, self.inbound, self.reserved, since_s, rtt_s)

    def says_it_is_at(self) -> PeerAddress | None:
        """Where others can reach it, by its own words: its address, and the port it named."""
        port = self.connection.remote.listen_port
        return PeerAddress(self.ip, port, self.identity) if port else None

    def view(self, points: float) -> PeerView:
        """The peer as the RPC shows it."""
        connection = self.connection
        return PeerView(
            identity=self.identity,
            address=str(PeerAddress(self.ip, self.port)),
            inbound=self.inbound,
            reserved=self.reserved,
            connected_s=trio.current_time() - connection.since_s,
            received_bytes=connection.received_bytes,
            sent_bytes=connection.sent_bytes,
            rtt_s=connection.rtt_s,
            points=points,
        )
