"""Faulty nodes: they run the real engine to follow the network, and do what their habits say.

All of them share what they know and hear (`Coalition`); none has an honest node's keys.  What the
engine wants signed is signed without a look at what was signed before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from consensus.engine import (
    Append,
    BlockChecked,
    Broadcast,
    CheckBlock,
    Event,
    Flush,
    Send,
    Sign,
    Signed,
)
from consensus.messages import (
    BlockReply,
    BlockRequest,
    Decided,
    Entry,
    Message,
    Proposal,
    Status,
    height_of,
)
from consensus.sim.chain import Block, identify
from consensus.sim.coalition import Coalition
from consensus.sim.node import Node
from consensus.sim.scenario import Habit
from consensus.votes import Certificate, Statement, Vote, VoteKind, sign_vote

if TYPE_CHECKING:
    from consensus.sim.world import World

SENDINGS_MAX = 2
"""How often an equivocator sends one statement: two of them would answer each other for ever."""
VOTING_KINDS = (VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE)


class TwinNode(Node):
    """One of two nodes with one key: honest by itself, and yet their votes conflict."""

    is_honest = False


class FaultyNode(Node):
    """A node with habits."""

    is_honest = False

    def __init__(self, world: World, place: int, habits: tuple[Habit, ...]) -> None:
        """Its habits, in the common knowledge of all faulty nodes."""
        super().__init__(world, place)
        self._habits = frozenset(habits)
        self._coalition: Coalition = world.coalition
        self._random = world.random
        self._sent: dict[Statement, int] = {}

    def _has(self, habit: Habit, chance: float = 1.0) -> bool:
        return habit in self._habits and (chance >= 1 or self._random.random() < chance)

    # What it hears

    def receive(self, peer: bytes, message: Message) -> None:
        """Learn, misbehave, and then maybe follow the protocol."""
        if self.engine is None:
            return
        height = self.disk.head.height + 1
        if height_of(message) == height:
            scheme = self.world.scheme_of(self.disk.head.validators)
            self._coalition.learn(message, scheme, self._random)
            self._misbehave(message)
        if self._has(Habit.LIE, 0.1):
            self.world.post(self.place, self._anybody(), self._lie(height))
        if self._has(Habit.STALE, 0.1) and self._coalition.old:
            self.world.post(self.place, self._anybody(), self._stale())
        if self._has(Habit.WITHHOLD, 0.5) and isinstance(message, BlockRequest):
            return
        if self._has(Habit.EQUIVOCATE, 0.85) and _tells_of_a_decision(message):
            return
        super().receive(peer, message)

    def _misbehave(self, message: Message) -> None:
        if self._has(Habit.EQUIVOCATE):
            self._spread_certificates()
            if isinstance(message, Vote | Proposal) and self._random.random() < 0.5:
                voted = message.vote if isinstance(message, Proposal) else message
                for kind in self._random.sample(VOTING_KINDS, 2):
                    self._vote(kind, voted.statement.round, voted.statement.block_id)
        if self._has(Habit.FORGE, 0.3) and isinstance(message, Proposal):
            self._propose(message.vote.statement.round, message.entry)

    def _vote(self, kind: VoteKind, round_: int, block_id: bytes | None) -> None:
        named = None if kind is VoteKind.NULLIFY else block_id
        if named is None and kind is not VoteKind.NULLIFY:
            return
        statement = Statement(kind, self.disk.head.height + 1, round_, named)
        sent = self._sent.get(statement, 0)
        if sent < SENDINGS_MAX:
            self._sent[statement] = sent + 1
            self._send_to_some(self.make_vote(statement))

    def _spread_certificates(self) -> None:
        """Tell single nodes of certificates that nobody else has yet."""
        fresh = self._coalition.fresh
        while fresh:
            certificate = fresh.pop()
            if self._random.random() < 0.4:
                self.world.post(self.place, self._anybody(), certificate)

    # What it signs

    def make_vote(self, statement: Statement) -> Vote:
        """Sign whatever it is, sometimes with a share that is not the own."""
        vote = super().make_vote(statement)
        scheme = self.world.scheme_of(self.disk.head.validators)
        if statement.kind is VoteKind.FINALIZE and self._has(Habit.BAD_SHARE, 0.7):
            table = self.world.cryptography
            vote = sign_vote(
                statement,
                scheme.payload(statement),
                self.keys.account,
                lambda signed: table.sign(self.keys.vote_key, signed),
                lambda _: b"not a share".ljust(96, b"."),
            )
        if scheme.index_of(self.keys.account) is not None:
            self._coalition.learn(vote, scheme, self._random)
        return vote

    def sign(self, effect: Sign) -> Event:
        """Sign what the engine wants, and propose more than that."""
        statement = effect.statement
        if statement.kind is VoteKind.PROPOSE and self._deceives():
            for _ in range(self._random.choice((1, 2, 2, 3))):
                self._propose(statement.round, None)
        return Signed(self.make_vote(statement))

    def _deceives(self) -> bool:
        return self._has(Habit.PROPOSE_TWICE) or self._has(Habit.FORGE)

    def _propose(self, round_: int, entry: Entry | None) -> None:
        """Propose with an entry that holds, or does not, to some or to all."""
        height = self.disk.head.height + 1
        entries = self._coalition.lawful_entries(round_)
        if self._has(Habit.FORGE, 0.5) or not entries:
            chosen = self._coalition.forged_entry(round_, self._random)
        else:
            chosen = self._random.choice(entries)
        if entry is not None and self._random.random() < 0.5:
            chosen = entry
        notarized = chosen.notarized
        if notarized is not None and not self._has(Habit.FORGE, 0.3):
            block_id, block = notarized.statement.block_id, None
        else:
            block = self._new_block()
            block_id = identify(block)
        vote = self.make_vote(Statement(VoteKind.PROPOSE, height, round_, block_id))
        proposal = Proposal(vote, chosen, block)
        if self._random.random() < 0.3:
            self.world.broadcast(self.place, proposal)
        else:
            self._send_to_some(proposal)

    def _new_block(self) -> bytes:
        head = self.disk.head
        self.blocks_built += 1
        number = self.starts << 16 | self.blocks_built
        block = Block(head.height + 1, head.block_id, self.place, number, self.builds_valid())
        return block.encode()

    def builds_valid(self) -> bool:
        """Whether the next block is valid."""
        return not self._has(Habit.INVALID, 0.7)

    def check(self, effect: CheckBlock) -> None:
        """Find every block valid."""
        if not self._has(Habit.INVALID):
            super().check(effect)
            return
        event = BlockChecked(effect.height, effect.block_id, valid=True)
        self.world.schedule(0, self.on_later, self.starts, event)

    def append(self, effect: Append) -> None:
        """Keep no log."""

    def flush(self, effect: Flush) -> None:
        """Keep no log."""

    # What it says

    def broadcast(self, effect: Broadcast) -> None:
        """Send to all, to some or to nobody."""
        message = effect.message
        if isinstance(message, Proposal) and self._withholds(message):
            return
        if isinstance(message, Certificate) and self._has(Habit.WITHHOLD, 0.7):
            return
        if self._has(Habit.EQUIVOCATE) and isinstance(message, Vote | Certificate | Proposal):
            self._send_to_some(message)
        else:
            self.world.broadcast(self.place, message)

    def _withholds(self, proposal: Proposal) -> bool:
        """Whether a proposal is not sent to all; some may get it, without its block."""
        if self._deceives():
            return True
        if not self._has(Habit.WITHHOLD, 0.7):
            return False
        if self._random.random() < 0.5:
            self._send_to_some(replace(proposal, block=None))
        return True

    def send(self, effect: Send) -> None:
        """Send to one node, or reply with another block than it asked for."""
        if isinstance(effect.message, BlockReply) and self._has(Habit.LIE, 0.5):
            lie = BlockReply(effect.message.height, self._new_block())
            effect = Send(effect.peer, lie)
        super().send(effect)

    def _stale(self) -> Message:
        """An old message again, or an old certificate as if it were of now."""
        message = self._random.choice(self._coalition.old)
        height = self.disk.head.height + 1
        round_ = 1 if self.engine is None else self.engine.round
        match message:
            case Certificate() if self._random.random() < 0.6:
                named = replace(message.statement, height=height, round=round_)
                return replace(message, statement=named)
            case Decided() if self._random.random() < 0.6:
                return replace(message, height=height)
            case Vote() if self._random.random() < 0.6:
                named = replace(message.statement, height=height, round=round_)
                return replace(message, statement=named)
            case _:
                return message

    def _lie(self, height: int) -> Message:
        """Something that is not so."""
        coalition, random = self._coalition, self._random
        block = self._new_block()
        block_id = identify(block) or b""
        round_ = 1 if self.engine is None else max(1, self.engine.round)
        if coalition.blocks and random.random() < 0.5:
            block_id, block = random.choice(list(coalition.blocks.items()))
        kind = random.choice(VOTING_KINDS)
        named = None if kind is VoteKind.NULLIFY else block_id
        match random.randrange(6):
            case 0:
                lie: Message = Status(height + random.randrange(-1, 5), round_ + 7, None)
            case 1:
                lie = coalition.forge(Statement(kind, height, round_, named))
            case 2:
                final = Statement(VoteKind.FINALIZE, height, round_, block_id)
                lie = Decided(height, block, coalition.forge(final))
            case 3:
                lie = BlockReply(height, block)
            case 4:
                lie = coalition.old_decision(height, random) or BlockRequest(height, block_id)
            case _:
                lie = Status(height, round_, coalition.forged_entry(round_ + 1, random))
        return lie

    def _send_to_some(self, message: Message) -> None:
        for receiver in range(len(self.world.nodes)):
            if receiver != self.place and self._random.random() < 0.6:
                self.world.post(self.place, receiver, message)

    def _anybody(self) -> int:
        return self._random.randrange(len(self.world.nodes))


def _tells_of_a_decision(message: Message) -> bool:
    if isinstance(message, Certificate):
        return message.statement.kind is VoteKind.FINALIZE
    return isinstance(message, Decided)
