"""Balances: ERC-20 semantics, exact issuance, holds; a state machine against a model."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from genesis.allocation import SUPPLY
from genesis.chain_spec import development_keypair
from pallets.balances.pallet import Balances
from pallets.balances.types import LOCKS_MAX, Account
from pallets.pots import TREASURY
from pallets.system.pallet import System
from runtime import Runtime
from runtime.block import BlockContext
from runtime.errors import InvalidTransaction, InvariantViolation, OpenLedgerError
from runtime.hashing import ZERO_HASH
from runtime.types import OPEN
from tests.pallets.chain import Chain, key_of

ALICE = development_keypair("alice")
BOB = development_keypair("bob")
CAROL = key_of("carol")
ENDOWMENT = 1_000_000 * OPEN


def transfer(receiver, amount):
    return Balances.transfer.Call(receiver=receiver.account, amount=amount)


def test_a_transfer_moves_exactly_its_amount():
    """What the sender loses the receiver gains, and the event says so."""
    chain = Chain()
    events = chain.ok(ALICE, transfer(CAROL, 5))
    assert (chain.free(ALICE.account), chain.free(CAROL.account)) == (ENDOWMENT - 5, 5)
    assert events["Balances.Transfer"].fields == {
        "sender": ALICE.account,
        "receiver": CAROL.account,
        "amount": 5,
    }


@pytest.mark.parametrize("amount", [0, 1, ENDOWMENT])
def test_a_transfer_to_oneself_moves_nothing(amount):
    """Self-transfers up to the free balance succeed, emit, and change no balance."""
    chain = Chain()
    before = chain.money()
    events = chain.ok(ALICE, transfer(ALICE, amount))
    assert events["Balances.Transfer"].fields["amount"] == amount
    assert chain.money() == before


def test_a_transfer_to_oneself_of_more_than_one_has_fails():
    """A self-transfer is checked like any other."""
    Chain().fails(ALICE, transfer(ALICE, ENDOWMENT + 1), "Balances.Insufficient")


def test_a_transfer_of_nothing_succeeds_and_creates_nobody():
    """ERC-20: transfers of 0 are ordinary transfers; they store no empty account."""
    chain = Chain()
    events = chain.ok(ALICE, transfer(CAROL, 0))
    assert "Balances.Transfer" in events
    with chain.reading() as pallets:
        assert CAROL.account not in pallets.balances.accounts
    chain.ok(CAROL, transfer(ALICE, 0))


def test_an_emptied_account_keeps_its_nonce():
    """Sending everything leaves nothing but the nonce: old extrinsics cannot be played again."""
    chain = Chain()
    chain.ok(ALICE, transfer(BOB, ENDOWMENT))
    with chain.reading() as pallets:
        assert pallets.balances.accounts[ALICE.account] == Account(nonce=1)
        assert pallets.balances.next_nonce(ALICE.account) == 1


def test_keep_alive_refuses_to_empty_the_account():
    """The existential deposit stays free, to the unit."""
    chain = Chain()
    everything = Balances.transfer_keep_alive.Call(receiver=BOB.account, amount=ENDOWMENT)
    chain.fails(ALICE, everything, "Balances.NotKeptAlive")
    chain.ok(ALICE, Balances.transfer_keep_alive.Call(receiver=BOB.account, amount=ENDOWMENT - 1))
    assert chain.free(ALICE.account) == 1


def test_an_allowance_is_spent_and_replaced():
    """A spender moves up to the allowance, which `approve` replaces."""
    chain = Chain()
    events = chain.ok(ALICE, Balances.approve.Call(spender=BOB.account, amount=10))
    assert events["Balances.Approval"].fields["amount"] == 10
    spend = Balances.transfer_from.Call(owner=ALICE.account, receiver=CAROL.account, amount=7)
    chain.ok(BOB, spend)
    chain.fails(BOB, spend, "Balances.AllowanceExceeded")
    chain.ok(ALICE, Balances.approve.Call(spender=BOB.account, amount=8))
    chain.ok(BOB, spend)
    assert chain.free(CAROL.account) == 14
    assert chain.free(BOB.account) == ENDOWMENT


def test_nobody_spends_without_an_allowance_not_even_its_own():
    """`transfer_from` always uses an allowance; one of 0 is not stored."""
    chain = Chain()
    own = Balances.transfer_from.Call(owner=ALICE.account, receiver=BOB.account, amount=1)
    chain.fails(ALICE, own, "Balances.AllowanceExceeded")
    chain.ok(ALICE, Balances.approve.Call(spender=ALICE.account, amount=1))
    chain.ok(ALICE, own)
    assert chain.entries("Balances", "allowances") == {}
    chain.ok(ALICE, Balances.approve.Call(spender=BOB.account, amount=0))
    assert chain.entries("Balances", "allowances") == {}


def test_a_failed_spend_keeps_its_allowance():
    """An allowance above the owner's balance fails in the end, and is not used up."""
    chain = Chain()
    chain.ok(ALICE, Balances.approve.Call(spender=BOB.account, amount=2 * ENDOWMENT))
    spend = Balances.transfer_from.Call(
        owner=ALICE.account, receiver=BOB.account, amount=ENDOWMENT + 1
    )
    chain.fails(BOB, spend, "Balances.Insufficient")
    with chain.reading() as pallets:
        assert pallets.balances.allowances[ALICE.account, BOB.account] == 2 * ENDOWMENT


def test_burning_lowers_issuance():
    """What is burned is gone from the account and from issuance."""
    chain = Chain()
    chain.ok(ALICE, Balances.burn.Call(amount=3))
    with chain.reading() as pallets:
        assert pallets.balances.issuance.get() == SUPPLY - 3
    chain.fails(ALICE, Balances.burn.Call(amount=ENDOWMENT), "Balances.Insufficient")


def lone(existential_deposit=1):
    """Balances alone in a runtime, for what no call reaches."""
    balances = Balances(existential_deposit=existential_deposit)
    return balances, Runtime(System(), balances, spec_version=1, name="test")


@pytest.mark.parametrize(("endowed", "sent"), [(99, 0), (1_000, 99)])
def test_nobody_receives_less_than_the_existential_deposit(endowed, sent):
    """With a deposit of 100, an account does not begin with less: the transfer fails."""
    balances, runtime = lone(existential_deposit=100)

    def configure():
        balances.endow(b"a" * 32, endowed)
        balances.move(b"a" * 32, b"b" * 32, sent)

    with pytest.raises(Balances.BelowExistentialDeposit):
        runtime.initialise(configure)


def test_dust_goes_to_the_treasury():
    """With a deposit of 100, a payer who would keep 99 keeps nothing, and none of it is lost."""
    balances, runtime = lone(existential_deposit=100)
    owner, other = b"a" * 32, b"b" * 32

    def configure():
        balances.endow(owner, 1_000)
        balances.move(owner, other, 901)
        assert balances.accounts[owner] == Account()
        assert balances.free_balance(TREASURY) == 99
        balances.hold(other, 400, "x")
        balances.move(other, owner, 450)
        assert balances.accounts[other] == Account(free=51, held=400)
        balances.move_held(other, 400, "x", owner)
        assert balances.accounts[other] == Account()
        assert balances.free_balance(TREASURY) == 99 + 51
        assert balances.issuance.get() == 1_000

    runtime.initialise(configure)


def test_paying_oneself_is_not_leaving_dust():
    """With a deposit of 100, moves to oneself are no passing through less than that."""
    balances, runtime = lone(existential_deposit=100)
    owner = b"a" * 32

    def configure():
        balances.endow(owner, 100)
        balances.move(owner, owner, 50)
        balances.hold(owner, 100, "x")
        balances.move_held(owner, 50, "x", owner)
        assert balances.accounts[owner] == Account(free=50, held=50)

    runtime.initialise(configure)


def test_holds_are_kept_by_account_and_reason():
    """Holds add up, are released in parts, pay others, and never more than is held."""
    balances, runtime = lone()
    owner, other = b"a" * 32, b"b" * 32

    def configure():
        balances.endow(owner, 100)
        balances.hold(owner, 60, "x")
        balances.hold(owner, 20, "y")
        with pytest.raises(Balances.Insufficient):
            balances.hold(owner, 21, "x")
        with pytest.raises(Balances.Insufficient):
            balances.move(owner, other, 21)
        with pytest.raises(Balances.HoldTooSmall):
            balances.release(owner, 21, "y")
        with pytest.raises(Balances.HoldTooSmall):
            balances.move_held(owner, 21, "y", other)
        balances.release(owner, 10, "x")
        balances.move_held(owner, 20, "y", other)
        balances.move_held(owner, 5, "x", owner)
        balances.hold(owner, 0, "z")
        balances.release(owner, 0, "z")
        balances.move_held(owner, 0, "z", other)
        assert balances.accounts[owner] == Account(free=35, held=45)
        assert balances.accounts[other] == Account(free=20, held=0)
        assert [balances.held(owner, reason) for reason in "xyz"] == [45, 0, 0]

    storage = runtime.initialise(configure)
    assert len([key for key in storage if key.startswith(Balances.holds.prefix)]) == 1


STAKE = "Staking.stake"


def test_the_largest_lock_is_kept():
    """Locks overlay one another; what they need is not sent, burned, held or approved away."""
    balances, runtime = lone()
    owner, other = b"a" * 32, b"b" * 32

    def configure():
        balances.endow(owner, 100)
        balances.set_lock(owner, 60, "x")
        balances.set_lock(owner, 90, "y")
        assert (balances.free_balance(owner), balances.lockable_balance(owner)) == (10, 100)
        for refused in (
            lambda: balances.move(owner, other, 11),
            lambda: balances.hold(owner, 11, "Inference.escrow"),
            lambda: balances.burn(owner, 11),
        ):
            with pytest.raises(Balances.Locked):
                refused()
        with pytest.raises(InvalidTransaction):
            balances.admit(owner, 0, 11)
        balances.set_lock(owner, 0, "y")
        assert balances.free_balance(owner) == 40
        balances.move(owner, other, 40)
        with pytest.raises(Balances.Locked):
            balances.move(owner, other, 1)
        balances.set_lock(owner, 0, "x")
        balances.set_lock(owner, 0, "x")
        balances.move(owner, other, 60)
        assert owner not in balances.accounts

    storage = runtime.initialise(configure)
    assert not [key for key in storage if key.startswith(Balances.locks.prefix)]


def test_a_bond_backs_locks_and_an_escrow_does_not():
    """Locked OPEN can be staked and staked OPEN locked; an escrow can be spent, and a slash hits."""
    balances, runtime = lone()
    owner, pot = b"a" * 32, b"b" * 32

    def configure():
        balances.endow(owner, 100)
        balances.set_lock(owner, 100, "x")
        balances.bond(owner, 70, pot)
        assert (balances.free_balance(owner), balances.lockable_balance(owner)) == (0, 100)
        balances.set_lock(owner, 80, "x")
        assert balances.free_balance(owner) == 20
        balances.hold(owner, 20, "Inference.escrow")
        assert (balances.free_balance(owner), balances.lockable_balance(owner)) == (0, 80)
        balances.return_bond(pot, owner, 20, 60)
        assert (balances.free_balance(owner), balances.lockable_balance(owner)) == (0, 40)
        balances.release(owner, 20, "Inference.escrow")
        balances.set_lock(owner, 30, "x")
        assert balances.accounts[owner] == Account(free=50, bonded=10, locked=30)
        assert balances.free_balance(owner) == 30
        assert balances.free_balance(pot) == 50

    runtime.initialise(configure)


def test_an_account_that_has_bonded_everything_is_remembered():
    """It has neither free nor held balance, and still backs its locks."""
    balances, runtime = lone()
    owner, pot = b"a" * 32, b"b" * 32

    def configure():
        balances.endow(owner, 100)
        balances.bond(owner, 100, pot)
        assert balances.lockable_balance(owner) == 100
        with pytest.raises(Balances.Insufficient):
            balances.bond(owner, 1, pot)
        balances.return_bond(pot, owner, 100, 100)
        assert balances.accounts[owner] == Account(free=100)

    runtime.initialise(configure)


def test_locks_are_bounded():
    """An account has one lock a reason, and no more than the limit."""
    balances, runtime = lone()

    def configure():
        for number in range(LOCKS_MAX):
            balances.set_lock(b"a" * 32, 5, str(number))
        balances.set_lock(b"a" * 32, 9, "0")
        with pytest.raises(Balances.TooManyLocks):
            balances.set_lock(b"a" * 32, 5, "another")
        assert balances.accounts[b"a" * 32] == Account(locked=9)

    runtime.initialise(configure)


def test_only_genesis_issues():
    """Issuing at any later height halts: there is no way to mint."""
    balances, runtime = lone()
    late = BlockContext(1, 500, ZERO_HASH, ZERO_HASH, ZERO_HASH)
    with runtime._block({}, late, ZERO_HASH), pytest.raises(InvariantViolation):
        balances.endow(b"a" * 32, 1)


PEOPLE = (ALICE, BOB, CAROL, key_of("dave"))
people = st.sampled_from(PEOPLE)
amounts = st.one_of(
    st.integers(0, 3),
    st.integers(0, 2 * ENDOWMENT),
    st.sampled_from([ENDOWMENT, ENDOWMENT + 1, SUPPLY, 2**128 - 1]),
)


class BalancesMachine(RuleBasedStateMachine):
    """Random calls against a model of ERC-20 in a few lines."""

    def __init__(self):
        super().__init__()
        self.chain = Chain()
        self.free = {each.account: self.chain.free(each.account) for each in PEOPLE}
        self.allowances = defaultdict(int)
        self.burned = 0

    def check(self, keypair, call, allowed):
        result = self.chain.send(keypair, call)
        assert result.ok == allowed, result.message
        return result.ok

    def move(self, sender, receiver, amount):
        self.free[sender] -= amount
        self.free[receiver] += amount

    @rule(sender=people, receiver=people, amount=amounts)
    def transfer(self, sender, receiver, amount):
        if self.check(sender, transfer(receiver, amount), self.free[sender.account] >= amount):
            self.move(sender.account, receiver.account, amount)

    @rule(sender=people, receiver=people)
    def transfer_everything(self, sender, receiver):
        self.transfer(sender=sender, receiver=receiver, amount=self.free[sender.account])

    @rule(sender=people, receiver=people, amount=amounts)
    def transfer_keep_alive(self, sender, receiver, amount):
        free = self.free[sender.account]
        left = free if sender is receiver else free - amount
        call = Balances.transfer_keep_alive.Call(receiver=receiver.account, amount=amount)
        if self.check(sender, call, free >= amount and left >= 1):
            self.move(sender.account, receiver.account, amount)

    @rule(owner=people, spender=people, amount=amounts)
    def approve(self, owner, spender, amount):
        call = Balances.approve.Call(spender=spender.account, amount=amount)
        self.check(owner, call, allowed=True)
        self.allowances[owner.account, spender.account] = amount

    @rule(spender=people, owner=people, receiver=people, amount=amounts)
    def transfer_from(self, spender, owner, receiver, amount):
        key = (owner.account, spender.account)
        allowed = min(self.allowances[key], self.free[owner.account]) >= amount
        call = Balances.transfer_from.Call(
            owner=owner.account, receiver=receiver.account, amount=amount
        )
        if self.check(spender, call, allowed):
            self.allowances[key] -= amount
            self.move(owner.account, receiver.account, amount)

    @rule(account=people, amount=st.integers(1, 10))
    def burn(self, account, amount):
        allowed = self.free[account.account] >= amount
        if self.check(account, Balances.burn.Call(amount=amount), allowed):
            self.free[account.account] -= amount
            self.burned += amount

    @invariant()
    def equals_the_model(self):
        with self.chain.reading() as pallets:
            for account, free in self.free.items():
                stored = pallets.balances.accounts[account]
                assert (stored.free, stored.held) == (free, 0)
            for key, amount in self.allowances.items():
                assert pallets.balances.allowances[key] == amount
            assert pallets.balances.issuance.get() == SUPPLY - self.burned

    @precondition(lambda self: len(self.chain.blocks) in (7, 19))
    @invariant()
    def replays(self):
        self.chain.check_replay()


BalancesMachine.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestBalancesMachine = BalancesMachine.TestCase


def test_errors_carry_what_was_missing():
    """A typed error names the offending values and a remedy."""
    error = Balances.Insufficient(free=1, needed=2)
    assert isinstance(error, OpenLedgerError)
    assert "free: 1, needed: 2" in error.message
    assert error.remedy
