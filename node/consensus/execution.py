"""Blocks built, checked and committed in a worker thread, one at a time.

Nothing else changes the chain's state.  What was executed is kept until a block is committed, so
that a decided block is not executed twice.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import structlog
import trio

from consensus.decision import Decision
from consensus.engine import CheckBlock, Finalize
from node.chain import Candidate, Chain
from node.consensus.evidence_pool import EvidencePool, offered_evidence
from node.mempool import Mempool
from node.metrics import Metrics
from runtime.block import BLOCK_BYTES_MAX, BLOCK_EXTRINSICS_MAX, Block
from runtime.codec import codec_of
from runtime.dispatch import HALTING
from runtime.errors import InvalidBlock, OpenLedgerError
from runtime.extrinsic import CheckedExtrinsic

CANDIDATES_MAX = 4
"""Executed blocks of one height that are kept."""
BLOCK_HEADROOM_BYTES = 64 * 1024
"""Left free in a block for its header and the encoding around the extrinsics."""
CLOCK_DRIFT_MAX_MS = 5_000
"""A proposed block may be this far ahead of the own clock."""
_log = structlog.get_logger("execution")


@dataclass(slots=True)
class Execution:
    """The one place that executes blocks."""

    chain: Chain
    mempool: Mempool
    metrics: Metrics
    evidence: EvidencePool = field(default_factory=EvidencePool)
    _offered: tuple[bytes, ...] = ()
    """The evidence that the last own block could have taken."""
    _candidates: dict[bytes, Candidate] = field(default_factory=dict)
    _turn: trio.Lock = field(default_factory=trio.Lock)
    _arrived: trio.Event = field(default_factory=trio.Event)

    def wake(self) -> None:
        """An extrinsic has arrived: the next block need not wait for its heartbeat."""
        self._arrived.set()

    async def wait_for_work(self) -> None:
        """Until a block would have something to do."""
        while not self._is_work_waiting():
            self._arrived = trio.Event()
            await self._arrived.wait()

    def _is_work_waiting(self) -> bool:
        """Whether a block would have something to do: extrinsics, or steps of a migration."""
        waiting = self.chain.is_migrating or len(self.evidence) > 0
        return waiting or bool(self._ready(1, BLOCK_BYTES_MAX))

    def _ready(self, count_max: int, bytes_max: int) -> list[CheckedExtrinsic]:
        """What the next block is offered; nothing while the storage is being migrated."""
        if self.chain.is_migrating:
            return []
        return self.mempool.ready(self.chain.nonce_of, count_max, bytes_max)

    async def build(self, height: int) -> Candidate | None:
        """Build a block on the head; `None` if that is no longer the parent of `height`."""
        async with self._turn:
            if self.chain.head.height + 1 != height:
                return None
            offered = self._ready(BLOCK_EXTRINSICS_MAX, BLOCK_BYTES_MAX - BLOCK_HEADROOM_BYTES)
            started_s = time.perf_counter()
            self._offered = self.evidence.offer()
            candidate = await trio.to_thread.run_sync(
                self.chain.build, offered, _now_ms(), offered_evidence(self._offered)
            )
            self.metrics.build_seconds.observe(time.perf_counter() - started_s)
            self._keep(candidate)
            return candidate

    async def check(self, wanted: CheckBlock) -> bool | None:
        """Whether a block of the next height is valid; `None` if it is of another height.

        Raises what says that this machine or its code is wrong (`runtime.dispatch.HALTING`).
        """
        async with self._turn:
            if self.chain.head.height + 1 != wanted.height:
                return None
            if wanted.block_id in self._candidates:
                return True
            try:
                candidate = await trio.to_thread.run_sync(
                    self.chain.execute, wanted.block, self.mempool.admitted
                )
            except OpenLedgerError as error:
                if isinstance(error, HALTING) and not isinstance(error, InvalidBlock):
                    raise
                _log.warning("invalid block", height=wanted.height, reason=error.message)
                return False
            if candidate.header.time_ms > _now_ms() + CLOCK_DRIFT_MAX_MS:
                _log.warning("block from the future", height=wanted.height)
                return False
            self._keep(candidate)
            return True

    async def commit(self, final: Finalize) -> Candidate:
        """Commit a decided block; raises `InvalidBlock` if this node finds it invalid."""
        async with self._turn:
            candidate = self._candidates.get(final.block_id)
            if candidate is None:
                candidate = await trio.to_thread.run_sync(
                    self.chain.execute, final.block, self.mempool.admitted
                )
            decision = Decision(final.certificate, final.justification)
            await trio.to_thread.run_sync(self.chain.commit, candidate, decision)
            self.chain.advance(candidate, decision)
            self._candidates.clear()
            if len(self.evidence):
                taken = self.chain.evidence_in(codec_of(Block).decode(final.block).extrinsics)
                own = self.chain.is_own(candidate.header)
                self.evidence.settle(self._offered if own else (), taken)
        self.mempool.settle(candidate.extrinsic_hashes, candidate.left_out, final.height)
        self.metrics.blocks.inc()
        self.metrics.finality_seconds.observe(max(0, _now_ms() - candidate.header.time_ms) / 1_000)
        self.metrics.extrinsics.inc(len(candidate.extrinsic_hashes))
        return candidate

    def _keep(self, candidate: Candidate) -> None:
        if len(self._candidates) >= CANDIDATES_MAX:
            self._candidates.pop(next(iter(self._candidates)))
        self._candidates[candidate.block_id] = candidate


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
