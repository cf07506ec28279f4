"""Governance: referenda from submission to enactment, on tracks, with deposits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from genesis.sandbox import Sandbox
from pallets.balances.pallet import Balances
from pallets.governance.pallet import DECISION, SUBMISSION, Governance
from pallets.governance.types import REFERENDA_PER_TRACK_MAX, Curve, Result
from pallets.pots import TREASURY
from pallets.preimage.pallet import Preimage
from pallets.scheduler import pallet as scheduler_module
from pallets.scheduler.pallet import Scheduler
from pallets.system.pallet import System
from pallets.treasury.pallet import Treasury
from pallets.upgrade.pallet import Upgrade
from pallets.utility.pallet import Utility
from pallets.voting.pallet import Voting
from runtime import OPEN, PPB
from runtime.cbor import encode
from runtime.errors import InvariantViolation
from runtime.wire.votes import TrackName
from tests.pallets.assembly import (
    ALICE,
    BOB,
    DEPOSIT,
    FAUCET,
    PROPOSER,
    QUICK,
    SHORTER,
    USER,
    assembly,
    aye,
    cast,
    hash_of,
    nay,
    outcome,
    passed,
    propose,
    referendum,
    until,
)

MUCH = 5_000_000 * OPEN
SUBMISSION_DEPOSIT = 10_000 * OPEN


def test_a_referendum_changes_a_parameter() -> None:
    """Prepared, decided, confirmed without a break, carried out after the delay; deposits are back."""
    chain = assembly()
    number = propose(chain)
    submitted_at = referendum(chain, number).submitted_at
    assert chain.held(PROPOSER.account, SUBMISSION) == SUBMISSION_DEPOSIT
    assert chain.held(PROPOSER.account, DECISION) == DEPOSIT
    cast(chain, FAUCET, number, aye(MUCH))
    until(chain, "Governance.DecisionStarted")
    assert chain.height == submitted_at + QUICK.prepare_blocks
    with chain.reading() as pallets:
        electorate = pallets.governance.electorate()
    assert electorate == 17_000_000 * OPEN
    # Half of all must support it at first, a tenth at the end: 5 of 17 are enough in between.
    share = MUCH * PPB // electorate
    after = -(-(PPB // 2 - share) * 20 // (PPB // 2 - PPB // 10))
    approved_at = until(chain, "Governance.ConfirmStarted")["approved_at"]
    assert chain.height == submitted_at + QUICK.prepare_blocks + after
    assert approved_at == chain.height + QUICK.confirm_blocks
    ended = until(chain, "Governance.Ended")
    assert (chain.height, ended["result"]) == (approved_at, Result.APPROVED)
    assert ended["enacted_at"] == approved_at + QUICK.enactment_blocks
    assert chain.held(PROPOSER.account, SUBMISSION) == 0
    assert chain.held(PROPOSER.account, DECISION) == 0
    made = until(chain, "Scheduler.Made")
    assert (chain.height, made["error"]) == (ended["enacted_at"], "")
    with chain.reading() as pallets:
        assert pallets.session.session_blocks.get() == 9
    chain.ok(PROPOSER, Preimage.unnote.Call(call_hash=hash_of(SHORTER)))
    chain.check_replay()


def test_a_referendum_without_enough_support_is_rejected() -> None:
    """When its time is over, with all deposits given back; its call is never made."""
    chain = assembly()
    number = propose(chain)
    cast(chain, ALICE, number, aye(900_000 * OPEN))
    started = referendum(chain, number)
    ended = until(chain, "Governance.Ended")
    assert ended["result"] is Result.REJECTED
    assert ended["enacted_at"] is None
    decided_at = started.submitted_at + QUICK.prepare_blocks
    assert chain.height == decided_at + QUICK.decision_blocks
    assert chain.held(PROPOSER.account, SUBMISSION) == 0
    chain.fails(ALICE, Voting.vote.Call(poll=number, vote=aye(1)), "Voting.UnknownPoll")


def test_a_break_begins_the_confirmation_anew() -> None:
    """Who makes it fail for one block makes it wait for the whole time again."""
    chain = assembly()
    number = propose(chain)
    cast(chain, FAUCET, number, aye(9_000_000 * OPEN))
    until(chain, "Governance.ConfirmStarted")
    chain.advance(2)
    events = chain.ok(FAUCET, Voting.vote.Call(poll=number, vote=nay(9_000_000 * OPEN)))
    assert "Governance.ConfirmAborted" in events
    assert referendum(chain, number).confirming_since is None
    events = chain.ok(FAUCET, Voting.vote.Call(poll=number, vote=aye(9_000_000 * OPEN)))
    approved_at = events["Governance.ConfirmStarted"].fields["approved_at"]
    assert approved_at == chain.height + QUICK.confirm_blocks
    until(chain, "Governance.Ended")
    assert chain.height == approved_at


def test_a_confirmation_may_last_longer_than_the_decision() -> None:
    """Whoever passes at the end of the time is confirmed; nobody wins by the last block alone."""
    chain = assembly()
    number = propose(chain)
    until(chain, "Governance.DecisionStarted")
    chain.execute(height=chain.height + QUICK.decision_blocks - 2)
    cast(chain, FAUCET, number, aye(9_000_000 * OPEN))
    ended = until(chain, "Governance.Ended")
    assert ended["result"] is Result.APPROVED
    other = propose(chain)
    until(chain, "Governance.DecisionStarted")
    start = chain.height
    chain.execute(height=start + QUICK.decision_blocks - 2)
    cast(chain, FAUCET, other, aye(9_000_000 * OPEN))
    chain.execute(height=start + QUICK.decision_blocks + 1)
    cast(chain, FAUCET, other, nay(9_000_000 * OPEN))
    assert until(chain, "Governance.Ended")["result"] is Result.REJECTED


def test_a_referendum_without_a_decision_deposit_times_out() -> None:
    """Its submission deposit comes back, and its place is free."""
    chain = assembly()
    number = propose(chain, deposit=False)
    chain.fails(
        USER, Governance.place_decision_deposit.Call(referendum=number + 1), "Governance.NotOngoing"
    )
    assert until(chain, "Governance.Ended")["result"] is Result.TIMED_OUT
    assert chain.held(PROPOSER.account, SUBMISSION) == 0


def test_referenda_wait_for_a_place() -> None:
    """Two of a track are decided at a time; when one is over, the longest waiting is next."""
    chain = assembly()
    numbers = [propose(chain) for _ in range(4)]
    chain.advance(10)
    deciding = [referendum(chain, each).deciding_since is not None for each in numbers]
    assert deciding == [True, True, False, False]
    cast(chain, FAUCET, numbers[1], aye(9_000_000 * OPEN))
    until(chain, "Governance.Ended")
    chain.execute()
    assert referendum(chain, numbers[2]).deciding_since == chain.height
    assert referendum(chain, numbers[3]).deciding_since is None
    assert propose(chain, SHORTER, TrackName.ROOT) == 4
    chain.advance(4)
    assert referendum(chain, 4).deciding_since is not None


def test_the_tracks_are_bounded() -> None:
    """A full track takes no more; the others, those against abuse among them, are free."""
    chain = assembly(submission_deposit=0)
    submit = Governance.submit.Call(
        track=TrackName.PARAMETERS, call_hash=hash_of(SHORTER), enactment_blocks=0
    )
    chain.ok(PROPOSER, Preimage.note.Call(call=SHORTER))
    nonce = chain.nonce(USER.account)
    raw = [chain.sign(USER, submit, nonce + n) for n in range(REFERENDA_PER_TRACK_MAX)]
    assert all(result.ok for result in chain.execute(*raw).results)
    chain.fails(USER, submit, "Governance.TooManyReferenda")
    cancel = Governance.cancel.Call(referendum=0)
    propose(chain, cancel, TrackName.CANCELLER)


@pytest.mark.parametrize(
    ("call", "track", "error"),
    [
        (SHORTER, TrackName.SMALL_SPENDER, "BadOrigin"),
        (Upgrade.cancel.Call(), TrackName.PARAMETERS, "BadOrigin"),
        (Balances.burn.Call(amount=1), TrackName.ROOT, "BadOrigin"),
        (Governance.kill.Call(referendum=0), TrackName.CANCELLER, "BadOrigin"),
    ],
)
def test_a_track_carries_its_own_calls(call, track, error) -> None:
    """A wrong one is refused when it is submitted, and not after weeks of votes."""
    chain = assembly()
    chain.ok(PROPOSER, Preimage.note.Call(call=call))
    submit = Governance.submit.Call(track=track, call_hash=hash_of(call), enactment_blocks=0)
    chain.fails(PROPOSER, submit, error)
    unknown = Governance.submit.Call(track=track, call_hash=bytes(32), enactment_blocks=0)
    chain.fails(PROPOSER, unknown, "Preimage.Unknown")


def test_guarded_parameters_are_roots() -> None:
    """The simple track cannot make the root track simple."""
    chain = assembly()
    easy = encode_terms(replace(QUICK, support=Curve(0, 0, PPB)))
    call = System.set_parameter.Call(pallet="Governance", name="root_terms", value=easy)
    assert passed(chain, call, TrackName.PARAMETERS)["error"] == "System.ParameterGuarded"
    guarded = System.set_guarded_parameter.Call(pallet="Governance", name="root_terms", value=easy)
    assert passed(chain, guarded, TrackName.ROOT)["error"] == ""
    with chain.reading() as pallets:
        assert pallets.governance.root_terms.get().support == Curve(0, 0, PPB)


def encode_terms(terms) -> bytes:
    """As a parameter's value."""
    return Governance.root_terms.codec.encode(terms)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(QUICK, approval=Curve(PPB, PPB // 2, PPB)),
        replace(QUICK, support=Curve(0, 1, PPB)),
    ],
)
def test_terms_that_would_break_votes_are_refused(wrong) -> None:
    """Less than a majority, or a threshold that rises, can not even be voted for."""
    chain = assembly()
    call = System.set_guarded_parameter.Call(
        pallet="Governance", name="killer_terms", value=encode_terms(wrong)
    )
    assert passed(chain, call, TrackName.ROOT)["error"] == "System.ParameterRefused"


def test_one_referendum_carries_several_calls() -> None:
    """All of them are made, or none."""
    chain = assembly()
    plan = Upgrade.schedule.Call(spec_version=2, height=10_000, code_hash=bytes(32))
    both = Utility.dispatch_all.Call(calls=(plan, SHORTER))
    assert passed(chain, both, TrackName.ROOT)["error"] == ""
    with chain.reading() as pallets:
        assert pallets.upgrade.pending.get() is not None
        assert pallets.session.session_blocks.get() == 9
    cancel = Utility.dispatch_all.Call(calls=(Upgrade.cancel.Call(), Upgrade.cancel.Call()))
    assert passed(chain, cancel, TrackName.ROOT)["error"] == "Upgrade.NothingScheduled"
    with chain.reading() as pallets:
        assert pallets.upgrade.pending.get() is not None


def test_a_referendum_is_cancelled_by_another() -> None:
    """Its deposits come back, and its voters are free."""
    chain = assembly()
    number = propose(chain)
    cast(chain, USER, number, aye(OPEN, 6))
    made = passed(chain, Governance.cancel.Call(referendum=number), TrackName.CANCELLER)
    assert made["error"] == ""
    assert outcome(chain, number).result is Result.CANCELLED
    assert chain.held(PROPOSER.account, SUBMISSION) == 0
    chain.ok(USER, Voting.unlock.Call(voter=USER.account, track=TrackName.PARAMETERS))
    with chain.reading() as pallets:
        assert pallets.balances.accounts[USER.account].locked == 0


def test_the_call_of_an_approved_referendum_can_be_cancelled() -> None:
    """Until it is made; afterwards there is nothing to cancel."""
    chain = assembly(parameters_terms=replace(QUICK, enactment_blocks=1_000))
    number = propose(chain)
    cast(chain, FAUCET, number, aye(9_000_000 * OPEN))
    until(chain, "Governance.Ended")
    passed(chain, Governance.cancel.Call(referendum=number), TrackName.CANCELLER)
    assert outcome(chain, number).result is Result.CANCELLED
    with chain.reading() as pallets:
        assert pallets.scheduler.queue.get() == ()
    made = passed(chain, Governance.cancel.Call(referendum=number), TrackName.CANCELLER)
    assert made["error"] == "Governance.NotCancellable"


def test_a_killed_referendum_loses_its_deposits() -> None:
    """They go to the treasury: an emergency ends abuse, and pays for it."""
    chain = assembly()
    number = propose(chain)
    before = chain.free(TREASURY)
    made = passed(chain, Governance.kill.Call(referendum=number), TrackName.KILLER)
    assert made["error"] == ""
    assert outcome(chain, number).result is Result.KILLED
    assert chain.free(TREASURY) == before + SUBMISSION_DEPOSIT + DEPOSIT
    chain.check_money()


def test_an_approval_waits_for_room_in_the_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that was approved is lost because too many calls wait."""
    chain = assembly()
    number = propose(chain)
    cast(chain, FAUCET, number, aye(9_000_000 * OPEN))
    monkeypatch.setattr(scheduler_module, "TASKS_MAX", 0)
    chain.advance(30)
    assert referendum(chain, number).confirming_since is not None
    monkeypatch.setattr(scheduler_module, "TASKS_MAX", 1)
    chain.execute()
    assert outcome(chain, number).result is Result.APPROVED


def test_anybody_leaves_the_decision_deposit_once() -> None:
    """It comes back to whoever left it."""
    chain = assembly()
    number = propose(chain, deposit=False)
    place = Governance.place_decision_deposit.Call(referendum=number)
    chain.ok(BOB, place)
    chain.fails(ALICE, place, "Governance.DepositThere")
    until(chain, "Governance.Ended")
    assert chain.held(BOB.account, DECISION) == 0


def test_wrong_books_are_an_invariant_violation() -> None:
    """A lost alarm, or a count that is off, halts."""
    chain = assembly()
    propose(chain)
    for key, value in (
        (Governance.alarms.prefix, encode([])),
        (Governance.alarms.prefix, encode([[99, 0]])),
        (Governance.open_count.storage_key(TrackName.PARAMETERS), encode(2)),
        (Governance.deciding_count.storage_key(TrackName.PARAMETERS), encode(1)),
    ):
        with pytest.raises(InvariantViolation):
            chain.runtime.check_invariants(chain.state | {key: value})


def test_spends_are_limited_by_their_track() -> None:
    """Small, large, and anything by the chain itself; a pot without enough pays nothing."""
    chain = assembly()
    chain.ok(FAUCET, Balances.transfer.Call(receiver=TREASURY, amount=500_000 * OPEN))
    before = chain.free(USER.account)

    def spend(call, track, amount, pot="treasury") -> str:
        """What becomes of a spend that a referendum approves."""
        wish = call.Call(pot=pot, receiver=USER.account, amount=amount)
        error: str = passed(chain, wish, track)["error"]
        return error

    small, large = Treasury.spend_small, Treasury.spend_large
    assert spend(small, TrackName.SMALL_SPENDER, 10_000 * OPEN) == ""
    assert chain.free(USER.account) == before + 10_000 * OPEN
    too_much = spend(small, TrackName.SMALL_SPENDER, 10_000 * OPEN + 1)
    assert too_much == "Treasury.MoreThanTrack"
    assert spend(large, TrackName.LARGE_SPENDER, 400_000 * OPEN) == ""
    assert spend(large, TrackName.LARGE_SPENDER, 10**6 * OPEN) == "Balances.Insufficient"
    assert spend(Treasury.spend, TrackName.ROOT, 90_000 * OPEN) == ""
    assert spend(Treasury.spend, TrackName.ROOT, 1, pot="pocket") == "Treasury.UnknownPot"
    with chain.reading() as pallets:
        assert pallets.treasury.spent["treasury"] == 500_000 * OPEN
    chain.check_money()


def test_a_scheduled_call_is_named_after_its_referendum() -> None:
    """So that Root can find it without its number."""
    chain = assembly(parameters_terms=replace(QUICK, enactment_blocks=1_000))
    number = propose(chain)
    cast(chain, FAUCET, number, aye(9_000_000 * OPEN))
    until(chain, "Governance.Ended")
    call = Scheduler.cancel_by_name.Call(name=f"Governance.{number}")
    assert passed(chain, call, TrackName.ROOT)["error"] == ""


def test_the_quorum_counts_who_can_vote() -> None:
    """OPEN in accounts without a voter is nobody's support: the buckets of genesis, the pots."""
    chain = Sandbox()
    with chain.reading() as pallets:
        issued = pallets.balances.issuance.get()
        silent = sum(map(pallets.balances.lockable_balance, pallets.governance.inactive.get()))
        assert pallets.governance.electorate() == issued - silent == 17_000_000 * OPEN
