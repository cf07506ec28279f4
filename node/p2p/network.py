"""The node's network: `run` it in a nursery, then send, ask, and be told what arrives.

    network = Network(config, chain, identity, handlers, metrics)
    port = await nursery.start(network.run)
    network.broadcast(Kind.CONSENSUS, vote)
    blocks = await network.request(peer, Kind.BLOCKS, heights, timeout_s=5)

`docs/operate/network.md` says how it behaves towards other nodes, and `limits.py` where its bounds
are.  Whatever a peer does ends at most its own connection; an exception in a handler that is not a
`DecodeError` is a bug of this node, and ends `run`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random, SystemRandom
from typing import Protocol

import structlog
import trio
from nacl.utils import random as random_bytes

from node.errors import ConfigError
from node.http.server import bound_port, open_listeners
from node.p2p.addresses import PeerAddress, numeric
from node.p2p.connection import Connection
from node.p2p.discovery import Discovery, Known
from node.p2p.errors import (
    AlreadyConnected,
    HandshakeError,
    HandshakeForged,
    HandshakeTimeout,
    NotOurProtocol,
    PeerLost,
    PeerRefused,
    RequestRefused,
)
from node.p2p.greeting import greet
from node.p2p.handshake import (
    EPHEMERAL_BYTES,
    ChainIdentity,
    Initiator,
    LocalNode,
    Responder,
    Session,
)
from node.p2p.kinds import GOSSIP_KINDS, Farewell, Form, Kind
from node.p2p.limits import Limits
from node.p2p.messages import MemoryBudget, Message, check_size
from node.p2p.metrics import Direction, NetworkMetrics
from node.p2p.outbox import Parcel
from node.p2p.peers import Peer, PeerView
from node.p2p.rates import ArrivalRates
from node.p2p.reputation import (
    Ban,
    Misbehaviour,
    Reputation,
    of_address,
    of_identity,
    parse_subject,
)
from node.p2p.seen import SeenMessages
from node.p2p.slots import check_address, keep_new, make_room
from runtime.keys import Keypair

_log = structlog.get_logger("p2p")
_BLAMED = {
    NotOurProtocol: Misbehaviour.BAD_HANDSHAKE,
    HandshakeForged: Misbehaviour.BAD_HANDSHAKE,
    HandshakeTimeout: Misbehaviour.SLOW,
}
"""Failures of a handshake that honest nodes do not bring about, or rarely."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Where a node listens and whom it knows."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 for any free one."""
    seeds: tuple[PeerAddress, ...] = ()
    """Nodes to begin with."""
    reserved: tuple[PeerAddress, ...] = ()
    """Nodes, with their identities, to be connected with always: dialled again and again, never
    sent away, never banned."""
    book: Path | None = None
    """The address book's file, or None to keep it in memory."""
    limits: Limits = field(default_factory=Limits)


class Handlers(Protocol):
    """Who uses the network: what it is told, and asked.

    Each method is called by one task for each lane of each peer, so messages of a lane come in
    order, and one that takes long delays that lane of that peer only; a peer that has to wait for
    20 s gives up.  When the peer goes, whatever is handling its messages is cancelled.  Nothing is
    received before `connected` or after `disconnected`.  A `DecodeError` says that no honest node
    sends this; it is counted as `Misbehaviour.INVALID`.
    """

    async def receive(self, peer: bytes, kind: Kind, payload: bytes) -> None:
        """Take a message that a peer has sent."""

    async def answer(self, peer: bytes, kind: Kind, payload: bytes) -> bytes:
        """Answer a peer's request; raises `RequestRefused`."""

    def connected(self, peer: bytes) -> None:
        """A peer is there; it can be sent messages from now on."""

    def disconnected(self, peer: bytes) -> None:
        """A peer is gone."""


class Network:
    """One node's connections to others; not safe to share between threads."""

    def __init__(
        self,
        config: NetworkConfig,
        chain: ChainIdentity,
        identity: Keypair,
        handlers: Handlers,
        metrics: NetworkMetrics,
        *,
        random: Random | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`random` spreads dials over nodes and time; `clock` is the wall clock of bans.

        Raises `ConfigError` for a reserved peer without an identity.
        """
        self._config = config
        self._limits = config.limits
        self._local = LocalNode(chain, identity, 0)
        self._handlers = handlers
        self._metrics = metrics
        self._clock = clock
        self._peers: dict[bytes, Peer] = {}
        self._arriving: dict[int, tuple[str, trio.CancelScope]] = {}
        self._arrivals = 0
        self._budget = MemoryBudget(self._limits.unfinished_bytes_max)
        self._reputation = Reputation(self._limits.bans_max)
        self._rates = ArrivalRates(self._limits.arrivals, self._limits.arrivals_remembered_max)
        self._reserved = frozenset(each.identity for each in config.reserved)
        self._reserved_ips = frozenset(
            str(ip) for each in config.reserved if (ip := numeric(each.host)) is not None
        )
        if None in self._reserved:
            message = "A reserved peer has no identity."
            raise ConfigError(message, remedy="Write it as IDENTITY@HOST:PORT.")
        known = Known(identity.account, config.seeds, config.reserved, config.book)
        self._discovery = Discovery(
            known, self, self._reputation, self._limits, random or SystemRandom(), clock
        )
        self._seen: SeenMessages | None = None
        metrics.watch_peers(self._count)

    @property
    def identity(self) -> bytes:
        """Who this node is for others."""
        return self._local.identity.account

    async def run(self, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Be part of the network until cancelled; starts with the port that it listens on.

        Raises `PortInUse`, and `ConfigError` for an address book that cannot be read.
        """
        self._discovery.load()
        listeners = await open_listeners(self._config.host, self._config.port)
        self._local = replace(self._local, listen_port=bound_port(listeners))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, self._accept, listeners)
            nursery.start_soon(self._discovery.run)
            task_status.started(self._local.listen_port)

    # Sending

    def broadcast(self, kind: Kind, payload: bytes, except_peer: bytes | None = None) -> int:
        """Send a message to all peers but one; returns to how many it is on its way."""
        parcel = _parcel(kind, Form.MESSAGE, payload)
        if kind in GOSSIP_KINDS:
            self._is_new(kind, payload)  # what comes back need not be delivered
        receivers = [peer for peer in self._peers.values() if peer.identity != except_peer]
        return sum([peer.connection.send(parcel) for peer in receivers])

    def send(self, peer: bytes, kind: Kind, payload: bytes) -> bool:
        """Send a message to one peer; False when it is not connected, or too much waits for it."""
        parcel = _parcel(kind, Form.MESSAGE, payload)
        receiver = self._peers.get(peer)
        return receiver is not None and receiver.connection.send(parcel)

    async def request(self, peer: bytes, kind: Kind, payload: bytes, timeout_s: float) -> bytes:
        """A peer's answer.

        Raises `PeerLost`, `PeerTooSlow`, `RequestRefused` and `TooManyRequests`.
        """
        check_size(kind, Form.REQUEST, payload)
        asked = self._peers.get(peer)
        if asked is None:
            message = f"The peer {peer.hex()} is not connected."
            raise PeerLost(message, remedy="Ask another peer.")
        return await asked.connection.request(kind, payload, timeout_s)

    def peers(self) -> tuple[PeerView, ...]:
        """The connected peers."""
        now_s = self._clock()
        return tuple(
            peer.view(self._reputation.points(peer.identity, now_s))
            for peer in self._peers.values()
        )

    def report(self, peer: bytes, misbehaviour: Misbehaviour) -> None:
        """Count what a connected peer has done; enough of it, and it is sent away and banned."""
        known = self._peers.get(peer)
        if known is not None:
            self.blame(known, misbehaviour)

    # Orders of the operator

    def bans(self) -> tuple[Ban, ...]:
        """Who is kept out, and until when."""
        return tuple(self._reputation.bans(self._clock()))

    def ban(self, who: str, length_s: float) -> Ban:
        """Keep out who has an identity or an IP address, and send away who is here.

        Raises `InvalidAddress`, and `ConfigError` for a reserved peer.
        """
        ban = Ban(parse_subject(who), self._clock() + length_s)
        if ban.who in self._reserved_subjects():
            message = f"{who} is a reserved peer, which is never banned."
            raise ConfigError(message, remedy="Start the node again without its --peer.")
        self._reputation.keep_out(ban, self._clock())
        for peer in self.peers_now():
            if ban.who in (of_identity(peer.identity), of_address(peer.ip)) and not peer.reserved:
                self._dismiss(peer, Farewell.BANNED)
        return ban

    def _reserved_subjects(self) -> set[str]:
        identities = {of_identity(each) for each in self._reserved if each is not None}
        return identities | {of_address(ip) for ip in self._reserved_ips}

    def lift_ban(self, who: str) -> bool:
        """Let somebody in again; whether it was banned.  Raises `InvalidAddress`."""
        return self._reputation.forgive(parse_subject(who))

    # For connections

    async def deliver(self, connection: Connection, message: Message) -> None:
        """Hand a message to who uses the network, gossip only once."""
        kind, payload = message.kind, message.payload
        if kind not in GOSSIP_KINDS or self._is_new(kind, payload):
            await self._handlers.receive(connection.remote.identity, kind, payload)

    async def answer(self, connection: Connection, message: Message) -> bytes:
        """Answer a peer's request; raises `RequestRefused`."""
        identity = connection.remote.identity
        peer = self._peers.get(identity)
        if peer is None:
            raise RequestRefused("The peer is not connected any more.", remedy="Connect again.")
        if message.kind is Kind.PEERS:
            return self._discovery.answer(peer)
        payload = await self._handlers.answer(identity, message.kind, message.payload)
        check_size(message.kind, Form.RESPONSE, payload)
        return payload

    def misbehaved(self, connection: Connection, misbehaviour: Misbehaviour) -> None:
        """Count what the peer of a connection has done."""
        peer = self._peers.get(connection.remote.identity)
        if peer is not None and peer.connection is connection:
            self.blame(peer, misbehaviour)

    # For discovery

    def peers_now(self) -> tuple[Peer, ...]:
        """The connected peers."""
        return tuple(self._peers.values())

    async def dial(self, address: PeerAddress) -> Peer:
        """Make a connection to an address; raises `NetworkError`."""
        try:
            with trio.fail_after(self._limits.connect_timeout_s):
                stream = await trio.open_tcp_stream(address.host, address.port)
        except (OSError, UnicodeError, trio.TooSlowError) as error:
            message = f"{address} cannot be reached: {str(error) or 'no answer'}."
            raise PeerLost(message, remedy="The node tries again later.") from error
        machine = Initiator(self._local, _ephemeral(), self._check_dialled, address.identity)
        try:
            session = await greet(stream, machine, self._limits.connect_timeout_s)
        except BaseException as error:
            if isinstance(error, HandshakeError):
                self._metrics.count_handshake_failure("out", error)
            await trio.aclose_forcefully(stream)
            raise
        return self._peer(stream, session, inbound=False)

    async def hold(self, peer: Peer) -> None:
        """Give a connection its place, and carry its messages until it ends."""
        async with peer.stream:
            try:
                self._admit(peer)
            except PeerRefused as error:
                self._metrics.count_handshake_failure(_direction(peer), error)
                await peer.connection.run()
                return
            _log.info("connected", peer=peer.identity.hex(), ip=peer.ip, inbound=peer.inbound)
            try:
                ended_by = await peer.connection.run()
            finally:
                self._forget(peer)
            reason = "closed" if ended_by is None else ended_by.message
            _log.info("disconnected", peer=peer.identity.hex(), reason=reason)

    def blame(self, peer: Peer, misbehaviour: Misbehaviour) -> None:
        """Count what a peer has done; enough of it, and it is sent away and banned."""
        banned = not peer.reserved and self._reputation.report(
            peer.identity, peer.ip, misbehaviour, self._clock()
        )
        self._metrics.count_misbehaviour(misbehaviour, banned=banned)
        if banned:
            _log.warning("banned", peer=peer.identity.hex(), ip=peer.ip, last=misbehaviour.label)
            self._dismiss(peer, Farewell.BANNED)

    # Arrivals

    async def _accept(self, stream: trio.SocketStream) -> None:
        async with stream:
            place = _place_of(stream)
            if place is None:
                return
            ip = place[0]
            try:
                session = await self._welcome(stream, ip)
            except HandshakeError as error:
                self._metrics.count_handshake_failure("in", error)
                misbehaviour = _BLAMED.get(type(error))
                if misbehaviour is not None:
                    banned = self._reputation.report(None, ip, misbehaviour, self._clock())
                    self._metrics.count_misbehaviour(misbehaviour, banned=banned)
                return
            peer = self._peer(stream, session, inbound=True)
            self._discovery.arrived(peer)
            await self.hold(peer)

    def _check_arrival(self, ip: str) -> None:
        """Raise `PeerRefused` for an address that nobody may connect from now."""
        if ip in self._reserved_ips:
            return
        if self._reputation.is_address_banned(ip, self._clock()):
            raise PeerRefused(f"The address {ip} is banned.", remedy="Wait until the ban is over.")
        if not self._rates.allows(ip, trio.current_time()):
            raise PeerRefused(f"{ip} connects too often.", remedy="Wait a minute.")
        arriving = [other for other, _ in self._arriving.values()]
        connected = [peer.ip for peer in self._peers.values() if peer.inbound]
        check_address(ip, arriving + connected, self._limits)

    async def _welcome(self, stream: trio.SocketStream, ip: str) -> Session:
        """A session with whoever has connected; raises `HandshakeError`."""
        self._check_arrival(ip)
        self._arrivals += 1
        number = self._arrivals
        with trio.CancelScope() as scope:
            self._arriving[number] = (ip, scope)
            if len(self._arriving) > self._limits.handshakes_max:
                # A handshake takes milliseconds: the oldest is the least likely to be honest.
                next(iter(self._arriving.values()))[1].cancel()
            try:
                machine = Responder(self._local, _ephemeral(), self._check_peer)
                return await greet(stream, machine, self._limits.connect_timeout_s)
            finally:
                del self._arriving[number]
        raise PeerRefused("Too many others connect.", remedy="Try again in a few seconds.")

    def _check_peer(self, identity: bytes) -> None:
        if identity not in self._reserved and self._reputation.is_banned(identity, self._clock()):
            message = f"The peer {identity.hex()} is banned."
            raise PeerRefused(message, remedy="Wait until the ban is over.")

    def _check_dialled(self, identity: bytes) -> None:
        # Before the other side knows who calls: to it a second connection means that we have lost
        # the first.
        if identity in self._peers:
            raise AlreadyConnected(identity)
        self._check_peer(identity)

    # Places

    def _peer(self, stream: trio.SocketStream, session: Session, *, inbound: bool) -> Peer:
        place = _place_of(stream) or ("::", 0)  # gone meanwhile, which reading will notice
        connection = Connection(stream, session, self, self._limits, self._budget, self._metrics)
        reserved = session.remote.identity in self._reserved
        return Peer(stream, connection, place, inbound=inbound, reserved=reserved)

    def _admit(self, peer: Peer) -> None:
        """Give a peer its place, at the cost of another if need be; raises `PeerRefused`."""
        old = self._peers.get(peer.identity)
        if old is not None:
            now_s = trio.current_time()
            if not keep_new(
                self.identity, peer.identity, old=old.slot(), new_inbound=peer.inbound, now_s=now_s
            ):
                peer.connection.leave(Farewell.DUPLICATE)
                message = "There is a connection with this peer already."
                raise PeerRefused(message, remedy="Nothing to do: one is enough.")
            self._dismiss(old, Farewell.DUPLICATE)
        elif peer.inbound and not peer.reserved:
            try:
                victim = make_room(
                    peer.ip, [each.slot() for each in self._peers.values()], self._limits
                )
            except PeerRefused:
                peer.connection.leave(Farewell.FULL)
                raise
            if victim is not None:
                self._dismiss(self._peers[victim.identity], Farewell.FULL)
        self._peers[peer.identity] = peer
        self._handlers.connected(peer.identity)

    def _dismiss(self, peer: Peer, reason: Farewell) -> None:
        """Send a peer away; its place is free at once."""
        self._forget(peer)
        peer.connection.leave(reason)

    def _forget(self, peer: Peer) -> None:
        if self._peers.get(peer.identity) is peer:
            del self._peers[peer.identity]
            self._handlers.disconnected(peer.identity)

    def _is_new(self, kind: Kind, payload: bytes) -> bool:
        now_s = trio.current_time()
        if self._seen is None:
            self._seen = SeenMessages(
                self._limits.seen_messages_max, self._limits.seen_period_s, now_s
            )
        return self._seen.add(kind, payload, now_s)

    def _count(self, direction: Direction) -> int:
        return sum(peer.inbound == (direction == "in") for peer in self._peers.values())


def _parcel(kind: Kind, form: Form, payload: bytes) -> Parcel:
    check_size(kind, form, payload)
    return Parcel(Message(kind, form, 0, payload))


def _place_of(stream: trio.SocketStream) -> tuple[str, int] | None:
    """IP address and port of the other end, or None when it is gone."""
    try:
        host, port = stream.socket.getpeername()[:2]
    except OSError:
        return None
    return str(numeric(host)), port


def _ephemeral() -> bytes:
    return random_bytes(EPHEMERAL_BYTES)


def _direction(peer: Peer) -> Direction:
    return "in" if peer.inbound else "out"
