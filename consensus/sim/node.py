"""A node: the real engine, log and signer rules around a made-up disk, clock and network.

Effects are carried out strictly in their order, and power may fail between any two of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from consensus.engine import (
    Append,
    BlockBuilt,
    BlockChecked,
    Broadcast,
    BuildBlock,
    CheckBlock,
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
from consensus.errors import SignerStateError
from consensus.log import LogWriter, Record
from consensus.messages import Decided, Message, Proposal
from consensus.signer import SignerState
from consensus.sim.chain import Block, apply, genesis, identify, validator
from consensus.sim.disk import Commit, Disk
from consensus.sim.invariants import Invariant
from consensus.sim.order import Order
from consensus.sim.trace import show_effect, show_message, show_statement
from consensus.simplex import Simplex
from consensus.votes import Statement, Vote, sign_vote

if TYPE_CHECKING:
    from consensus.sim.world import World


class PowerFailure(Exception):
    """A node has lost power while it carried out effects."""


class Node:
    """An honest node; `engine` is `None` while it is down."""

    is_honest = True

    def __init__(self, world: World, place: int) -> None:
        """A node with an empty disk, switched off."""
        scenario = world.scenario
        self.world = world
        self.place = place
        self.number = scenario.places[place]
        self.peer = peer_at(place)
        self.keys = validator(self.number, 1)
        self.disk = Disk(genesis(scenario.validator_sets), SignerState.new())
        self.engine: Simplex | None = None
        self.effects_left: int | None = None
        """How many effects are carried out before the power fails."""
        self.starts = 0
        self._speed_percent = scenario.speeds_percent[place]
        self._writer = LogWriter(1)
        self._order = Order((), ())
        self._timer = 0
        self.blocks_built = 0

    # Power

    def start(self) -> None:
        """Switch the node on: it goes on with what its disk holds."""
        self.effects_left = None
        if self.engine is not None:
            return
        self.starts += 1
        self.engine = Simplex(
            self.keys.account, self.world.scheme_of, identify, self.world.scenario.timeouts
        )
        recovered = self.disk.recover_log()
        height = self.disk.head.height + 1
        if recovered is None or recovered.height != height:
            self.disk.begin_log()
            self._begin((), count=0)
        else:
            self._begin(recovered.records, count=len(recovered.records))

    def fail(self) -> None:
        """Lose power, at once."""
        self.engine = None
        self.effects_left = None
        self.disk.crash(self.world.random)
        self.world.note(self.place, "loses power")

    def _begin(self, records: tuple[Record, ...], count: int) -> None:
        head = self.disk.head
        height = head.height + 1
        signer = self.disk.signer
        signed = () if signer is None else signer.at_height(height)
        self._writer = LogWriter(height, count)
        self._order = Order(records, signed)
        self.world.note(self.place, f"begins height {height} with {count} records")
        self.on(
            HeightBegan(height, head.block_id, head.validators, head.seed, records, signed),
        )

    def _begin_next(self, starts: int) -> None:
        if starts == self.starts and self.engine is not None:
            self.disk.begin_log()
            self._begin((), count=0)

    # Events

    def receive(self, peer: bytes, message: Message) -> None:
        """Take a message, if the node is up."""
        if self.engine is not None:
            self.on(MessageReceived(peer, message))

    def on_later(self, starts: int, event: Event) -> None:
        """Take an event of this node's own, unless it was started anew since."""
        if starts == self.starts and self.engine is not None:
            self.on(event)

    def on(self, event: Event) -> None:
        """Give the engine an event, and carry out all that follows from it."""
        if self.world.trace is not None and isinstance(event, MessageReceived):
            sender = int.from_bytes(event.peer, "big")
            self.world.note(self.place, f"<- node {sender}: {show_message(event.message)}")
        waiting: Event | None = event
        try:
            while waiting is not None and self.engine is not None:
                waiting = self._carry_out(self.engine.on(waiting))
        except PowerFailure:
            self.fail()

    def _carry_out(self, effects: tuple[Any, ...]) -> Event | None:
        """Carry out effects; return the answer to the last one, if it asks for a signature."""
        answer: Event | None = None
        for effect in effects:
            if answer is not None:
                self.violate(Invariant.INTERFACE, "an effect comes after a Sign")
            if self.effects_left is not None:
                self.effects_left -= 1
                if self.effects_left < 0:
                    raise PowerFailure
            if self.world.trace is not None:
                self.world.note(self.place, f"   {show_effect(effect)}")
            answer = _HANDLERS[type(effect)](self, effect)
        return answer

    def violate(self, invariant: Invariant, what: str) -> None:
        """Raise a `Violation` at this node."""
        self.world.watch.violate(invariant, f"node {self.place}, {self.world.now_ms} ms: {what}")

    # Effects on the own disk

    def append(self, effect: Append) -> None:
        """Append to the log."""
        self.disk.append(self._writer.frame(effect.record))
        self._order.append(effect.record)

    def flush(self, _: Flush) -> None:
        """Have the log on disk."""
        self.disk.flush()
        self._writer.flushed()
        self._order.flush()

    def sign(self, effect: Sign) -> Event:
        """Sign, durably (W5), what the signer's rules allow."""
        statement = effect.statement
        signer = self.disk.signer
        if signer is None:
            return SignRefused(statement)
        if self.is_honest and (objection := self._order.objection_to_sign(statement)) is not None:
            self.violate(Invariant.ORDER, f"{objection}: {show_statement(statement)}")
        vote = signer.find(statement)
        if vote is None:
            try:
                vote = self.make_vote(statement)
                self.disk.signer = signer.with_vote(vote)
            except SignerStateError as error:
                self.violate(Invariant.REFUSAL, error.message)
        if self.is_honest:
            self.world.watch.signed(self, statement)
        return SignRefused(statement) if vote is None else Signed(vote)

    def make_vote(self, statement: Statement) -> Vote:
        """Sign a statement with this validator's keys."""
        payload = self.world.scheme_of(self.disk.head.validators).payload(statement)
        table = self.world.cryptography
        return sign_vote(
            statement,
            payload,
            self.keys.account,
            lambda signed: table.sign(self.keys.vote_key, signed),
            lambda signed: table.share(self.keys.bls_key, signed),
        )

    def finalize(self, effect: Finalize) -> None:
        """Commit the block (W4), and begin the next height soon after."""
        head = self.disk.head
        after = apply(head, effect.block, self.world.scenario.validator_sets)
        if after is None or after.block_id != effect.block_id:
            if self.is_honest:
                self.violate(Invariant.VALIDITY, f"decides an invalid block at {effect.height}")
            return
        if self.is_honest:
            self.world.watch.decided(self, after, effect)
        commit = Commit(after, effect.block, effect.certificate, effect.justification)
        self.disk.commits[after.height] = commit
        self.disk.head = after
        self._timer += 1
        self.world.schedule(self.world.draw_work_ms(), self._begin_next, self.starts)

    # Effects on others and on the future

    def broadcast(self, effect: Broadcast) -> None:
        """Send to everybody else."""
        message = effect.message
        if self.is_honest:
            self._check_order(message)
        self.world.broadcast(self.place, message)

    def send(self, effect: Send) -> None:
        """Send to one node."""
        self.world.post(self.place, place_of(effect.peer), effect.message)

    def send_decided(self, effect: SendDecided) -> None:
        """Send a block that was committed here."""
        commit = self.disk.commits.get(effect.height)
        if commit is not None:
            message = Decided(effect.height, commit.block, commit.certificate)
            self.world.post(self.place, place_of(effect.peer), message)

    def start_timer(self, effect: StartTimer) -> None:
        """Fire later, by a clock that may be wrong; a timer before is forgotten."""
        self._timer += 1
        after_ms = effect.after_ms * self._speed_percent // 100
        event = TimerFired(effect.height, effect.round)
        self.world.schedule(after_ms, self._fire, self.starts, self._timer, event)

    def build(self, effect: BuildBlock) -> None:
        """Build a block, which takes a while."""
        self.blocks_built += 1
        number = self.starts << 16 | self.blocks_built
        block = Block(effect.height, effect.parent_id, self.place, number, self.builds_valid())
        data = block.encode()
        event = BlockBuilt(effect.height, identify(data) or b"", data)
        self.world.schedule(self.world.draw_work_ms(), self.on_later, self.starts, event)

    def builds_valid(self) -> bool:
        """Whether the next block is valid."""
        return True

    def check(self, effect: CheckBlock) -> None:
        """Execute a block, which takes a while."""
        after = apply(self.disk.head, effect.block, self.world.scenario.validator_sets)
        event = BlockChecked(effect.height, effect.block_id, after is not None)
        self.world.schedule(self.world.draw_work_ms(), self.on_later, self.starts, event)

    def report(self, effect: ReportEvidence) -> None:
        """Keep evidence."""
        if self.is_honest:
            self.world.watch.reported(self, effect.evidence)

    def punish(self, effect: Misbehaved) -> None:
        """Nothing: who sends nonsense may do so for ever."""

    def _fire(self, starts: int, timer: int, event: TimerFired) -> None:
        if timer == self._timer:
            self.on_later(starts, event)

    def _check_order(self, message: Message) -> None:
        vote = message.vote if isinstance(message, Proposal) else message
        if isinstance(vote, Vote) and vote.validator == self.keys.account:
            objection = self._order.objection_to_send(vote)
            if objection is not None:
                self.violate(Invariant.ORDER, f"{objection}: {show_statement(vote.statement)}")


def peer_at(place: int) -> bytes:
    """The network identity of the node at a place."""
    return place.to_bytes(32, "big")


def place_of(peer: bytes) -> int:
    """The place of the node with a network identity."""
    return int.from_bytes(peer, "big")


_HANDLERS: dict[type, Callable[[Node, Any], Event | None]] = {
    Append: lambda node, effect: node.append(effect),
    Flush: lambda node, effect: node.flush(effect),
    Sign: lambda node, effect: node.sign(effect),
    Finalize: lambda node, effect: node.finalize(effect),
    Broadcast: lambda node, effect: node.broadcast(effect),
    Send: lambda node, effect: node.send(effect),
    SendDecided: lambda node, effect: node.send_decided(effect),
    StartTimer: lambda node, effect: node.start_timer(effect),
    BuildBlock: lambda node, effect: node.build(effect),
    CheckBlock: lambda node, effect: node.check(effect),
    ReportEvidence: lambda node, effect: node.report(effect),
    Misbehaved: lambda node, effect: node.punish(effect),
}
