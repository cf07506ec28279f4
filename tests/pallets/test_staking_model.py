"""Staking against a model in exact fractions: random stakes, rewards, slashes and claims."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from genesis.chain_spec import DEV_BOND, development_keypair
from pallets.balances.pallet import Balances
from pallets.pots import STAKERS, TREASURY
from pallets.staking.pallet import Staking
from pallets.staking.types import COMMISSION_PPB, FRACTION_BITS, LEAVING_MAX
from runtime import PPB, RuntimeCall
from runtime.arithmetic import split_by_largest_remainder
from runtime.keys import Keypair
from runtime.types import OPEN
from tests.fuzz.openledger import stakes_add_up
from tests.pallets.test_staking import (
    BOND,
    LEAST,
    UNBONDING_BLOCKS,
    bond,
    claim,
    inside,
    nominate,
    opened,
    unbond,
    withdraw,
    worth,
)

VALIDATORS = tuple(map(development_keypair, ("validator", "alice")))
PEOPLE = (*VALIDATORS, *map(development_keypair, ("bob", "user", "server")))
FAUCET = development_keypair("faucet")
UNITS_PER_STEP = 8
"""What roundings may cost somebody in one step: below a unit each."""

people = st.sampled_from(PEOPLE)
validators = st.sampled_from(VALIDATORS)
amounts = st.one_of(
    st.integers(1, 3), st.sampled_from([LEAST, LEAST + 7, BOND, 3 * BOND]), st.integers(1, BOND)
)


@dataclass
class Held:
    """What somebody has behind a validator, without shares: amounts in exact fractions."""

    stake: Fraction = Fraction(0)
    earning: Fraction = Fraction(0)
    """What of it was there when the session began."""
    earned: Fraction = Fraction(0)
    leaving: dict[int, Fraction] = field(default_factory=dict)


class StakingModel(RuleBasedStateMachine):
    """Everybody has what the model says, but for roundings, and never more than was paid in."""

    def __init__(self) -> None:
        super().__init__()
        self.chain = opened("validator", "alice")
        self.held: dict[tuple[bytes, bytes], Held] = defaultdict(Held)
        self.elected = [each.account for each in VALIDATORS]
        self.steps = 1
        for each in VALIDATORS:
            own = self.held[each.account, each.account]
            own.stake = own.earning = Fraction(DEV_BOND)

    def _ends_session(self) -> bool:
        with self.chain.reading() as pallets:
            return self.chain.height + 1 >= pallets.session.ends_at.get()

    def _send(self, who: Keypair, call: RuntimeCall) -> bool:
        """Send a call; when its block ends the session, share the rewards out in the model."""
        self.steps += 1
        ending = self._ends_session()
        result = self.chain.send(who, call)
        self._after(ending=ending)
        return result.ok

    def _after(self, *, ending: bool) -> None:
        if not ending:
            return
        shared = [each for each in self.chain.events if each.name == "RewardsShared"]
        reward = shared[0].fields["answers"] if shared else 0
        earning = [
            self._earning(each) if each.account in self.elected else 0 for each in VALIDATORS
        ]
        parts = split_by_largest_remainder(reward, earning) if reward else [0, 0]
        for validator, part in zip(VALIDATORS, parts, strict=True):
            commission = part * COMMISSION_PPB // PPB
            of = [each for key, each in self.held.items() if key[1] == validator.account]
            whole = sum(each.earning for each in of)
            for each in of:
                if part and whole:
                    each.earned += (part - commission) * each.earning / whole
                each.earning = each.stake
            self.held[validator.account, validator.account].earned += commission
        with self.chain.reading() as pallets:
            self.elected = list(pallets.staking.elected.get())

    def _earning(self, validator: Keypair) -> int:
        """What the chain reckons with: rounded once, so that both divide by the same."""
        return int(sum(e.earning for key, e in self.held.items() if key[1] == validator.account))

    @rule(who=people, validator=validators, amount=amounts)
    def stake(self, who: Keypair, validator: Keypair, amount: int) -> None:
        call = bond(amount) if who is validator else nominate(validator, amount)
        ending = self._ends_session()
        if self._send(who, call):
            held = self.held[who.account, validator.account]
            held.stake += amount
            if ending:
                held.earning = held.stake

    @rule(who=people, validator=validators, amount=st.one_of(amounts, st.none()))
    def leave(self, who: Keypair, validator: Keypair, amount: int | None) -> None:
        whole = worth(self.chain, who, validator)
        amount = amount or whole or 1
        held = self.held[who.account, validator.account]
        joined = held.stake - held.earning
        ending = self._ends_session()
        with self.chain.reading() as pallets:
            until = max(self.chain.height + 1, pallets.staking.counts_until.get())
        before = (held.stake, held.earning)
        held.stake -= amount
        held.earning -= max(Fraction(0), amount - joined)
        if amount == whole:
            held.stake = held.earning = Fraction(0)
        if not self._send(who, unbond(validator, amount)):
            held.stake, held.earning = before[0], before[0] if ending else before[1]
            return
        held.leaving[until] = held.leaving.get(until, Fraction(0)) + amount
        assert len(held.leaving) <= LEAVING_MAX

    @rule(who=people, validator=validators)
    def withdraw(self, who: Keypair, validator: Keypair) -> None:
        held = self.held[who.account, validator.account]
        due = [each for each in held.leaving if each + UNBONDING_BLOCKS <= self.chain.height + 1]
        before = self.chain.free(who.account)
        assert self._send(who, withdraw(validator)) == bool(due)
        expected = sum(held.leaving.pop(each) for each in due)
        self._about(self.chain.free(who.account) - before, Fraction(expected))

    @rule(who=people, validator=validators)
    def claim(self, who: Keypair, validator: Keypair) -> None:
        held = self.held[who.account, validator.account]
        before, earned = self.chain.free(who.account), held.earned
        held.earned = Fraction(0)
        if self._send(who, claim(validator)):
            self._about(self.chain.free(who.account) - before, earned)
        else:
            assert earned < UNITS_PER_STEP * self.steps

    @rule(amount=st.one_of(st.integers(0, 3), st.integers(0, 1_000 * OPEN)))
    def answers_pay(self, amount: int) -> None:
        self._send(FAUCET, Balances.transfer.Call(receiver=STAKERS, amount=amount))

    @rule(validator=validators, part=st.integers(1, 99), age=st.integers(0, 30))
    def slash(self, validator: Keypair, part: int, age: int) -> None:
        """Some per cent of what was there at a height not long ago."""
        self.steps += 1
        height = max(1, self.chain.height - age)
        of = [each for key, each in self.held.items() if key[1] == validator.account]
        liable = sum((each.stake for each in of), Fraction(0)) + sum(
            (amount for each in of for until, amount in each.leaving.items() if until >= height),
            Fraction(0),
        )
        amount = int(liable * part / 100)
        account = validator.account
        taken = inside(self.chain, lambda staking: staking.slash(account, amount, height, TREASURY))
        assert isinstance(taken, int)
        left = 1 - Fraction(taken) / liable if liable else Fraction(1)
        for each in of:
            each.stake *= left
            each.earning *= left
            for until in each.leaving:
                each.leaving[until] *= left if until >= height else 1

    @rule(blocks=st.integers(1, 4))
    def wait(self, blocks: int) -> None:
        for _ in range(blocks):
            ending = self._ends_session()
            self.chain.advance(1)
            self._after(ending=ending)

    @rule()
    def wait_until_all_has_waited(self) -> None:
        for _ in range(UNBONDING_BLOCKS + 6):
            ending = self._ends_session()
            self.chain.advance(1)
            self._after(ending=ending)

    def _about(self, amount: int, exact: Fraction) -> None:
        assert abs(amount - exact) <= UNITS_PER_STEP * self.steps

    @invariant()
    def everybody_has_what_is_theirs(self) -> None:
        for (staker, validator), held in self.held.items():
            with self.chain.reading() as pallets:
                position = pallets.staking.positions[staker, validator]
                backing = pallets.staking.backings[validator]
            staked = position.shares * backing.stake // backing.shares if position.shares else 0
            self._about(staked, held.stake)
            earning = position.shares - position.joining
            earned = position.earned + earning * (backing.index - position.index)
            earned >>= FRACTION_BITS
            own = backing.commission if staker == validator else 0
            if not position.joining:
                self._about(earned + own, held.earned)
            else:
                assert earned + own <= held.earned + UNITS_PER_STEP * self.steps

    @invariant()
    def books_add_up(self) -> None:
        assert stakes_add_up(self.chain.runtime, {}, self.chain.state) is None
        with self.chain.reading() as pallets:
            staking: Staking = pallets.staking
            free = pallets.balances.free_balance(staking.account)
            assert free == staking.staked.get() + staking.owed.get()


StakingModel.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
TestStakingModel = StakingModel.TestCase
