"""Block sync: a node that is behind asks others for ranges of decided blocks.

Every node tells its peers its height every few seconds.  Blocks that a peer sends are checked like
any others: the engine verifies what decided them, and execution what they lead to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import structlog
import trio

from consensus.messages import BlockBytes, Decided
from consensus.votes import Certificate
from node.chain import Chain
from node.consensus.driver import Driver, decided_block
from node.p2p.errors import NetworkError
from node.p2p.kinds import Kind
from node.p2p.network import Network
from node.p2p.reputation import Misbehaviour
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.types import U32, BlockNumber, Hash, Max

STATUS_INTERVAL_S = 2.0
RANGE_BLOCKS_MAX = 64
"""The most blocks of one answer."""
RANGE_BYTES_MAX = 7 * 1024 * 1024
"""The most bytes of the blocks of one answer; the first one is sent whatever its size."""
ANSWER_TIMEOUT_S = 10.0
IMPORT_TIMEOUT_S = 60.0
"""A range that is not imported in this time is asked for again, from another peer."""
_log = structlog.get_logger("sync")


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """Where a node is: its last finalised block."""

    height: BlockNumber
    block_id: Hash


@dataclass(frozen=True, slots=True)
class RangeRequest:
    """Ask for decided blocks from a height on."""

    first: BlockNumber
    count: U32


@dataclass(frozen=True, slots=True)
class DecidedBlock:
    """One block of the answer, with what decided it."""

    block: BlockBytes
    certificate: Certificate


_ANSWER = codec_of(Annotated[tuple[DecidedBlock, ...], Max(RANGE_BLOCKS_MAX)])


@dataclass(slots=True)
class BlockSync:
    """Keeps a node at the height of its peers; `run` it once."""

    chain: Chain
    driver: Driver
    network: Network
    _heights: dict[bytes, int] = field(default_factory=dict)
    _lagging: dict[bytes, None] = field(default_factory=dict)
    """Peers that did not give what they claim to have, until another one has been tried."""

    @property
    def is_behind(self) -> bool:
        """Whether a peer is more than a block ahead."""
        return max(self._heights.values(), default=0) > self.chain.head.height + 1

    @property
    def highest(self) -> int:
        """The greatest height that this node or a connected peer has."""
        return max(self.chain.head.height, *self._heights.values(), 0)

    def status(self) -> bytes:
        """What this node tells its peers of itself."""
        return codec_of(PeerStatus).encode(PeerStatus(self.chain.head.height, self.chain.head_id))

    def take_status(self, peer: bytes, payload: bytes) -> None:
        """Note where a peer is; raises `DecodeError`."""
        self._heights[peer] = codec_of(PeerStatus).decode(payload).height

    def forget(self, peer: bytes) -> None:
        """A peer is gone."""
        self._heights.pop(peer, None)
        self._lagging.pop(peer, None)

    def answer(self, payload: bytes) -> bytes:
        """The decided blocks that a peer asks for, as many as fit; raises `DecodeError`."""
        wanted = codec_of(RangeRequest).decode(payload)
        blocks: list[DecidedBlock] = []
        left_bytes = RANGE_BYTES_MAX
        last = min(wanted.first + min(wanted.count, RANGE_BLOCKS_MAX), self.chain.head.height + 1)
        for height in range(wanted.first, last):
            decided = decided_block(self.chain.store, height)
            if decided is None or (blocks and len(decided.block) > left_bytes):
                break
            left_bytes -= len(decided.block)
            blocks.append(DecidedBlock(decided.block, decided.certificate))
        return _ANSWER.encode(tuple(blocks))

    async def run(self) -> None:
        """Tell peers our height, and catch up with theirs, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell)
            while True:
                before = self.chain.head.height
                await trio.sleep(STATUS_INTERVAL_S / 2)
                signer = self.driver.signer
                if signer is not None and self._heights and not self.is_behind:
                    signer.synchronised_at(self.highest)
                # One block ahead is how peers are while a block is on its way to us.
                stuck = before == self.chain.head.height and self.highest > before
                while self.is_behind or stuck:
                    stuck = False
                    await self._fetch()

    async def _tell(self) -> None:
        while True:
            self.network.broadcast(Kind.STATUS, self.status())
            await trio.sleep(STATUS_INTERVAL_S)

    async def _fetch(self) -> None:
        """Ask the peer that is furthest for the next range, and wait until it is imported."""
        first = self.chain.head.height + 1
        ahead = {peer: height for peer, height in self._heights.items() if height >= first}
        willing = {peer: at for peer, at in ahead.items() if peer not in self._lagging} or ahead
        if not willing:
            return
        peer = max(willing, key=willing.__getitem__)
        request = codec_of(RangeRequest).encode(RangeRequest(first, RANGE_BLOCKS_MAX))
        try:
            payload = await self.network.request(peer, Kind.BLOCKS, request, ANSWER_TIMEOUT_S)
            blocks = _ANSWER.decode(payload)
        except NetworkError as error:
            _log.info("no blocks", peer=peer.hex(), reason=error.message)
            self._lagging[peer] = None
            await trio.sleep(STATUS_INTERVAL_S)
            return
        except DecodeError:
            self.network.report(peer, Misbehaviour.INVALID)
            blocks = ()
        numbered = [
            Decided(first + place, each.block, each.certificate)
            for place, each in enumerate(blocks)
        ]
        self.driver.deliver_decided(peer, numbered)
        if not await self._imported(first + len(blocks) - 1):
            self._lagging[peer] = None
            return
        self._lagging.clear()
        _log.info("imported", first=first, count=len(blocks), peer=peer.hex())

    async def _imported(self, height: int) -> bool:
        """Wait until the head is at a height; whether that came in time, with a new block."""
        if height <= self.chain.head.height:
            await trio.sleep(STATUS_INTERVAL_S)
            return False
        with trio.move_on_after(IMPORT_TIMEOUT_S):
            while self.chain.head.height < height:
                await self.chain.advanced.wait()
        return self.chain.head.height >= height
