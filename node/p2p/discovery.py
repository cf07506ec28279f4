"""How a node finds others and stays connected: dial, ask for addresses, remember them.

Outbound connections are what an attacker cannot make: a node keeps up to ten, at most two of them
in one neighbourhood (/16), and dials whom it chooses.  Reserved peers are dialled besides, always.
Addresses are asked for, never taken unasked; a node tells those of nodes that have proved their
identity to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Protocol

import structlog
import trio

from node.errors import ConfigError
from node.p2p.address_book import AddressBook, encode_book, load_book, save_book
from node.p2p.addresses import (
    TOLD_MAX,
    PeerAddress,
    decode_addresses,
    encode_addresses,
    may_dial,
    neighbourhood,
    numeric,
)
from node.p2p.errors import (
    AlreadyConnected,
    MessageMalformed,
    NetworkError,
    RequestRefused,
    SelfConnection,
)
from node.p2p.kinds import Farewell, Kind
from node.p2p.limits import Limits
from node.p2p.peers import Peer
from node.p2p.reputation import Misbehaviour, Reputation

REFUSED_RETRY_S = 60.0
"""How long a node that has no place for us is left alone."""
SHORT_S = 10.0
"""A connection that ends so soon counts as a failure."""
ASK_TIMEOUT_S = 10.0
_log = structlog.get_logger("p2p")


class Links(Protocol):
    """What discovery needs of the network."""

    def peers_now(self) -> tuple[Peer, ...]:
        """The connected peers."""

    async def dial(self, address: PeerAddress) -> Peer:
        """Make a connection; raises `NetworkError`."""

    async def hold(self, peer: Peer) -> None:
        """Carry messages until the connection ends."""

    def blame(self, peer: Peer, misbehaviour: Misbehaviour) -> None:
        """Count what a peer has done."""


@dataclass(frozen=True, slots=True)
class Known:
    """Whom a node knows before it starts, and where it remembers the others."""

    own_identity: bytes
    seeds: tuple[PeerAddress, ...]
    reserved: tuple[PeerAddress, ...]
    file: Path | None


class Discovery:
    """Keeps one node connected; `run` it once."""

    def __init__(
        self,
        known: Known,
        links: Links,
        reputation: Reputation,
        limits: Limits,
        random: Random,
        clock: Callable[[], float],
    ) -> None:
        self._known = known
        self._links = links
        self._reputation = reputation
        self._limits = limits
        self._random = random
        self._clock = clock
        self._book = AddressBook(limits, random)
        self._dialling: dict[PeerAddress, None] = {}

    def load(self) -> None:
        """Read the address book's file, and take what the operator has given; see `load_book`."""
        if self._known.file is not None:
            for ban in load_book(self._known.file, self._book):
                self._reputation.keep_out(ban, self._clock())
        for address in (*self._known.seeds, *self._known.reserved):
            self._book.give(address)

    async def run(self) -> None:
        """Dial, ask and save until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_dialling, nursery)
                nursery.start_soon(self._keep_asking)
                nursery.start_soon(self._keep_saving)
        finally:
            with trio.CancelScope(shield=True):
                await self._save()

    # Dialling

    async def _keep_dialling(self, nursery: trio.Nursery) -> None:
        while True:
            address = self._next_to_dial()
            if address is None:
                await trio.sleep(self._limits.dial_interval_s)
                continue
            self._dialling[address] = None
            nursery.start_soon(self._dial, address)

    def _next_to_dial(self) -> PeerAddress | None:
        peers = self._links.peers_now()
        if len(self._dialling) >= self._limits.dials_max:
            return None
        now_s = self._clock()
        picked = self._book.pick(
            now_s, lambda a: a in self._known.reserved and self._is_free(a, peers)
        )
        if picked is not None:
            return picked
        outbound = sum(not peer.inbound and not peer.reserved for peer in peers)
        if outbound + len(self._dialling) >= self._limits.outbound_max:
            return None
        return self._book.pick(
            now_s, lambda a: self._is_free(a, peers) and not self._is_crowded(a, peers)
        )

    def _is_free(self, address: PeerAddress, peers: tuple[Peer, ...]) -> bool:
        """Whether an address may be dialled: nobody is connected there, nobody is banned there."""
        identity = address.identity
        if address in self._dialling or identity == self._known.own_identity:
            return False
        if identity is not None and any(peer.identity == identity for peer in peers):
            return False
        return address in self._known.reserved or not self._is_banned(address)

    def _is_banned(self, address: PeerAddress) -> bool:
        now_s = self._clock()
        ip, identity = numeric(address.host), address.identity
        if ip is not None and self._reputation.is_address_banned(str(ip), now_s):
            return True
        return identity is not None and self._reputation.is_banned(identity, now_s)

    def _is_crowded(self, address: PeerAddress, peers: tuple[Peer, ...]) -> bool:
        ip = numeric(address.host)
        if ip is None or not ip.is_global:
            return False
        place = neighbourhood(str(ip))
        same = sum(not peer.inbound and neighbourhood(peer.ip) == place for peer in peers)
        return same >= self._limits.outbound_per_neighbourhood_max

    async def _dial(self, address: PeerAddress) -> None:
        try:
            peer = await self._links.dial(address)
        except SelfConnection:
            self._book.never(address)
            return
        except AlreadyConnected as error:
            self._book.meet(replace(address, identity=error.identity), self._clock())
            return
        except NetworkError as error:
            _log.debug("not connected", address=str(address), reason=error.message)
            self._book.fail(address, self._clock())
            return
        finally:
            del self._dialling[address]
        reached = replace(address, identity=peer.identity)
        self._book.meet(reached, self._clock())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.ask, peer)
            await self._links.hold(peer)
            nursery.cancel_scope.cancel()
        if peer.connection.farewell in (Farewell.FULL, Farewell.BANNED):
            self._book.fail(reached, self._clock(), REFUSED_RETRY_S)
        elif trio.current_time() - peer.connection.since_s < SHORT_S:
            self._book.fail(reached, self._clock())

    # Addresses

    def arrived(self, peer: Peer) -> None:
        """Remember where an inbound peer says that it can be reached."""
        address = peer.says_it_is_at()
        if address is not None and may_dial(address, peer.ip):
            self._book.tell(address, peer.identity)

    async def _keep_asking(self) -> None:
        """While connections are missing, ask a peer now and then for addresses."""
        while True:
            await trio.sleep(self._limits.exchange_interval_s)
            peers = self._links.peers_now()
            if peers and sum(not peer.inbound for peer in peers) < self._limits.outbound_max:
                await self.ask(self._random.choice(peers))

    async def ask(self, peer: Peer) -> None:
        """Ask a peer for addresses, unless it was asked lately."""
        now_s = trio.current_time()
        if now_s - peer.asked_at_s < self._limits.exchange_interval_s:
            return
        peer.asked_at_s = now_s
        try:
            answer = await peer.connection.request(Kind.PEERS, b"", ASK_TIMEOUT_S)
            told = decode_addresses(answer)
        except MessageMalformed:
            self._links.blame(peer, Misbehaviour.MALFORMED)
            return
        except NetworkError as error:
            _log.debug("no addresses", peer=peer.identity.hex(), reason=error.message)
            return
        for address in told:
            if address.identity != self._known.own_identity and may_dial(address, peer.ip):
                self._book.tell(address, peer.identity)

    def answer(self, peer: Peer) -> bytes:
        """Tell a peer some addresses; raises `RequestRefused` when it asks too often."""
        now_s = trio.current_time()
        # Half the interval: the way here may have been faster this time than last.
        if now_s - peer.answered_at_s < self._limits.exchange_interval_s / 2:
            message = "Addresses were asked for a moment ago."
            raise RequestRefused(message, remedy="Ask less often.")
        peer.answered_at_s = now_s
        connected = [
            address
            for other in self._links.peers_now()
            if other.inbound and other is not peer and (address := other.says_it_is_at())
        ]
        met = self._book.share(self._clock(), peer.identity, TOLD_MAX)
        told = [*self._random.sample(connected, min(len(connected), TOLD_MAX // 2)), *met]
        return encode_addresses(tuple(dict.fromkeys(told))[:TOLD_MAX])

    # The file

    async def _keep_saving(self) -> None:
        while True:
            await trio.sleep(self._limits.save_interval_s)
            await self._save()

    async def _save(self) -> None:
        if self._known.file is None:
            return
        encoded = encode_book(self._book, self._reputation.bans(self._clock()))
        try:
            await trio.to_thread.run_sync(save_book, self._known.file, encoded)
        except ConfigError as error:
            _log.error("address book not saved", reason=error.message, remedy=error.remedy)
