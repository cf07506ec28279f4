"""Vesting: a cliff, a straight line, and a lock that follows it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from genesis.chain_spec import development_keypair
from pallets.balances.pallet import Balances
from pallets.vesting.pallet import Vesting
from pallets.vesting.types import SCHEDULES_MAX, VestingSchedule
from runtime import OPEN
from tests.pallets.chain import Chain, key_of

ALICE, BOB = development_keypair("alice"), development_keypair("bob")
CAROL = key_of("carol")
AMOUNT = 1_000 * OPEN


def send(amount: int = AMOUNT, starts_at: int = 20, blocks: int = 10):
    """OPEN for Carol that comes free over time."""
    schedule = VestingSchedule(amount=amount, starts_at=starts_at, blocks=blocks)
    return Vesting.vested_transfer.Call(receiver=CAROL.account, schedule=schedule)


def spendable(chain: Chain) -> int:
    """What Carol may send."""
    with chain.reading() as pallets:
        free: int = pallets.balances.free_balance(CAROL.account)
    return free


def test_nothing_is_free_before_the_cliff_and_then_a_part_a_block() -> None:
    """Whoever asks makes the lock smaller; at the end nothing is left of it."""
    chain = Chain()
    chain.ok(ALICE, send())
    assert spendable(chain) == 0
    chain.fails(CAROL, Balances.transfer.Call(receiver=BOB.account, amount=1), "Balances.Locked")
    for height, free in ((20, 0), (21, AMOUNT // 10), (25, AMOUNT // 2), (29, AMOUNT * 9 // 10)):
        chain.ok(CAROL, Vesting.vest.Call(), height=height)
        assert spendable(chain) == free
    chain.ok(CAROL, Balances.transfer.Call(receiver=BOB.account, amount=AMOUNT // 2))
    chain.ok(BOB, Vesting.claim.Call(account=CAROL.account), height=40)
    assert spendable(chain) == AMOUNT - AMOUNT // 2
    with chain.reading() as pallets:
        assert CAROL.account not in pallets.vesting.schedules
        assert CAROL.account not in pallets.balances.locks
    chain.fails(CAROL, Vesting.vest.Call(), "Vesting.NotVesting")


def test_schedules_are_bounded_and_merged() -> None:
    """Dust fills no places, and two schedules become one that frees nothing early."""
    chain = Chain()
    chain.fails(ALICE, send(amount=OPEN), "Vesting.TooLittle")
    for number in range(SCHEDULES_MAX):
        chain.ok(ALICE, send(starts_at=100 + 10 * number))
    chain.fails(ALICE, send(), "Vesting.TooManySchedules")
    chain.fails(CAROL, Vesting.merge.Call(first=1, second=1), "Vesting.UnknownSchedule")
    chain.fails(CAROL, Vesting.merge.Call(first=1, second=8), "Vesting.UnknownSchedule")
    chain.ok(CAROL, Vesting.merge.Call(first=0, second=7))
    with chain.reading() as pallets:
        merged = pallets.vesting.schedules[CAROL.account][-1]
    assert merged == VestingSchedule(amount=2 * AMOUNT, starts_at=170, blocks=10)
    chain.ok(ALICE, send())


schedules = st.builds(
    VestingSchedule,
    amount=st.integers(1, 10**27),
    starts_at=st.integers(0, 2**40),
    blocks=st.integers(1, 2**32 - 1),
)


@given(schedules, st.integers(0, 2**33), st.integers(0, 2**20))
def test_what_is_locked_only_becomes_less(schedule, elapsed, more) -> None:
    """From all of it, up to the cliff, to nothing at the end."""
    height = max(0, schedule.starts_at - 2**20) + elapsed
    assert 0 <= schedule.locked_at(height + more) <= schedule.locked_at(height)
    assert schedule.locked_at(schedule.starts_at) == schedule.amount
    assert schedule.locked_at(schedule.ends_at) == 0
    assert schedule.locked_at(schedule.ends_at - 1) > 0


class VestingMachine(RuleBasedStateMachine):
    """Random schedules, claims and merges against the sum that may be free at most."""

    def __init__(self) -> None:
        super().__init__()
        self.chain = Chain()
        self.given: list[VestingSchedule] = []

    @rule(starts_in=st.integers(0, 20), blocks=st.integers(1, 20))
    def send(self, starts_in, blocks):
        schedule = VestingSchedule(AMOUNT, self.chain.height + starts_in, blocks)
        call = Vesting.vested_transfer.Call(receiver=CAROL.account, schedule=schedule)
        if self.chain.send(ALICE, call).ok:
            self.given.append(schedule)

    @rule()
    def claim(self):
        self.chain.send(BOB, Vesting.claim.Call(account=CAROL.account))

    @rule(first=st.integers(0, 3), second=st.integers(0, 3))
    def merge(self, first, second):
        self.chain.send(CAROL, Vesting.merge.Call(first=first, second=second))

    @rule(count=st.integers(1, 9))
    def wait(self, count):
        self.chain.execute(height=self.chain.height + count)

    @invariant()
    def nothing_is_free_early(self):
        free = sum(each.amount - each.locked_at(self.chain.height) for each in self.given)
        assert spendable(self.chain) <= free

    @invariant()
    def everything_is_free_in_the_end(self):
        with self.chain.reading() as pallets:
            known = pallets.vesting.schedules[CAROL.account]
            locked = pallets.balances.accounts[CAROL.account].locked
        assert locked >= sum(each.locked_at(self.chain.height) for each in known)
        ends = [each.ends_at for each in self.given]
        assert all(each.ends_at <= max(ends) for each in known)


VestingMachine.TestCase.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
TestVestingMachine = VestingMachine.TestCase
