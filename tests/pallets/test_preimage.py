"""Preimage: calls by their hashes, deposits for bytes, and what is requested stays."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from genesis.chain_spec import development_keypair
from genesis.sandbox import Sandbox
from pallets.preimage.pallet import DEPOSIT, Preimage
from pallets.preimage.types import Status
from pallets.scheduler.pallet import Scheduler
from pallets.system.pallet import System
from pallets.upgrade.pallet import Upgrade
from runtime import OPEN, RuntimeCall
from runtime.cbor import encode
from runtime.hashing import hash_call
from tests.pallets.chain import Chain, spec
from tests.pallets.governor import Governor

ALICE, BOB = development_keypair("alice"), development_keypair("bob")
REMARK = System.remark.Call(data=b"as you like it")
CANCEL = Upgrade.cancel.Call()


def hash_of(call: RuntimeCall) -> bytes:
    """The name of a call."""
    return hash_call(encode(call.to_plain()))


def note(call: RuntimeCall = REMARK) -> RuntimeCall:
    """Keep a call."""
    return Preimage.note.Call(call=call)


def unnote(call: RuntimeCall = REMARK) -> RuntimeCall:
    """Remove it."""
    return Preimage.unnote.Call(call_hash=hash_of(call))


def test_a_call_is_kept_for_a_deposit_that_comes_back() -> None:
    """The deposit grows with the bytes; the call reads back as it was noted."""
    chain = Chain()
    deposit = 10 * OPEN + len(REMARK) * OPEN // 100
    events = chain.ok(ALICE, note())
    assert events["Preimage.Noted"].fields == {
        "call_hash": hash_of(REMARK),
        "owner": ALICE.account,
        "deposit": deposit,
    }
    assert chain.held(ALICE.account, DEPOSIT) == deposit
    with chain.reading() as pallets:
        assert pallets.preimage.call_of(hash_of(REMARK)) == REMARK
    chain.ok(ALICE, unnote())
    assert chain.held(ALICE.account, DEPOSIT) == 0
    assert not chain.entries("Preimage", "calls") | chain.entries("Preimage", "statuses")


def test_a_preimage_is_its_owners() -> None:
    """It is noted once, and removed by whoever noted it."""
    chain = Chain()
    chain.fails(ALICE, unnote(), "Preimage.Unknown")
    chain.ok(ALICE, note())
    chain.fails(BOB, note(), "Preimage.AlreadyNoted")
    chain.fails(BOB, unnote(), "Preimage.NotOwner")


def test_what_is_requested_stays() -> None:
    """A scheduled task needs its call: its owner removes it after it was made."""
    chain = Sandbox(Governor, spec=spec())
    chain.ok(ALICE, note(CANCEL))
    schedule = Scheduler.schedule.Call(height=50, call=CANCEL, name=None)
    chain.ok(BOB, Governor.decree.Call(wish=schedule))
    chain.fails(ALICE, unnote(CANCEL), "Preimage.StillRequested")
    chain.execute(height=50)
    chain.ok(ALICE, unnote(CANCEL))


def test_what_the_chain_noted_goes_with_its_last_request() -> None:
    """Two tasks of the same call keep it; the second takes it along."""
    chain = Sandbox(Governor, spec=spec())
    for height in (50, 60):
        schedule = Scheduler.schedule.Call(height=height, call=CANCEL, name=None)
        chain.ok(BOB, Governor.decree.Call(wish=schedule))
    chain.fails(ALICE, unnote(CANCEL), "Preimage.NotOwner")
    chain.execute(height=50)
    with chain.reading() as pallets:
        assert pallets.preimage.statuses[hash_of(CANCEL)] == Status(requests=1)
    chain.execute(height=60)
    with chain.reading() as pallets:
        assert hash_of(CANCEL) not in pallets.preimage.calls


PEOPLE = (ALICE, BOB)
CALLS = tuple(System.remark.Call(data=bytes(length)) for length in range(3))


class PreimageMachine(RuleBasedStateMachine):
    """Random notes and removals against a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.chain = Chain()
        self.owners: dict[bytes, bytes] = {}
        self.deposits: dict[bytes, int] = {}

    @rule(who=st.sampled_from(PEOPLE), call=st.sampled_from(CALLS))
    def note(self, who, call):
        known = hash_of(call) in self.owners
        assert self.chain.send(who, note(call)).ok == (not known)
        if not known:
            self.owners[hash_of(call)] = who.account
            self.deposits[hash_of(call)] = 10 * OPEN + len(call) * OPEN // 100

    @rule(who=st.sampled_from(PEOPLE), call=st.sampled_from(CALLS))
    def unnote(self, who, call):
        owned = self.owners.get(hash_of(call)) == who.account
        assert self.chain.send(who, unnote(call)).ok == owned
        if owned:
            del self.owners[hash_of(call)], self.deposits[hash_of(call)]

    @invariant()
    def deposits_are_holds(self):
        for who in PEOPLE:
            owned = [name for name, owner in self.owners.items() if owner == who.account]
            expected = sum(self.deposits[name] for name in owned)
            assert self.chain.held(who.account, DEPOSIT) == expected
        assert len(self.chain.entries("Preimage", "calls")) == len(self.owners)


PreimageMachine.TestCase.settings = settings(max_examples=10, stateful_step_count=20, deadline=None)
TestPreimageMachine = PreimageMachine.TestCase
