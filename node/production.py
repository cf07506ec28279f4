"""Block production: carries out what the consensus engine asks for, strictly in order.

    engine -> BuildBlock      wait for a reason, execute waiting extrinsics    -> BlockBuilt
           -> PersistSigner   the signer file, fsynced
           -> BroadcastVote   comes back as VoteReceived
           -> FinalizeBlock   one synced batch; the mempool forgets what is in it

This task alone changes the chain's state.  Whatever takes long (execution, fsync) runs in a worker
thread, so that requests are answered meanwhile; what they read is finalised and does not change.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

import structlog
import trio

from consensus.engine import (
    BlockBuilt,
    BroadcastVote,
    BuildBlock,
    Effect,
    Engine,
    Event,
    FinalizeBlock,
    PersistSigner,
    Start,
    VoteReceived,
)
from node.chain import Candidate, Chain
from node.config import DataDirectory
from node.files import write_atomically
from node.mempool import Mempool
from node.metrics import Metrics
from runtime.block import BLOCK_BYTES_MAX, BLOCK_EXTRINSICS_MAX
from runtime.errors import StoreError
from runtime.extrinsic import CheckedExtrinsic

BLOCK_INTERVAL_MIN_S = 0.1
"""Between two blocks: what arrives meanwhile shares one block and its fsyncs."""
BLOCK_HEADROOM_BYTES = 64 * 1024
"""Left free in a block for its header and the encoding around the extrinsics."""
_log = structlog.get_logger("production")


@dataclass(slots=True)
class Producer:
    """The one task that makes blocks; `run` it once."""

    chain: Chain
    engine: Engine
    mempool: Mempool
    directory: DataDirectory
    metrics: Metrics
    heartbeat_s: float
    _last_block_s: float = 0.0
    _candidate: Candidate | None = None
    _arrived: trio.Event = field(default_factory=trio.Event)

    def wake(self) -> None:
        """An extrinsic has arrived: the next block need not wait for its heartbeat."""
        self._arrived.set()

    async def run(self) -> None:
        """Produce until cancelled; raises what makes going on unsafe."""
        head = self.chain.head
        signer_state = self.directory.read_signer()
        effects: deque[Effect] = deque(
            self.engine.on(Start(head.height, self.chain.head_id, signer_state))
        )
        self._last_block_s = trio.current_time()
        self._note_reason()
        while effects:
            event = await self._carry_out(effects.popleft())
            if event is not None:
                effects.extend(self.engine.on(event))

    async def _carry_out(self, effect: Effect) -> Event | None:
        match effect:
            case BuildBlock():
                return await self._build(effect)
            case PersistSigner():
                await trio.to_thread.run_sync(self._persist, effect.signer_state)
                return None
            case BroadcastVote():
                return VoteReceived(effect.vote)
            case FinalizeBlock():
                await self._finalize(effect)
                return None

    async def _build(self, wanted: BuildBlock) -> BlockBuilt:
        await self._wait_for_reason()
        self._arrived = trio.Event()
        offered = self._ready(BLOCK_EXTRINSICS_MAX, BLOCK_BYTES_MAX - BLOCK_HEADROOM_BYTES)
        now_ms = time.time_ns() // 1_000_000
        started_s = time.perf_counter()
        candidate = await trio.to_thread.run_sync(self.chain.build, offered, now_ms)
        self.metrics.build_seconds.observe(time.perf_counter() - started_s)
        self._candidate = candidate
        self._last_block_s = trio.current_time()
        return BlockBuilt(wanted.height, wanted.round, candidate.block_id, candidate.encoded)

    def _ready(self, count_max: int, bytes_max: int) -> list[CheckedExtrinsic]:
        """What the next block is offered; nothing while the storage is being migrated."""
        if self.chain.is_migrating:
            return []
        return self.mempool.ready(self.chain.nonce_of, count_max, bytes_max)

    def _note_reason(self) -> None:
        """Do not wait for an arrival or the heartbeat where there is something to do already."""
        # The steps of a migration, too: until the last one nothing else happens.
        if self.chain.is_migrating or self._ready(1, BLOCK_BYTES_MAX):
            self.wake()

    async def _wait_for_reason(self) -> None:
        """Until something waits and the minimum interval is over, or until the heartbeat."""
        await trio.sleep_until(self._last_block_s + BLOCK_INTERVAL_MIN_S)
        with trio.move_on_at(self._last_block_s + self.heartbeat_s):
            await self._arrived.wait()

    def _persist(self, signer_state: bytes) -> None:
        try:
            write_atomically(self.directory.signer, signer_state, self.directory.root)
        except OSError as error:
            message = f"The signer file cannot be written: {error.strerror}."
            remedy = "Make room on the disk of the data directory, and start the node again."
            raise StoreError(message, remedy=remedy) from error

    async def _finalize(self, final: FinalizeBlock) -> None:
        candidate = self._candidate
        if candidate is None or candidate.block_id != final.block_id:
            # Signed before a crash, and not executed by this process yet.
            candidate = await trio.to_thread.run_sync(
                self.chain.execute, final.block, self.mempool.get
            )
        await trio.to_thread.run_sync(self.chain.commit, candidate, final.commit.encode())
        self.chain.advance(candidate)
        self.mempool.settle(candidate.extrinsic_hashes, candidate.left_out, candidate.header.height)
        self._candidate = None
        self._note_reason()
        self.metrics.blocks.inc()
        count = len(candidate.extrinsic_hashes)
        self.metrics.extrinsics.inc(count)
        _log.debug("finalised", height=candidate.header.height, extrinsics=count)
