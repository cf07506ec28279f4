"""Upgrade: one plan at a time, for a newer version at a later height; who needs one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from genesis.chain_spec import development_keypair, development_validator
from genesis.sandbox import Sandbox
from pallets.upgrade.pallet import Upgrade
from runtime.errors import WrongSpecVersion
from runtime.extrinsic import WrongOrigin
from runtime.upgrade import UpgradePlan
from tests.pallets.chain import spec
from tests.pallets.governor import Governor

ALICE = development_keypair("alice")
CODE = bytes([7]) * 32
SPEC = spec()


def schedule(spec_version=2, height=50):
    call = Upgrade.schedule.Call(spec_version=spec_version, height=height, code_hash=CODE)
    return Governor.decree.Call(wish=call)


CANCEL = Governor.decree.Call(wish=Upgrade.cancel.Call())


def governed():
    """A chain whose Root anybody is."""
    return Sandbox(Governor, spec=SPEC)


def pending(chain):
    with chain.reading() as pallets:
        return pallets.upgrade.pending.get()


def test_an_upgrade_is_planned_and_given_up():
    """The plan is in the state until it is cancelled; events say both."""
    chain = governed()
    plan = UpgradePlan(2, 50, CODE)
    events = chain.ok(ALICE, schedule())
    assert events["Upgrade.Scheduled"].fields == {"plan": plan}
    assert pending(chain) == plan
    events = chain.ok(ALICE, CANCEL)
    assert events["Upgrade.Cancelled"].fields == {"plan": plan}
    assert pending(chain) is None


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (schedule(spec_version=1), "Upgrade.NotNewer"),
        (schedule(height=1), "Upgrade.HeightPassed"),
        (CANCEL, "Upgrade.NothingScheduled"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(call, error):
    """No newer version, a height that no later block has, or nothing to cancel."""
    governed().fails(ALICE, call, error)


def test_there_is_one_plan_at_a_time():
    """A second plan needs the first to be cancelled; the next height is early enough."""
    chain = governed()
    chain.ok(ALICE, schedule(height=2))
    chain = governed()
    chain.ok(ALICE, schedule())
    result = chain.fails(ALICE, schedule(spec_version=3), "Upgrade.AlreadyScheduled")
    assert "spec_version: 2, height: 50" in result.message


def test_only_the_chain_itself_plans():
    """An account cannot sign the call."""
    chain = governed()
    call = Upgrade.schedule.Call(spec_version=2, height=50, code_hash=CODE)
    with pytest.raises(WrongOrigin):
        chain.execute(chain.sign(ALICE, call))


def test_the_old_version_stops_at_the_planned_height():
    """The last block before it is executed, and that of the height is not."""
    chain = governed()
    chain.ok(ALICE, schedule())
    chain.execute(height=49)
    chain.runtime.check_spec_version(chain.state, 49)
    with pytest.raises(WrongSpecVersion, match="Block 50 is for spec version 2, not for 1"):
        chain.execute(height=50)


def test_several_validators_need_a_plan():
    """One alone upgrades when it installs a version; two agree first."""
    both = (development_validator("validator"), development_validator("alice"))
    for validators, needed in ((both[:1], False), (both, True)):
        chain = Sandbox(spec=replace(SPEC, validators=validators))
        with chain.reading() as pallets:
            assert pallets.upgrade.needs_plan() is needed


class UpgradeMachine(RuleBasedStateMachine):
    """Random plans: the pending one is the last that was accepted and not cancelled."""

    def __init__(self):
        super().__init__()
        self.chain = governed()
        self.plan = None

    @rule(version=st.integers(0, 4), ahead=st.integers(-2, 9))
    def schedule(self, version, ahead):
        """Accepted if it is newer, later, and the only one."""
        if self.stopped():
            return
        height = max(0, self.chain.height + 1 + ahead)
        allowed = version > 1 and ahead > 0 and self.plan is None
        assert self.chain.send(ALICE, schedule(version, height)).ok == allowed
        if allowed:
            self.plan = UpgradePlan(version, height, CODE)

    @rule()
    def cancel(self):
        """Accepted if there is one."""
        if self.stopped():
            return
        assert self.chain.send(ALICE, CANCEL).ok == (self.plan is not None)
        self.plan = None

    def stopped(self):
        """Whether the next height is the planned one: then no block of this version is made."""
        height = self.chain.height + 1
        is_due = self.plan is not None and height >= self.plan.height
        if is_due:
            with pytest.raises(WrongSpecVersion):
                self.chain.runtime.check_spec_version(self.chain.state, height)
        return is_due

    @invariant()
    def the_plan_is_the_models(self):
        """In the state for everybody to see."""
        assert pending(self.chain) == self.plan


UpgradeMachine.TestCase.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)
TestUpgradeMachine = UpgradeMachine.TestCase
