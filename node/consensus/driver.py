"""Drives the consensus engine: gives it events one at a time, and carries out what it asks for.

    network, timers, builds, checks -> Inbox -> engine.on(event) -> effects, strictly in order
    Append, Flush     the log on disk                                (W1, W2)
    Sign              the signer file, then Signed before anything   (W5)
    BuildBlock        waits for a reason in a task of its own        -> BlockBuilt
    CheckBlock        in a task of its own                           -> BlockChecked
    Finalize          one synced batch                               -> HeightBegan

Whatever takes long runs in a worker thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
import trio

from consensus.decision import Decision
from consensus.engine import (
    Append,
    BlockBuilt,
    BlockChecked,
    Broadcast,
    BuildBlock,
    CheckBlock,
    Effect,
    Engine,
    Event,
    Finalize,
    Flush,
    HeightBegan,
    MessageReceived,
    Misbehaved,
    ReportEvidence,
    Send,
    SendDecided,
    Sign,
    Signed,
    SignRefused,
    StartTimer,
    TimerFired,
)
from consensus.messages import BlockReply, Decided, Message
from consensus.simplex import SchemeOf
from consensus.votes import Statement
from node.chain import Chain
from node.consensus.execution import Execution
from node.consensus.inbox import Inbox
from node.consensus.log_file import LogFile
from node.consensus.peers import Peers
from node.consensus.signing import CautiousSigner
from node.errors import SignerUnavailable
from runtime.state.store import Store

BLOCK_INTERVAL_MIN_S = 0.1
"""Between two blocks: what arrives meanwhile shares one block and its fsyncs."""
ANSWER_INTERVAL_S = 0.2
"""Between two blocks that a peer is sent for asking; block sync has a lane of its own."""
PEERS_ANSWERED_MAX = 1_024
_log = structlog.get_logger("consensus")


@dataclass(slots=True)
class Driver:
    """The one task that decides blocks; `run` it once."""

    chain: Chain
    engine: Engine
    scheme_of: SchemeOf
    execution: Execution
    peers: Peers
    log: LogFile
    signer: CautiousSigner | None
    """None for a node that only follows."""
    heartbeat_s: float
    inbox: Inbox = field(default_factory=Inbox)
    _ahead: dict[int, MessageReceived] = field(default_factory=dict)
    """Decided blocks whose turn comes later."""
    _answered: dict[bytes, float] = field(default_factory=dict)
    """When each peer was last sent a block."""
    _last_block_s: float = 0.0
    _timer: trio.CancelScope = field(default_factory=trio.CancelScope)
    _building: trio.CancelScope = field(default_factory=trio.CancelScope)

    def deliver(self, peer: bytes, message: Message) -> None:
        """Take a message from a peer; it is dropped where too many are waiting."""
        self.inbox.put_message(MessageReceived(peer, message))

    def deliver_decided(self, peer: bytes, blocks: Sequence[Decided]) -> None:
        """Take decided blocks, in order of heights, that block sync asked a peer for.

        What is still waiting of an earlier answer is forgotten.
        """
        height = self.chain.head.height + 1
        self._ahead = {each.height: MessageReceived(peer, each) for each in blocks}
        self._take_ahead(height)

    async def run(self) -> None:
        """Decide blocks until cancelled; raises what makes going on unsafe."""
        self._last_block_s = trio.current_time()
        async with trio.open_nursery() as nursery:
            await self._process(nursery, self._begin())
            while True:
                await self._process(nursery, await self.inbox.get())

    async def _process(self, nursery: trio.Nursery, event: Event) -> None:
        """Give the engine an event, and carry out all that follows from it."""
        effects = deque(self.engine.on(event))
        while effects:
            answer = await self._carry_out(nursery, effects.popleft())
            if answer is not None:
                effects.extend(self.engine.on(answer))

    async def _carry_out(self, nursery: trio.Nursery, effect: Effect) -> Event | None:
        """Carry out an effect; return the event that must come before any other."""
        match effect:
            case Append():
                self.log.append(effect.record)
            case Flush():
                await trio.to_thread.run_sync(self.log.flush)
            case Sign():
                return await self._sign(effect.statement)
            case StartTimer():
                self._timer.cancel()
                self._timer = trio.CancelScope()
                nursery.start_soon(self._wait, effect, self._timer)
            case BuildBlock():
                self._building.cancel()
                self._building = trio.CancelScope()
                nursery.start_soon(self._build, effect, self._building)
            case CheckBlock():
                nursery.start_soon(self._check, effect)
            case Finalize():
                return await self._finalize(effect)
            case _:
                self._tell(effect)
        return None

    def _tell(self, effect: Effect) -> None:
        """Carry out an effect on others."""
        match effect:
            case Broadcast():
                self.peers.broadcast(effect.message)
            case Send(message=BlockReply()) if not self._may_answer(effect.peer):
                pass
            case Send():
                self.peers.send(effect.peer, effect.message)
            case SendDecided():
                self._send_decided(effect.peer, effect.height)
            case Misbehaved():
                self.peers.penalise(effect.peer, effect.reason)
            case ReportEvidence():
                _log.warning("evidence", statement=str(effect.evidence.statement))
                self.execution.metrics.evidence.inc()
                self.execution.evidence.add(effect.evidence.encode())
            case _:
                pass

    async def _sign(self, statement: Statement) -> Event:
        vote = None
        if self.signer is not None and self.signer.has_seat(self.chain.validators):
            validators_hash = self.scheme_of(self.chain.validators).validators_hash
            vote = await trio.to_thread.run_sync(self.signer.sign, statement, validators_hash)
        if vote is None:
            return SignRefused(statement)
        self.execution.metrics.signed.labels(statement.kind.name.lower()).inc()
        return Signed(vote)

    # Tasks beside the engine

    async def _wait(self, timer: StartTimer, scope: trio.CancelScope) -> None:
        with scope:
            await trio.sleep(timer.after_ms / 1_000)
            self.inbox.put(TimerFired(timer.height, timer.round))

    async def _build(self, wanted: BuildBlock, scope: trio.CancelScope) -> None:
        with scope:
            await self._wait_for_reason()
            candidate = None
            while candidate is None and self.chain.head.height < wanted.height:
                try:
                    candidate = await self.execution.build(wanted.height)
                except SignerUnavailable as error:
                    _log.error("no block", reason=error.message)
                    await trio.sleep(BLOCK_INTERVAL_MIN_S)
            if candidate is not None:
                self.inbox.put(BlockBuilt(wanted.height, candidate.block_id, candidate.encoded))

    async def _wait_for_reason(self) -> None:
        """Until something waits and the minimum interval is over, or until the heartbeat."""
        await trio.sleep_until(self._last_block_s + BLOCK_INTERVAL_MIN_S)
        with trio.move_on_at(self._last_block_s + self.heartbeat_s):
            await self.execution.wait_for_work()

    async def _check(self, wanted: CheckBlock) -> None:
        valid = await self.execution.check(wanted)
        if valid is not None:
            self.inbox.put(BlockChecked(wanted.height, wanted.block_id, valid))

    async def _finalize(self, final: Finalize) -> HeightBegan:
        """R6, W4: commit, and begin the next height."""
        self._timer.cancel()
        self._building.cancel()
        self.execution.metrics.rounds.observe(final.certificate.statement.round)
        candidate = await self.execution.commit(final)
        self._last_block_s = trio.current_time()
        _log.debug("finalised", height=final.height, extrinsics=len(candidate.extrinsic_hashes))
        self._take_ahead(final.height + 1)
        return self._begin()

    def _begin(self) -> HeightBegan:
        """The height after the head; raises `WrongSpecVersion` if another version executes it."""
        self.chain.check_spec_version()
        chain, height = self.chain, self.chain.head.height + 1
        records = self.log.records_of(height)
        self.log.begin(height)
        signed = () if self.signer is None else self.signer.signed_at(height)
        return HeightBegan(
            height, chain.head_id, chain.validators, chain.head.beacon, records, signed
        )

    # Nodes that are behind

    def _take_ahead(self, height: int) -> None:
        """Take the block of `height` if block sync has brought it."""
        decided = self._ahead.pop(height, None)
        if decided is not None:
            self.inbox.put(decided)

    def _send_decided(self, peer: bytes, height: int) -> None:
        """R8: tell a peer that is behind what was decided."""
        decided = decided_block(self.chain.store, height) if self._may_answer(peer) else None
        if decided is not None:
            self.peers.send(peer, decided)

    def _may_answer(self, peer: bytes) -> bool:
        """Whether a peer may be sent a block now: a short question has a long answer."""
        now_s = trio.current_time()
        if now_s < self._answered.get(peer, 0.0) + ANSWER_INTERVAL_S:
            return False
        if len(self._answered) >= PEERS_ANSWERED_MAX:
            self._answered.clear()
        self._answered[peer] = now_s
        return True


def decided_block(store: Store, height: int) -> Decided | None:
    """The block of a height with what decided it; `None` for block 0 and what is not kept."""
    block, stored = store.block(height), store.commit_certificate(height)
    if block is None or not stored:
        return None
    return Decided(height, block, Decision.decode(stored).certificate)
