"""One engine of four validators, driven by hand: the other three sign what a test wants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from consensus.engine import (
    BlockBuilt,
    BlockChecked,
    Broadcast,
    BuildBlock,
    CheckBlock,
    Effect,
    Event,
    HeightBegan,
    MessageReceived,
    Sign,
    Signed,
    SignRefused,
    TimerFired,
)
from consensus.leader import leader_index
from consensus.log import Record
from consensus.messages import Entry, Message, Proposal
from consensus.rules import TimeOuts
from consensus.scheme import Scheme
from consensus.sim.chain import GENESIS_HASH, Block, identify, validator
from consensus.sim.cryptography import TableCryptography
from consensus.simplex import Simplex
from consensus.votes import Certificate, Statement, Vote, VoteKind, sign_vote
from runtime.wire.validators import ValidatorSet

E = TypeVar("E")
PARENT, PEER = b"p" * 32, b"e" * 32
FOUR = ValidatorSet(tuple(validator(number, 1) for number in range(4)))
TIMEOUTS = TimeOuts(base_ms=400, step_ms=100, most_ms=700, retry_ms=150)
N, X, F, P = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE, VoteKind.PROPOSE


def make_block(number: int, height: int = 1, *, valid: bool = True) -> bytes:
    """A block on the parent."""
    return Block(height, PARENT, 0, number, valid).encode()


def id_of(block: bytes) -> bytes:
    """A block's id."""
    block_id = identify(block)
    assert block_id is not None
    return block_id


A, B = make_block(1), make_block(2)


class HandDriven:
    """The engine of one validator; by default of one that does not lead round 1."""

    def __init__(self, number: int | None = None, *, signs: bool = True, height: int = 1) -> None:
        self.table = TableCryptography()
        self.scheme = Scheme(FOUR, GENESIS_HASH, self.table)
        self.seed = b"s" * 32
        self.height = height
        others = [each for each in range(4) if each != self.leader(1)]
        self.number = others[0] if number is None else number
        self.signs = signs
        self.effects: list[Effect] = []
        self.engine = self.new_engine()

    def new_engine(self) -> Simplex:
        """An engine that has not begun."""
        account = FOUR.validators[self.number].account
        return Simplex(account, lambda _: self.scheme, identify, TIMEOUTS)

    def leader(self, round_: int) -> int:
        """Who leads a round."""
        return leader_index(self.scheme.weights, self.seed, self.height, round_)

    def begin(self, records: Iterable[Record] = (), signed: Iterable[Vote] = ()) -> list[Effect]:
        """Begin the height."""
        began = HeightBegan(self.height, PARENT, FOUR, self.seed, tuple(records), tuple(signed))
        return self.on(began)

    def on(self, event: Event) -> list[Effect]:
        """Give the engine an event; blocks are built, checked and signed for at once."""
        found: list[Effect] = []
        waiting = list(self.engine.on(event))
        while waiting:
            effect = waiting.pop(0)
            found.append(effect)
            answer = self._answer(effect)
            if answer is not None:
                waiting += self.engine.on(answer)
        self.effects += found
        return found

    def _answer(self, effect: Effect) -> Event | None:
        match effect:
            case Sign():
                if not self.signs:
                    return SignRefused(effect.statement)
                return Signed(self.vote_for(self.number, effect.statement))
            case BuildBlock():
                return BlockBuilt(self.height, id_of(A), A)
            case CheckBlock():
                block = Block.decode(effect.block)
                valid = block is not None and block.valid
                return BlockChecked(self.height, effect.block_id, valid)
            case _:
                return None

    def receive(self, message: Message, peer: bytes = PEER) -> list[Effect]:
        """Let a message arrive."""
        return self.on(MessageReceived(peer, message))

    def fire(self, round_: int) -> list[Effect]:
        """Let the timer of a round fire."""
        return self.on(TimerFired(self.height, round_))

    # What others say

    def vote_for(self, number: int, statement: Statement) -> Vote:
        """A validator's vote."""
        keys = FOUR.validators[number]
        return sign_vote(
            statement,
            self.scheme.payload(statement),
            keys.account,
            lambda signed: self.table.sign(keys.vote_key, signed),
            lambda signed: self.table.share(keys.bls_key, signed),
        )

    def statement(self, kind: VoteKind, round_: int, block: bytes | None = None) -> Statement:
        """A statement of this height."""
        return Statement(kind, self.height, round_, None if block is None else id_of(block))

    def vote(self, number: int, kind: VoteKind, round_: int, block: bytes | None = None) -> Vote:
        """A validator's vote of this height."""
        return self.vote_for(number, self.statement(kind, round_, block))

    def certificate(self, kind: VoteKind, round_: int, block: bytes | None = None) -> Certificate:
        """A certificate of the three others."""
        statement = self.statement(kind, round_, block)
        others = [number for number in range(4) if number != self.number]
        votes = {number: self.vote_for(number, statement) for number in others}
        certificate = self.scheme.certify(statement, votes)
        assert certificate is not None
        return certificate

    def proposal(
        self, round_: int, block: bytes, entry: Entry | None = None, number: int | None = None
    ) -> Proposal:
        """The proposal of a round's leader."""
        leader = self.leader(round_) if number is None else number
        vote = self.vote(leader, P, round_, block)
        return Proposal(vote, Entry(None, ()) if entry is None else entry, block)

    def signed(self) -> list[tuple[VoteKind, int, bytes | None]]:
        """All that the engine had signed so far, in order."""
        statements = [each.statement for each in self.effects if isinstance(each, Sign)]
        return [(each.kind, each.round, each.block_id) for each in statements]


def of_type(effects: Iterable[Effect], kind: type[E]) -> list[E]:
    """The effects of one type."""
    return [each for each in effects if isinstance(each, kind)]


def broadcast(effects: Iterable[Effect], kind: type[E]) -> list[E]:
    """The messages of one type that are sent to all."""
    messages = [each.message for each in of_type(effects, Broadcast)]
    return [each for each in messages if isinstance(each, kind)]
