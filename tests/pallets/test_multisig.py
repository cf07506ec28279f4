"""Multisig: k of n make a call, each once, and never by an approval of another operation."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pallets.balances.pallet import Balances
from pallets.multisig.pallet import DEPOSIT, Multisig, multisig_account
from runtime import OPEN, RuntimeCall
from runtime.keys import Keypair
from tests.pallets.assembly import ALICE, BOB, FAUCET, USER, hash_of
from tests.pallets.chain import Chain

PEOPLE = (ALICE, BOB, USER)
ACCOUNT = multisig_account([each.account for each in PEOPLE], 2)
PAY = Balances.transfer.Call(receiver=FAUCET.account, amount=OPEN)


def others(who: Keypair) -> tuple[bytes, ...]:
    """The signatories without one, in order."""
    return tuple(sorted(each.account for each in PEOPLE if each is not who))


def approve(who: Keypair, opened_at: int | None, call: RuntimeCall = PAY) -> RuntimeCall:
    """An approval by the hash."""
    return Multisig.approve.Call(
        threshold=2, others=others(who), opened_at=opened_at, call_hash=hash_of(call)
    )


def execute(who: Keypair, opened_at: int | None, call: RuntimeCall = PAY) -> RuntimeCall:
    """The last approval, with the call."""
    return Multisig.execute.Call(threshold=2, others=others(who), opened_at=opened_at, call=call)


def funded() -> Chain:
    """With 100 OPEN on the account of two of Alice, Bob and User."""
    chain = Chain()
    chain.ok(FAUCET, Balances.transfer.Call(receiver=ACCOUNT, amount=100 * OPEN))
    return chain


def test_two_of_three_make_a_call() -> None:
    """The first leaves a deposit and gets it back; the account pays."""
    chain = funded()
    chain.fails(ALICE, execute(ALICE, None), "Multisig.TooFewApprovals")
    chain.ok(ALICE, approve(ALICE, None))
    opened_at = chain.height
    assert chain.held(ALICE.account, DEPOSIT) == 12 * OPEN
    events = chain.ok(USER, execute(USER, opened_at))
    assert events["Multisig.Executed"].fields["error"] == ""
    assert chain.free(ACCOUNT) == 99 * OPEN
    assert chain.held(ALICE.account, DEPOSIT) == 0
    assert not chain.entries("Multisig", "operations")


def test_a_call_that_fails_is_over() -> None:
    """Its event says why; nothing else is left."""
    chain = funded()
    pay = Balances.transfer.Call(receiver=FAUCET.account, amount=101 * OPEN)
    chain.ok(ALICE, approve(ALICE, None, pay))
    events = chain.ok(BOB, execute(BOB, chain.height, pay))
    assert events["Multisig.Executed"].fields["error"] == "Balances.Insufficient"
    assert chain.free(ACCOUNT) == 100 * OPEN


def test_an_approval_is_for_one_operation() -> None:
    """Of one height, one threshold and these signatories; twice the same person is one."""
    chain = funded()
    chain.ok(ALICE, approve(ALICE, None))
    opened_at = chain.height
    chain.fails(ALICE, approve(ALICE, opened_at), "Multisig.AlreadyApproved")
    chain.fails(ALICE, execute(ALICE, opened_at), "Multisig.TooFewApprovals")
    chain.fails(BOB, execute(BOB, opened_at + 1), "Multisig.WrongOperation")
    chain.fails(BOB, execute(BOB, None), "Multisig.WrongOperation")
    cancel = Multisig.cancel.Call(
        threshold=2, others=others(BOB), opened_at=opened_at, call_hash=hash_of(PAY)
    )
    chain.fails(BOB, cancel, "Multisig.NotOpener")
    own = Multisig.cancel.Call(
        threshold=2, others=others(ALICE), opened_at=opened_at, call_hash=hash_of(PAY)
    )
    chain.ok(ALICE, own)
    assert chain.held(ALICE.account, DEPOSIT) == 0
    chain.fails(ALICE, own, "Multisig.WrongOperation")
    chain.ok(BOB, approve(BOB, None))
    chain.fails(USER, execute(USER, opened_at), "Multisig.WrongOperation")


@pytest.mark.parametrize(
    ("threshold", "named"),
    [
        (2, (BOB.account, BOB.account)),
        (2, tuple(sorted((BOB.account, USER.account), reverse=True))),
        (2, tuple(sorted((ALICE.account, USER.account)))),
        (4, others(ALICE)),
    ],
)
def test_signatories_are_named_once_and_in_order(threshold, named) -> None:
    """Nobody counts twice, and no account has a threshold that cannot be reached."""
    call = Multisig.approve.Call(
        threshold=threshold, others=named, opened_at=None, call_hash=hash_of(PAY)
    )
    funded().fails(ALICE, call, "Multisig.InvalidSignatories")


class MultisigMachine(RuleBasedStateMachine):
    """Random approvals and executions: the account pays once for every two different people."""

    @initialize()
    def begin(self):
        self.chain = funded()
        self.approvals: list[bytes] = []
        self.opener: bytes | None = None
        self.opened_at: int | None = None
        self.paid = 0

    @rule(who=st.sampled_from(PEOPLE))
    def approve(self, who):
        ok = self.chain.send(who, approve(who, self.opened_at)).ok
        assert ok == (who.account not in self.approvals)
        if ok:
            self.approvals.append(who.account)
            if self.opened_at is None:
                self.opener, self.opened_at = who.account, self.chain.height

    @rule(who=st.sampled_from(PEOPLE))
    def execute(self, who):
        ok = self.chain.send(who, execute(who, self.opened_at)).ok
        assert ok == (len({*self.approvals, who.account}) >= 2)
        if ok:
            self.approvals, self.opener, self.opened_at = [], None, None
            self.paid += 1

    @rule(who=st.sampled_from(PEOPLE))
    def cancel(self, who):
        cancel = Multisig.cancel.Call(
            threshold=2,
            others=others(who),
            opened_at=self.opened_at or 0,
            call_hash=hash_of(PAY),
        )
        ok = self.chain.send(who, cancel).ok
        assert ok == (who.account == self.opener)
        if ok:
            self.approvals, self.opener, self.opened_at = [], None, None

    @invariant()
    def books_are_right(self):
        assert self.chain.free(ACCOUNT) == (100 - self.paid) * OPEN
        for who in PEOPLE:
            expected = 12 * OPEN if who.account == self.opener else 0
            assert self.chain.held(who.account, DEPOSIT) == expected


MultisigMachine.TestCase.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
TestMultisigMachine = MultisigMachine.TestCase
