"""Audits: drawn by the beacon, blinded, paid from the levies; the lazy and the silent lose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis.scenes import (
    ALICE,
    BOB,
    BUILDER,
    FEE,
    SALT,
    USER,
    WORKER,
    commit_result,
    reveal_result,
    submit_job,
)
from pallets.audits.drawing import audit_rate, is_audited, seats_to_try
from pallets.audits.pallet import Audits
from pallets.audits.types import DRAWS_MAX
from pallets.balances.pallet import Balances
from pallets.compute.pallet import Compute
from pallets.workers.pallet import BOND as BOND_REASON
from pallets.workers.pallet import Workers
from runtime.hashing import hash_text
from runtime.keys import pallet_account
from runtime.merkle import list_root
from runtime.types import OPEN, PPB
from runtime.wire.records import JobState
from tests.pallets.chain import key_of
from tests.pallets.market import ALWAYS, CHALLENGE, HONEST, LIE, SETTLE, Market

POT = pallet_account("Audits")
ROOT = list_root(HONEST)
LEVIES = 1_000 * OPEN
SILENCE = FEE // 10


def audited(leaves=HONEST, **parameters):
    """A committed result with one auditor, and levies to pay it from."""
    market = Market(**ALWAYS | parameters)
    market.bond_auditors()
    market.ok(USER, Balances.transfer.Call(receiver=POT, amount=LEVIES))
    return market.committed(leaves)


def end(market):
    market.ok(USER, SETTLE, height=market.job.deadline)


def gain(market, who, before):
    return market.wealth()[who.account] - before[who.account]


def test_a_confirmed_audit_is_paid_half_the_fee():
    """The auditor commits before the worker reveals, and reveals after it."""
    market = audited()
    auditor = market.auditor()
    assert auditor in (ALICE, BOB)
    before = market.wealth()
    market.fails(WORKER, reveal_result(), "Audits.AuditorsAtWork")
    market.commit_audit(auditor)
    market.ok(WORKER, reveal_result())
    market.certify()
    market.reveal_audit(auditor)
    end(market)
    assert gain(market, auditor, before) == FEE // 2
    assert market.free(POT) == LEVIES - FEE // 2 + FEE // 20
    with market.reading() as pallets:
        assert pallets.workers.workers[auditor.account].locked == 0
    assert not market.entries("Audits", "plans")


def test_audits_are_paid_as_far_as_the_levies_last():
    """An empty pot pays what it has, which is this job's own levy."""
    market = Market(**ALWAYS)
    market.bond_auditors()
    market.committed()
    auditor = market.auditor()
    before = market.wealth()
    market.commit_audit(auditor)
    market.ok(WORKER, reveal_result())
    market.certify()
    market.reveal_audit(auditor)
    end(market)
    assert gain(market, auditor, before) == FEE // 20
    assert market.free(POT) == 0


@pytest.mark.parametrize("revealed", [False, True])
def test_a_lazy_auditor_loses_one_fee(revealed):
    """Whoever commits to something else than what stands loses what was locked, told or not."""
    market = audited()
    auditor = market.auditor()
    before = market.wealth()
    market.commit_audit(auditor, LIE)
    market.ok(WORKER, reveal_result())
    market.certify()
    if revealed:
        market.reveal_audit(auditor, LIE)
    end(market)
    assert gain(market, auditor, before) == -FEE
    assert market.job.state is JobState.SETTLED


def test_a_copied_root_does_not_fit_its_blinding():
    """What an auditor committed to blindly cannot become the worker's root afterwards."""
    market = audited()
    auditor = market.auditor()
    market.ok(auditor, Audits.commit.Call(job=0, blinded=hash_text(b"a guess")))
    market.ok(WORKER, reveal_result())
    copied = Audits.reveal.Call(job=0, root=ROOT, salt=SALT)
    market.fails(auditor, copied, "Audits.WrongBlinding")


def test_a_silent_auditor_loses_a_tenth_of_the_fee():
    """When it is due the worker goes on without it."""
    market = audited()
    auditor = market.auditor()
    before = market.wealth()
    with market.reading() as pallets:
        due = pallets.audits.plans[0].due
    market.fails(WORKER, reveal_result(), "Audits.AuditorsAtWork", height=due - 1)
    market.ok(WORKER, reveal_result(), height=due)
    late = Audits.commit.Call(job=0, blinded=hash_text(b"late"))
    market.fails(auditor, late, "Audits.TooLate")
    market.certify()
    end(market)
    assert gain(market, auditor, before) == -SILENCE


def test_an_auditor_that_finds_a_lie_challenges_it_and_wins():
    """It loses nothing of its audit, and has half of the worker's forfeited bond."""
    market = audited(LIE)
    auditor = market.auditor()
    market.commit_audit(auditor)
    market.ok(WORKER, reveal_result(leaves=LIE))
    market.reveal_audit(auditor)
    before = market.wealth()
    market.ok(auditor, CHALLENGE)
    market.bisect(auditor, LIE)
    market.judge(market.truth())
    assert gain(market, auditor, before) == 5 * FEE
    assert market.held(auditor.account, BOND_REASON) == 10_000 * OPEN


def test_an_auditor_that_confirmed_a_lie_loses_with_the_liar():
    """A copied or bought confirmation costs the auditor what was locked."""
    market = audited(LIE)
    auditor = market.auditor()
    market.commit_audit(auditor, LIE)
    market.ok(WORKER, reveal_result(leaves=LIE))
    market.reveal_audit(auditor, LIE)
    before = market.wealth()
    market.ok(USER, CHALLENGE)
    market.bisect(USER, LIE)
    market.judge(market.truth())
    assert gain(market, auditor, before) == -FEE
    assert gain(market, USER, before) == 5 * FEE


def test_nobody_but_the_silent_loses_by_a_result_that_is_never_told():
    """The auditor that committed has its bond unlocked; the worker loses its own."""
    market = audited()
    auditor = market.auditor()
    before = market.wealth()
    market.commit_audit(auditor)
    market.ok(USER, SETTLE, height=market.job.deadline)
    assert gain(market, auditor, before) == 0
    assert gain(market, WORKER, before) == -10 * FEE


def test_a_panel_judges_private_rows_by_majority():
    """Its members are paid by the owner; whoever disagrees with the majority loses."""
    market, panel = panelled()
    before = market.wealth()
    for member in panel[:3]:
        market.commit_audit(member)
    market.commit_audit(panel[3], LIE)
    market.ok(WORKER, reveal_result())
    market.fails(ALICE, CHALLENGE, "Compute.PanelDecides")
    for member in panel[:3]:
        market.reveal_audit(member)
    market.reveal_audit(panel[3], LIE)
    end(market)
    assert market.job.state is JobState.SETTLED
    assert market.job.panel
    assert [gain(market, member, before) for member in panel] == [FEE // 2] * 3 + [-FEE]
    assert gain(market, BUILDER, before) == -FEE - 4 * FEE // 2


def test_a_panel_that_agrees_on_another_result_convicts():
    """The worker loses its locked bond; the majority is paid, and the fee comes back."""
    market, panel = panelled(LIE)
    before = market.wealth()
    for member in panel:
        market.commit_audit(member)
    market.ok(WORKER, reveal_result(leaves=LIE))
    for member in panel[:3]:
        market.reveal_audit(member)
    end(market)
    assert market.job.state is JobState.CONVICTED
    assert gain(market, WORKER, before) == -10 * FEE
    assert [gain(market, member, before) for member in panel] == [FEE // 2] * 3 + [0]
    assert gain(market, BUILDER, before) == -4 * FEE // 2


def test_a_panel_that_does_not_agree_decides_nothing():
    """Two against two: the owner has everything back, and nobody loses."""
    market, panel = panelled()
    before = market.wealth()
    for member in panel[:2]:
        market.commit_audit(member)
    for member in panel[2:]:
        market.commit_audit(member, LIE)
    market.ok(WORKER, reveal_result())
    for member in panel[:2]:
        market.reveal_audit(member)
    for member in panel[2:]:
        market.reveal_audit(member, LIE)
    end(market)
    assert market.job.state is JobState.REFUNDED
    assert market.wealth() == before


def test_nobody_audits_what_was_aborted():
    """Only the worker knows at which leaf it stopped; an auditor would be held to a guess."""
    market = Market(**ALWAYS)
    market.bond_auditors()
    market.ok(BUILDER, submit_job(FEE))
    market.ok(WORKER, Compute.claim.Call(job=0))
    market.ok(BUILDER, Compute.abort.Call(job=0))
    market.ok(WORKER, commit_result(leaves=HONEST))
    market.advance(2)
    assert not market.entries("Audits", "plans")
    market.ok(WORKER, reveal_result())
    market.certify()
    end(market)
    assert market.job.state is JobState.SETTLED


def test_a_job_with_a_panel_is_not_aborted_once_it_is_claimed():
    """Its members compute it whole, and would find that whoever stopped early is wrong."""
    market, panel = with_panel()
    market.ok(BUILDER, submit_job(FEE, panel=tuple(each.account for each in panel)))
    market.ok(WORKER, Compute.claim.Call(job=0))
    market.fails(BUILDER, Compute.abort.Call(job=0), "Compute.WrongState")


def with_panel():
    """Four bonded workers, in order."""
    market = Market()
    members = sorted((key_of(f"member {n}") for n in range(4)), key=lambda each: each.account)
    for member in members:
        market.ok(USER, Balances.transfer.Call(receiver=member.account, amount=20_000 * OPEN))
        market.ok(member, Workers.register.Call(bond=10_000 * OPEN))
    market.people = (*market.people, *members)
    return market, members


def panelled(leaves=HONEST):
    """A committed result that four named workers judge."""
    market, members = with_panel()
    market.committed(leaves, panel=tuple(each.account for each in members))
    return market, members


def test_only_the_drawn_answer_and_once():
    """Strangers, second answers and answers before their time are refused."""
    market = audited()
    auditor = market.auditor()
    commit = Audits.commit.Call(job=0, blinded=hash_text(b"blinded"))
    reveal = Audits.reveal.Call(job=0, root=ROOT, salt=SALT)
    market.fails(USER, commit, "Audits.NotAnAuditor")
    market.fails(auditor, Audits.commit.Call(job=1, blinded=ROOT), "Audits.NotDrawn")
    market.fails(auditor, reveal, "Audits.TooEarly")
    market.commit_audit(auditor)
    market.fails(auditor, commit, "Audits.DoneAlready")
    market.ok(WORKER, reveal_result())
    market.fails(auditor, commit, "Audits.TooLate")
    market.reveal_audit(auditor)
    market.fails(auditor, reveal, "Audits.DoneAlready")


def test_a_worker_is_not_its_own_auditor():
    """Alone among the workers, it is audited by nobody, whatever the beacon says."""
    market = Market(**ALWAYS).committed()
    with market.reading() as pallets:
        assert pallets.audits.plans[0].audits == ()
    market.ok(WORKER, reveal_result())


def test_so_many_results_wait_for_their_draw_and_no_more():
    """A commitment that finds no place is sent again in the next block."""
    market = Market(open_jobs_max=DRAWS_MAX + 1, commit_blocks=200)
    market.ok(WORKER, Workers.bond_extra.Call(amount=100_000 * OPEN))
    for job in range(DRAWS_MAX + 1):
        market.ok(BUILDER, submit_job(2 * OPEN))
        market.ok(WORKER, Compute.claim.Call(job=job))
    nonce = market.nonce(WORKER.account)
    commits = [
        market.sign(WORKER, Compute.commit.Call(job=job, blinded=ROOT), nonce + job)
        for job in range(DRAWS_MAX + 1)
    ]
    results = market.execute(*commits).results
    assert [result.ok for result in results] == [True] * DRAWS_MAX + [False]
    assert results[-1].error == "Audits.DrawsFull"
    market.advance(2)
    market.ok(WORKER, Compute.commit.Call(job=DRAWS_MAX, blinded=ROOT))


def test_trust_is_earned_by_clean_jobs():
    """From a half down to a twentieth, by a half every ten jobs."""
    rates = [audit_rate(jobs, 500_000_000, 50_000_000, 10) for jobs in (0, 9, 10, 20, 30, 40, 99)]
    assert [rate / PPB for rate in rates] == [0.5, 0.5, 0.25, 0.125, 0.0625, 0.05, 0.05]


def test_the_draw_is_as_likely_as_it_should_be():
    """Over many beacons a quarter is a quarter, and every seat comes as often."""
    beacons = [hash_text(number.to_bytes(4, "big")) for number in range(2_000)]
    drawn = sum(is_audited(beacon, 7, PPB // 4) for beacon in beacons)
    assert abs(drawn - 500) < 80
    first = [seats_to_try(beacon, 7, 5)[0] for beacon in beacons]
    assert all(abs(first.count(seat) - 400) < 80 for seat in range(5))


@given(beacon=st.binary(min_size=32, max_size=32), count=st.integers(0, 40))
def test_seats_are_tried_once(beacon, count):
    """Each seat is one that there is, and none is named twice."""
    seats = seats_to_try(beacon, 1, count)
    assert all(0 <= seat < count for seat in seats)
    assert len(dict.fromkeys(seats)) == len(seats)
