"""Every schedule of a small network: four validators, one of which does anything, and few rounds.

The honest three run the real engine.  The fourth signs everything, for anybody, at any time, which
is more than any number of twins does; and a message may arrive at any time, in any order or never.
So all that matters of the past is what the honest ones have signed: whatever can be certified from
that, with the fourth's votes, may arrive at any of them next.  All states that can be reached in
this way are explored; in none may two blocks be finalized, or an honest validator's votes conflict.

Symmetry: honest validators that lead no round are interchangeable; of leaders only who is honest,
and who is the same, makes a difference; of what a validator received only the
certificates that it may need to lead are told apart, and of everybody the round and what it signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product

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
    TimerFired,
)
from consensus.leader import leader_index
from consensus.messages import Entry, Message, Proposal
from consensus.rules import TimeOuts
from consensus.scheme import Scheme
from consensus.sim.chain import GENESIS_HASH, Block, genesis, identify, validator
from consensus.sim.cryptography import TableCryptography
from consensus.sim.node import peer_at
from consensus.simplex import Simplex
from consensus.votes import Certificate, Statement, Vote, VoteKind, conflict, sign_vote
from runtime.wire.validators import ValidatorSet

VALIDATORS, HONEST, FAULTY = 4, 3, 3
"""Validators 0, 1 and 2 are honest, 3 is not."""
HEIGHT = 1
_VALIDATORS = ValidatorSet(tuple(validator(number, 1) for number in range(VALIDATORS)))

Known = tuple[VoteKind, int, str | None]
"""A certificate: its kind, round, and the name of its block."""
Justified = tuple[Known | None, tuple[Known, ...]]
"""An entry."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Something that reaches an honest validator: a certificate, a proposal, or the timer's end."""

    round: int
    certificate: Known | None = None
    block: str | None = None
    """What is proposed in the round."""
    entry: Justified | None = None

    @property
    def certificates(self) -> tuple[Known, ...]:
        """All certificates that arrive."""
        if self.certificate is not None:
            return (self.certificate,)
        if self.entry is None:
            return ()
        notarized, nullified = self.entry
        return nullified if notarized is None else (notarized, *nullified)


@dataclass(frozen=True, slots=True)
class State:
    """All that is to know of an honest validator."""

    role: int
    """Its number, if it leads a round; that of any other of those that do not."""
    known: frozenset[Known]
    """The certificates it may need for an entry of its own."""
    signed: tuple[Known, ...]
    proposed: tuple[Arrival, ...]
    """Its proposals, as they arrive at others."""
    round: int


@dataclass(frozen=True, slots=True)
class Found:
    """What an exploration came to."""

    leaders: tuple[int, ...]
    states: int
    transitions: int
    problem: str | None
    """A reachable state that must not be; `None` if there is none."""


def explore(rounds: int) -> Iterator[Found]:
    """Explore all schedules of some rounds, for every choice of leaders up to symmetry."""
    for leaders in _leaders(rounds):
        yield _Network(leaders).explore()


def _leaders(rounds: int) -> Iterator[tuple[int, ...]]:
    """Every choice of leaders in which the honest ones appear in order."""
    for leaders in product((*range(HONEST), FAULTY), repeat=rounds):
        honest = list(dict.fromkeys(leader for leader in leaders if leader != FAULTY))
        if honest == list(range(len(honest))):
            yield leaders


class _Network:
    """The three honest validators under one choice of leaders."""

    def __init__(self, leaders: tuple[int, ...]) -> None:
        self._leaders = leaders
        self._rounds = len(leaders)
        self._table = TableCryptography()
        self._scheme = Scheme(_VALIDATORS, GENESIS_HASH, self._table)
        self._seed = _seed_of(leaders)
        self._histories: dict[State, tuple[Arrival, ...]] = {}
        """For every state one order of arrivals that leads to it."""
        self._next = cache(self._after)

    def explore(self) -> Found:
        """Visit every state that can be reached."""
        followers = [number for number in range(HONEST) if number not in self._leaders]
        roles = [number if number in self._leaders else followers[0] for number in range(HONEST)]
        first = _canonical(self._replay(role, ()) for role in roles)
        waiting = [first]
        seen = {first: None}
        transitions = 0
        while waiting:
            network = waiting.pop()
            problem = self._problem(network)
            if problem is not None:
                return Found(self._leaders, len(seen), transitions, problem)
            for after in self._successors(network):
                transitions += 1
                if after not in seen:
                    seen[after] = None
                    waiting.append(after)
        return Found(self._leaders, len(seen), transitions, None)

    def _successors(self, network: tuple[State, ...]) -> Iterator[tuple[State, ...]]:
        arrivals = self._arrivals(network)
        for number, state in enumerate(network):
            for arrival in arrivals:
                after = self._next(state, arrival)
                if after is not None:
                    yield _canonical((*network[:number], after, *network[number + 1 :]))

    def _after(self, state: State, arrival: Arrival) -> State | None:
        """The state after something arrived; `None` if that changes nothing."""
        if not self._matters(state, arrival):
            return None
        after = self._replay(state.role, (*self._histories[state], arrival))
        return None if after == state else after

    def _matters(self, state: State, arrival: Arrival) -> bool:
        """Whether something can change what a validator does: most old messages cannot."""
        if arrival.certificate is not None and state.role in self._leaders[1:]:
            return arrival.certificate not in state.known
        return arrival.round >= state.round

    # What can arrive

    def _arrivals(self, states: tuple[State, ...]) -> list[Arrival]:
        certified = self._certified(states)
        arrivals = [
            Arrival(known[1], certificate=known)
            for known in certified
            if known[0] is not VoteKind.FINALIZE
        ]
        arrivals += [Arrival(round_) for round_ in range(1, self._rounds + 1)]
        proposed = [each for state in states for each in state.proposed]
        arrivals += [each for each in proposed if each.round <= self._rounds]
        for round_ in range(1, self._rounds + 1):
            if self._leaders[round_ - 1] == FAULTY:
                arrivals += self._faulty_proposals(round_, certified)
        return arrivals

    def _faulty_proposals(self, round_: int, certified: list[Known]) -> Iterator[Arrival]:
        """Any block with any entry, whether it holds or not."""
        earlier = [known for known in certified if known[1] < round_]
        nullified = [known for known in earlier if known[0] is VoteKind.NULLIFY]
        notarized = [known for known in earlier if known[0] is VoteKind.NOTARIZE]
        blocks = {"a": None, "b": None} | {str(known[2]): None for known in notarized}
        for block in blocks:
            for count in range(len(nullified) + 1):
                for some in combinations(sorted(nullified, key=lambda known: known[1]), count):
                    for one in (None, *notarized):
                        yield Arrival(round_, block=block, entry=(one, some))

    def _certified(self, states: tuple[State, ...]) -> list[Known]:
        """Every statement that a quorum can have signed: two honest validators and the faulty."""
        counts: dict[Known, int] = {}
        for state in states:
            for known in state.signed:
                counts[known] = counts.get(known, 0) + 1
        needed = self._scheme.quorum - 1
        return [known for known, count in counts.items() if count >= needed]

    # What must not be

    def _problem(self, states: tuple[State, ...]) -> str | None:
        certified = self._certified(states)
        final = {known[2]: None for known in certified if known[0] is VoteKind.FINALIZE}
        if len(final) > 1:
            return f"AGREEMENT: {list(final)} are finalized; {[state.signed for state in states]}"
        for state in states:
            for one, other in combinations(state.signed, 2):
                if conflict(self._statement(one), self._statement(other)):
                    return f"HONESTY: {one} and {other} are signed by one"
        return None

    # The real engine

    def _replay(self, number: int, history: tuple[Arrival, ...]) -> State:
        """The state of an honest validator after what arrived, in this order."""
        engine = Simplex(
            _VALIDATORS.validators[number].account,
            lambda _: self._scheme,
            identify,
            TimeOuts(1, 1, 1, 1),
        )
        signed: list[Known] = []
        proposed: dict[Arrival, None] = {}
        head = genesis((_VALIDATORS,))
        began = HeightBegan(HEIGHT, head.block_id, _VALIDATORS, self._seed)
        for event in (began, *(each for arrival in history for each in self._events(arrival))):
            self._carry_out(engine, number, engine.on(event), signed, proposed)
        known = frozenset[Known]()
        if number in self._leaders[1:]:
            known = frozenset(each for arrival in history for each in arrival.certificates)
        state = State(number, known, tuple(signed), tuple(proposed), engine.round)
        self._histories.setdefault(state, history)
        return state

    def _carry_out(
        self,
        engine: Simplex,
        number: int,
        effects: tuple[Effect, ...],
        signed: list[Known],
        proposed: dict[Arrival, None],
    ) -> None:
        waiting = list(effects)
        while waiting:
            effect = waiting.pop(0)
            answer: Event | None = None
            match effect:
                case Sign():
                    answer = Signed(self._vote(number, effect.statement))
                    if effect.statement.kind is not VoteKind.PROPOSE:
                        signed.append(_known(effect.statement))
                case BuildBlock():
                    block = _block(f"of {number}")
                    answer = BlockBuilt(HEIGHT, identify(block) or b"", block)
                case CheckBlock():
                    answer = BlockChecked(HEIGHT, effect.block_id, valid=True)
                case Broadcast(message=Proposal() as proposal):
                    proposed[_arrival(proposal)] = None
                case _:
                    pass
            if answer is not None:
                waiting += engine.on(answer)

    def _events(self, arrival: Arrival) -> Iterator[Event]:
        """The events that an arrival stands for."""
        if arrival.certificate is not None:
            yield self._received(self._certificate(arrival.certificate))
        elif arrival.entry is not None:
            yield self._received(self._proposal(arrival))
        else:
            yield TimerFired(HEIGHT, arrival.round)
            yield TimerFired(HEIGHT, arrival.round)  # the first may only end the patience

    def _received(self, message: Message) -> MessageReceived:
        return MessageReceived(peer_at(FAULTY), message)

    def _proposal(self, arrival: Arrival) -> Proposal:
        block = _block(arrival.block or "")
        statement = Statement(VoteKind.PROPOSE, HEIGHT, arrival.round, identify(block))
        vote = self._vote(self._leaders[arrival.round - 1], statement)
        notarized, nullified = arrival.entry or (None, ())
        entry = Entry(
            None if notarized is None else self._certificate(notarized),
            tuple(self._certificate(each) for each in nullified),
        )
        return Proposal(vote, entry, block)

    def _certificate(self, known: Known) -> Certificate:
        """A certificate of a statement; which quorum signed it makes no difference."""
        statement = self._statement(known)
        votes = {number: self._vote(number, statement) for number in range(1, VALIDATORS)}
        certificate = self._scheme.certify(statement, votes)
        if certificate is None:
            raise ValueError(f"{known} is not certified by three of four.")
        return certificate

    def _statement(self, known: Known) -> Statement:
        kind, round_, name = known
        return Statement(kind, HEIGHT, round_, None if name is None else identify(_block(name)))

    def _vote(self, number: int, statement: Statement) -> Vote:
        keys = _VALIDATORS.validators[number]
        return sign_vote(
            statement,
            self._scheme.payload(statement),
            keys.account,
            lambda signed: self._table.sign(keys.vote_key, signed),
            lambda signed: self._table.share(keys.bls_key, signed),
        )


_NAMES = ("a", "b", *(f"of {number}" for number in range(HONEST)))


@cache
def _block(name: str) -> bytes:
    """The block with a name; validator 3's are `a` and `b`."""
    parent_id = genesis((_VALIDATORS,)).block_id
    return Block(HEIGHT, parent_id, FAULTY, _NAMES.index(name), valid=True).encode()


@cache
def _name(block_id: bytes) -> str:
    return next(name for name in _NAMES if identify(_block(name)) == block_id)


def _known(statement: Statement) -> Known:
    block_id = statement.block_id
    return statement.kind, statement.round, None if block_id is None else _name(block_id)


def _arrival(proposal: Proposal) -> Arrival:
    """A proposal of an honest validator, as it arrives at others."""
    statement, entry = proposal.vote.statement, proposal.entry
    notarized = None if entry.notarized is None else _known(entry.notarized.statement)
    nullified = tuple(_known(each.statement) for each in entry.nullified)
    name = _known(statement)[2]
    return Arrival(statement.round, block=name, entry=(notarized, nullified))


def _canonical(network: Iterable[State]) -> tuple[State, ...]:
    """The same network in one order."""
    return tuple(sorted(network, key=_order_of))


@cache
def _order_of(state: State) -> tuple[int, str]:
    return state.role, f"{state.signed}{state.round}{sorted(map(repr, state.known))}"


def _seed_of(leaders: tuple[int, ...]) -> bytes:
    """A seed under which the rounds have these leaders."""
    number = 0
    while True:
        seed = number.to_bytes(32, "big")
        weights = (1,) * VALIDATORS
        if leaders == tuple(
            leader_index(weights, seed, HEIGHT, round_) for round_ in range(1, len(leaders) + 1)
        ):
            return seed
        number += 1
