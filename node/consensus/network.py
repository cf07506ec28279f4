"""Consensus, sync and waiting extrinsics over the peer-to-peer network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Annotated

import structlog
import trio

from consensus.messages import Message, decode_message, encode_message
from node.consensus.driver import Driver
from node.consensus.snapshot_sharing import SnapshotServer
from node.consensus.sync import BlockSync
from node.errors import NodeError
from node.p2p.errors import RequestRefused
from node.p2p.handshake import ChainIdentity
from node.p2p.kinds import Kind
from node.p2p.metrics import NetworkMetrics
from node.p2p.network import Network, NetworkConfig
from node.p2p.reputation import Misbehaviour
from runtime.block import EXTRINSIC_BYTES_MAX
from runtime.codec import codec_of
from runtime.errors import InvalidTransaction
from runtime.extrinsic import NotSigned
from runtime.keys import Keypair
from runtime.types import Max

GOSSIP_EXTRINSICS_MAX = 256
"""The most extrinsics of one message."""
GOSSIP_BYTES_MAX = 512 * 1024
GOSSIP_INTERVAL_S = 0.02
"""Extrinsics that are admitted in this time are passed on together."""
_EXTRINSICS = codec_of(
    Annotated[tuple[Annotated[bytes, Max(EXTRINSIC_BYTES_MAX)], ...], Max(GOSSIP_EXTRINSICS_MAX)]
)
_log = structlog.get_logger("gossip")

Submit = Callable[[bytes], Awaitable[object]]
"""Admit an extrinsic to the mempool; raises `InvalidTransaction` or `NodeError`."""


class ChainNetwork:
    """A node of the chain among others: `Peers` of the engine, and `Handlers` of the network."""

    def __init__(
        self,
        config: NetworkConfig,
        chain: ChainIdentity,
        identity: Keypair,
        metrics: NetworkMetrics,
        waiting: Callable[[], Iterable[bytes]],
    ) -> None:
        """`waiting` gives the encoded extrinsics of the mempool, for new peers."""
        self.network = Network(config, chain, identity, self, metrics)
        self._waiting = waiting
        self._submit: Submit | None = None
        self._new: list[bytes] = []
        """Admitted since extrinsics were last passed on; as many as the mempool admits."""
        self._has_new = trio.Event()
        self._driver: Driver | None = None
        self._sync: BlockSync | None = None
        self._snapshots: SnapshotServer | None = None

    def join(
        self, driver: Driver, sync: BlockSync, snapshots: SnapshotServer, submit: Submit
    ) -> None:
        """Give messages and requests to whom they concern."""
        self._driver, self._sync, self._submit = driver, sync, submit
        self._snapshots = snapshots

    # Peers

    def broadcast(self, message: Message) -> None:
        """Send to every peer."""
        self.network.broadcast(Kind.CONSENSUS, encode_message(message))

    def send(self, peer: bytes, message: Message) -> None:
        """Send to one peer, if it is connected."""
        self.network.send(peer, Kind.CONSENSUS, encode_message(message))

    def penalise(self, peer: bytes, reason: str) -> None:
        """Lower a peer's score: what it sent does not verify."""
        _log.info("misbehaved", peer=peer.hex(), reason=reason)
        self.network.report(peer, Misbehaviour.INVALID)

    def pass_on(self, raw: bytes) -> None:
        """Send an extrinsic that was just admitted to all peers, with those that come next."""
        self._new.append(raw)
        self._has_new.set()

    async def run(self) -> None:
        """Pass on what is admitted until cancelled."""
        while True:
            await self._has_new.wait()
            await trio.sleep(GOSSIP_INTERVAL_S)
            self._has_new = trio.Event()
            new, self._new = self._new, []
            for payload in _batches(new):
                self.network.broadcast(Kind.EXTRINSICS, payload)

    # Handlers

    async def receive(self, peer: bytes, kind: Kind, payload: bytes) -> None:
        """Take a message that a peer has sent; raises `DecodeError`."""
        if kind is Kind.CONSENSUS and self._driver is not None:
            self._driver.deliver(peer, decode_message(payload))
        elif kind is Kind.STATUS and self._sync is not None:
            self._sync.take_status(peer, payload)
        elif kind is Kind.EXTRINSICS:
            await self._admit(peer, _EXTRINSICS.decode(payload))

    async def _admit(self, peer: bytes, extrinsics: tuple[bytes, ...]) -> None:
        """Admit what a peer passed on; what is new is passed on by whoever admits it."""
        if self._submit is None:
            return
        for raw in extrinsics:
            try:
                await self._submit(raw)
            except NotSigned:
                # Nobody's head makes it valid: the peer did not check what it passes on.
                self.network.report(peer, Misbehaviour.INVALID)
                return
            except (InvalidTransaction, NodeError) as error:
                # The peer may know another head than this node: not its fault.
                _log.debug("not admitted", peer=peer.hex(), reason=error.message)

    async def answer(self, peer: bytes, kind: Kind, payload: bytes) -> bytes:
        """Answer a peer's request; raises `RequestRefused`, `DecodeError`."""
        del peer
        if kind is Kind.BLOCKS and self._sync is not None:
            return await trio.to_thread.run_sync(self._sync.answer, payload)
        if kind is Kind.SNAPSHOT and self._snapshots is not None:
            return await trio.to_thread.run_sync(self._snapshots.answer, payload)
        raise RequestRefused("This node does not answer it.", remedy="Ask another node.")

    def connected(self, peer: bytes) -> None:
        """A peer is there: tell it where we are, and what waits."""
        if self._sync is not None:
            self.network.send(peer, Kind.STATUS, self._sync.status())
        for payload in _batches(self._waiting()):
            self.network.send(peer, Kind.EXTRINSICS, payload)

    def disconnected(self, peer: bytes) -> None:
        """A peer is gone."""
        if self._sync is not None:
            self._sync.forget(peer)


def _batches(extrinsics: Iterable[bytes]) -> Iterator[bytes]:
    """The messages that carry extrinsics, each within the limits."""
    batch: list[bytes] = []
    size_bytes = 0
    for raw in extrinsics:
        if len(batch) == GOSSIP_EXTRINSICS_MAX or size_bytes + len(raw) > GOSSIP_BYTES_MAX:
            yield _EXTRINSICS.encode(tuple(batch))
            batch, size_bytes = [], 0
        batch.append(raw)
        size_bytes += len(raw)
    if batch:
        yield _EXTRINSICS.encode(tuple(batch))
