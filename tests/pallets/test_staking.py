"""Staking: bonds, unbonding, candidates, slashes, jails; a state machine against a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from genesis.chain_spec import DEV_BOND, development_keypair
from pallets.pots import TREASURY
from pallets.staking import pallet as module
from pallets.staking.pallet import STAKE, Staking
from pallets.staking.types import CHUNKS_MAX, Chunk, Ledger
from runtime.errors import InvariantViolation
from runtime.types import OPEN
from tests.pallets.chain import Chain, spec

ALICE, BOB = development_keypair("alice"), development_keypair("bob")
USER, VALIDATOR = development_keypair("user"), development_keypair("validator")
BOND = 10_000 * OPEN
UNBONDING_BLOCKS = 20
SESSION_BLOCKS = 5


def opened(**parameters):
    """A chain on which little has to be waited for."""
    return Chain(
        spec(unbonding_blocks=UNBONDING_BLOCKS, session_blocks=SESSION_BLOCKS, **parameters)
    )


def bonded(amount=BOND):
    """With a bond of Alice, who is a candidate."""
    chain = opened()
    chain.ok(ALICE, Staking.bond.Call(amount=amount))
    chain.ok(ALICE, Staking.validate.Call())
    return chain


def ledger_of(chain, keypair):
    with chain.reading() as pallets:
        return pallets.staking.ledgers[keypair.account]


def candidates(chain):
    with chain.reading() as pallets:
        return pallets.staking.candidates.get()


def inside(chain, work: Callable[[Staking], object]):
    """What other pallets do with stakes, in a block of its own."""
    chain.height += 1
    context = chain.context(chain.height)
    with chain.runtime._block(chain.state, context, chain.genesis_hash):
        result = work(chain.pallets.staking)
        changes = chain.runtime._overlay.changes()
    chain.apply(changes)
    chain.runtime.check_invariants(chain.state)
    chain.check_money()
    return result


def test_a_bond_is_held_and_grows():
    """Bonding holds free balance; what is added is held, too, and counts."""
    chain = opened()
    events = chain.ok(ALICE, Staking.bond.Call(amount=BOND))
    assert events["Staking.Bonded"].fields["bonded"] == BOND
    chain.ok(ALICE, Staking.bond_extra.Call(amount=5))
    assert chain.held(ALICE.account, STAKE) == BOND + 5
    assert ledger_of(chain, ALICE) == Ledger(bonded=BOND + 5)


def test_a_bond_is_made_once_and_not_too_small():
    """The first bond has the least amount; a second one is an addition."""
    chain = opened()
    chain.fails(ALICE, Staking.bond_extra.Call(amount=BOND), "Staking.NotBonded")
    chain.fails(ALICE, Staking.bond.Call(amount=BOND - 1), "Staking.BondTooLow")
    chain.fails(ALICE, Staking.bond.Call(amount=10**9 * OPEN), "Balances.Insufficient")
    chain.ok(ALICE, Staking.bond.Call(amount=BOND))
    chain.fails(ALICE, Staking.bond.Call(amount=BOND), "Staking.AlreadyBonded")


def test_what_is_unbonded_waits_and_is_withdrawn():
    """To the block: a part stays held until its height, and is free after `withdraw`."""
    chain = bonded(2 * BOND)
    events = chain.ok(ALICE, Staking.unbond.Call(amount=BOND))
    due = events["Staking.Unbonded"].fields["withdrawable_at"]
    assert due == SESSION_BLOCKS + UNBONDING_BLOCKS
    assert chain.held(ALICE.account, STAKE) == 2 * BOND
    chain.fails(ALICE, Staking.withdraw.Call(), "Staking.NothingToWithdraw", height=due - 1)
    chain.ok(ALICE, Staking.withdraw.Call(), height=due)
    assert chain.held(ALICE.account, STAKE) == BOND
    assert ledger_of(chain, ALICE) == Ledger(bonded=BOND)


def test_stake_waits_from_the_end_of_the_session():
    """It still decides to the end of the session, so nobody votes for longer than it can lose."""
    chain = bonded(3 * BOND)
    chain.ok(ALICE, Staking.unbond.Call(amount=BOND), height=SESSION_BLOCKS)
    chain.ok(ALICE, Staking.unbond.Call(amount=BOND), height=SESSION_BLOCKS + 1)
    heights = [chunk.withdrawable_at for chunk in ledger_of(chain, ALICE).unbonding]
    assert heights == [SESSION_BLOCKS + UNBONDING_BLOCKS, 2 * SESSION_BLOCKS + UNBONDING_BLOCKS]


def test_a_bond_is_enough_or_gone():
    """Unbonding leaves nothing, or what a candidate must have; never more than there is."""
    chain = bonded()
    chain.fails(ALICE, Staking.unbond.Call(amount=BOND + 1), "Staking.MoreThanBonded")
    chain.fails(ALICE, Staking.unbond.Call(amount=1), "Staking.BondTooLow")
    chain.ok(ALICE, Staking.unbond.Call(amount=BOND))
    assert candidates(chain) == (VALIDATOR.account,)
    chain.fails(ALICE, Staking.unbond.Call(amount=1), "Staking.NotBonded")
    chain.ok(ALICE, Staking.withdraw.Call(), height=SESSION_BLOCKS + UNBONDING_BLOCKS)
    assert len(chain.entries("Staking", "ledgers")) == 1


def test_only_so_many_parts_leave_at_a_time():
    """Every session is one part; the last place can be used, and then one must withdraw."""
    chain = bonded(2 * BOND)
    for _ in range(CHUNKS_MAX):
        chain.execute(height=chain.height + SESSION_BLOCKS)
        chain.ok(ALICE, Staking.unbond.Call(amount=1))
    chain.execute(height=chain.height + SESSION_BLOCKS)
    result = chain.fails(ALICE, Staking.unbond.Call(amount=1), "Staking.TooManyChunks")
    assert f"chunks: {CHUNKS_MAX}" in result.message
    chain.ok(ALICE, Staking.withdraw.Call())
    chain.ok(ALICE, Staking.unbond.Call(amount=1))


def test_parts_of_one_height_are_one_part():
    """What leaves in one session is one part, and a shorter period sorts parts in between."""
    chain = bonded(2 * BOND)
    chain.ok(ALICE, Staking.unbond.Call(amount=1))
    inside(chain, lambda staking: staking.unbonding_blocks.put(5))
    chain.execute(height=SESSION_BLOCKS)
    chain.ok(ALICE, Staking.unbond.Call(amount=2))
    chain.ok(ALICE, Staking.unbond.Call(amount=2))
    first, second = ledger_of(chain, ALICE).unbonding
    assert (first.amount, second.amount) == (4, 1)
    assert first.withdrawable_at < second.withdrawable_at


def test_candidates_come_and_go():
    """Whoever has a bond may stand for election, once, and chill."""
    chain = opened()
    chain.fails(ALICE, Staking.validate.Call(), "Staking.NotBonded")
    chain.fails(ALICE, Staking.chill.Call(), "Staking.NotCandidate")
    chain.ok(ALICE, Staking.bond.Call(amount=BOND))
    events = chain.ok(ALICE, Staking.validate.Call())
    assert events["Staking.CandidateAdded"].fields["bonded"] == BOND
    assert candidates(chain) == tuple(sorted((ALICE.account, VALIDATOR.account)))
    chain.fails(ALICE, Staking.validate.Call(), "Staking.AlreadyCandidate")
    chain.ok(ALICE, Staking.chill.Call())
    assert candidates(chain) == (VALIDATOR.account,)


def test_elections_go_by_bond_then_by_account():
    """The largest bond first; equal bonds in the order of accounts; too small ones not at all."""
    chain = opened()
    for keypair, amount in ((ALICE, 2 * BOND), (BOB, BOND), (USER, BOND)):
        chain.ok(keypair, Staking.bond.Call(amount=amount))
        chain.ok(keypair, Staking.validate.Call())
    equal = sorted((BOB.account, USER.account))
    with chain.reading() as pallets:
        assert pallets.staking.ranked() == [
            (VALIDATOR.account, DEV_BOND),
            (ALICE.account, 2 * BOND),
            (equal[0], BOND),
            (equal[1], BOND),
        ]
    inside(chain, lambda staking: staking.bond_min.put(BOND + 1))
    with chain.reading() as pallets:
        assert len(pallets.staking.ranked()) == 2


def test_a_full_list_gives_way_to_larger_bonds(monkeypatch: pytest.MonkeyPatch):
    """The newcomer takes the last place of the election; an equal bond takes nobody's."""
    monkeypatch.setattr(module, "CANDIDATES_MAX", 3)
    chain = opened()
    for keypair, amount in ((ALICE, BOND), (BOB, BOND), (USER, BOND)):
        chain.ok(keypair, Staking.bond.Call(amount=amount))
    chain.ok(ALICE, Staking.validate.Call())
    chain.ok(BOB, Staking.validate.Call())
    chain.fails(USER, Staking.validate.Call(), "Staking.CandidatesFull")
    chain.ok(USER, Staking.bond_extra.Call(amount=1))
    chain.ok(USER, Staking.validate.Call())
    last = max(ALICE.account, BOB.account)
    assert last not in candidates(chain)
    assert USER.account in candidates(chain)


def test_a_slash_takes_the_bond_then_what_is_leaving():
    """The latest part first; what was withdrawn is out of reach; the receiver gets all of it."""
    chain = bonded(3 * BOND)
    chain.ok(ALICE, Staking.unbond.Call(amount=7))
    chain.execute(height=SESSION_BLOCKS + 1)
    chain.ok(ALICE, Staking.unbond.Call(amount=5))
    taken = inside(chain, lambda staking: staking.slash(ALICE.account, 3 * BOND - 12 + 8, TREASURY))
    assert taken == 3 * BOND - 4
    assert chain.free(TREASURY) >= taken
    ledger = ledger_of(chain, ALICE)
    assert (ledger.bonded, [chunk.amount for chunk in ledger.unbonding]) == (0, [4])
    assert inside(chain, lambda staking: staking.slash(ALICE.account, 9, TREASURY)) == 4
    assert inside(chain, lambda staking: staking.slash(ALICE.account, 9, TREASURY)) == 0
    assert ledger_of(chain, ALICE) == Ledger()


def test_a_jailed_account_waits_and_asks_back_in():
    """Out of the candidates at once; back only from the height on, and with enough bonded."""
    chain = bonded()
    until = chain.height + 10
    inside(chain, lambda staking: staking.jail(ALICE.account, until))
    inside(chain, lambda staking: staking.jail(ALICE.account, until - 5))
    assert ALICE.account not in candidates(chain)
    chain.fails(ALICE, Staking.validate.Call(), "Staking.InJail")
    chain.fails(ALICE, Staking.unjail.Call(), "Staking.InJail", height=until - 1)
    inside(chain, lambda staking: staking.slash(ALICE.account, 1, TREASURY))
    chain.fails(ALICE, Staking.unjail.Call(), "Staking.BondTooLow")
    chain.ok(ALICE, Staking.bond_extra.Call(amount=1))
    chain.ok(ALICE, Staking.unjail.Call())
    assert ALICE.account in candidates(chain)
    chain.fails(ALICE, Staking.unjail.Call(), "Staking.NotInJail")


def test_wrong_books_are_found():
    """The invariants see a stake that is not held, a jailed candidate, and a wrong order."""
    chain = bonded()
    for damage in (
        lambda staking: staking.ledgers.__setitem__(ALICE.account, Ledger(bonded=BOND + 1)),
        lambda staking: staking.ledgers.__setitem__(ALICE.account, Ledger(BOND, (), 5)),
        lambda staking: staking.candidates.put(tuple(reversed(staking.candidates.get()))),
    ):
        before = dict(chain.state)
        with pytest.raises(InvariantViolation):
            inside(chain, damage)
        chain.state = before


PEOPLE = (ALICE, BOB, USER)
people = st.sampled_from(PEOPLE)
amounts = st.one_of(st.integers(1, 3), st.sampled_from([BOND - 1, BOND, BOND + 1, 3 * BOND]))


@dataclass
class Stake:
    """A stake in the simplest way: parts as a dictionary from height to amount."""

    bonded: int = 0
    leaving: dict[int, int] = field(default_factory=dict)
    jailed_until: int | None = None
    candidate: bool = False


class StakingMachine(RuleBasedStateMachine):
    """Random calls, slashes and jails against a model; nothing is lost and nothing is made."""

    def __init__(self):
        super().__init__()
        self.chain = opened()
        self.free = {each.account: self.chain.free(each.account) for each in PEOPLE}
        self.model = {each.account: Stake() for each in PEOPLE}
        self.slashed = 0

    def send(self, keypair, call, allowed):
        result = self.chain.send(keypair, call)
        assert result.ok == allowed, result.message
        return allowed

    def session_end(self):
        with self.chain.reading() as pallets:
            return pallets.session.ends_at.get()

    @rule(who=people, amount=amounts, extra=st.booleans())
    def add(self, who, amount, extra):
        stake, free = self.model[who.account], self.free[who.account]
        call = Staking.bond_extra.Call(amount) if extra else Staking.bond.Call(amount)
        right_call = extra == bool(stake.bonded)
        if self.send(who, call, right_call and amount <= free and stake.bonded + amount >= BOND):
            stake.bonded += amount
            self.free[who.account] -= amount

    @rule(who=people, amount=amounts)
    def unbond(self, who, amount):
        stake = self.model[who.account]
        rest = stake.bonded - amount
        due = max(self.chain.height + 1, self.session_end()) + UNBONDING_BLOCKS
        allowed = rest == 0 or rest >= BOND
        has_place = due in stake.leaving or len(stake.leaving) < CHUNKS_MAX
        if self.send(who, Staking.unbond.Call(amount), allowed and has_place):
            stake.bonded = rest
            stake.leaving[due] = stake.leaving.get(due, 0) + amount
            stake.candidate = stake.candidate and rest > 0

    @rule(who=people)
    def unbond_everything(self, who):
        self.unbond(who=who, amount=self.model[who.account].bonded or 1)

    @rule(who=people)
    def withdraw(self, who):
        stake = self.model[who.account]
        due = [height for height in stake.leaving if height <= self.chain.height + 1]
        if self.send(who, Staking.withdraw.Call(), bool(due)):
            self.free[who.account] += sum(stake.leaving.pop(height) for height in due)

    @rule(who=people)
    def validate(self, who):
        stake = self.model[who.account]
        free_to = not stake.candidate and stake.jailed_until is None
        if self.send(who, Staking.validate.Call(), free_to and stake.bonded >= BOND):
            stake.candidate = True

    @rule(who=people)
    def chill(self, who):
        stake = self.model[who.account]
        if self.send(who, Staking.chill.Call(), stake.candidate):
            stake.candidate = False

    @rule(who=people)
    def unjail(self, who):
        stake = self.model[who.account]
        over = stake.jailed_until is not None and stake.jailed_until <= self.chain.height + 1
        if self.send(who, Staking.unjail.Call(), over and stake.bonded >= BOND):
            stake.jailed_until, stake.candidate = None, True

    @rule(who=people, amount=amounts)
    def slash(self, who, amount):
        stake = self.model[who.account]
        left = amount - min(amount, stake.bonded)
        stake.bonded -= amount - left
        for due in sorted(stake.leaving, reverse=True):
            part = min(left, stake.leaving[due])
            left -= part
            stake.leaving[due] -= part
            if not stake.leaving[due]:
                del stake.leaving[due]
        taken = inside(self.chain, lambda staking: staking.slash(who.account, amount, TREASURY))
        assert taken == amount - left
        self.slashed += taken

    @rule(who=people, blocks=st.integers(1, 30))
    def jail(self, who, blocks):
        stake = self.model[who.account]
        until = self.chain.height + blocks
        inside(self.chain, lambda staking: staking.jail(who.account, until))
        stake.jailed_until = max(until, stake.jailed_until or 0)
        stake.candidate = False

    @rule(blocks=st.integers(1, UNBONDING_BLOCKS))
    def wait(self, blocks):
        self.chain.execute(height=self.chain.height + blocks)

    @invariant()
    def equals_the_model(self):
        with self.chain.reading() as pallets:
            staking, balances = pallets.staking, pallets.balances
            standing = []
            for account, stake in self.model.items():
                ledger = staking.ledgers[account]
                chunks = [Chunk(stake.leaving[due], due) for due in sorted(stake.leaving)]
                assert ledger == Ledger(stake.bonded, tuple(chunks), stake.jailed_until)
                assert balances.held(account, STAKE) == stake.bonded + sum(stake.leaving.values())
                assert balances.free_balance(account) == self.free[account]
                standing += [account] if stake.candidate else []
            assert list(staking.candidates.get()) == sorted([*standing, VALIDATOR.account])
            assert balances.free_balance(TREASURY) == self.slashed


StakingMachine.TestCase.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
TestStakingMachine = StakingMachine.TestCase
