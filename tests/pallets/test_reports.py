"""Reports and appeals: answered, judged, then paid; nothing moves before, nobody gains by reporting."""

from __future__ import annotations

import pytest

from genesis.scenes import (
    ALICE,
    BLOB,
    BOB,
    BOND_PER_ROW,
    CURATOR,
    SERVER,
    USER,
    commit,
    create,
    enrol,
    judge,
    publish,
    report,
    reveal,
    settle_submission,
)
from pallets.pots import TREASURY
from pallets.reports.pallet import DEPOSIT, Reports
from pallets.reports.types import EvidenceKind
from pallets.submissions.bonds import BOND
from pallets.submissions.pallet import Submissions
from runtime.types import OPEN, PPB
from runtime.wire.datanets import Purpose
from tests.pallets.chain import Chain, spec

TERMS = {"commit_blocks": 50, "open_blocks": 20, "answer_blocks": 10, "answerable_blocks": 1_000}
APPEAL = report(EvidenceKind.APPEAL)
RESOLVE = Reports.resolve.Call(report=0)


def reviewed(bond=100):
    """Alice has three accepted rows and two rejected ones; one panelist."""
    chain = Chain(spec(**TERMS))
    chain.ok(SERVER, enrol())
    chain.ok(CURATOR, create())
    chain.ok(ALICE, commit(ALICE, bond=bond))
    chain.ok(ALICE, reveal())
    chain.ok(CURATOR, publish((0, 3, 0, 2)))
    return chain


def judged(chain, score, call):
    who = ALICE if call is APPEAL else BOB
    chain.ok(who, call)
    chain.ok(USER, Reports.convene.Call(report=0), height=chain.height + 11)
    judge(chain, 0, {SERVER: score})
    return chain.ok(USER, RESOLVE)["Reports.Resolved"].fields


def test_guilty_rows_leave_and_cost_their_bond():
    """A tenth of it to the reporter, the rest to the treasury; the deposit comes back."""
    chain = reviewed()
    treasury, free = chain.free(TREASURY), chain.free(BOB.account)
    fields = judged(chain, PPB, report(rows=2))
    assert (fields["rows"], fields["slashed"], fields["bounty"]) == (2, 20, 2)
    assert chain.free(TREASURY) == treasury + 18
    assert chain.free(BOB.account) == free + 2 - OPEN  # the panel's fee is what it cost
    with chain.reading() as pallets:
        assert pallets.submissions.submissions[0, 0].accepted == 1
        assert pallets.submissions.leaving[0] == 2
        assert not pallets.datanets.permits(0, 1, Purpose.RESEARCH, BOB.account)
    chain.ok(CURATOR, publish(row_count=1, reviewed_count=5))
    chain.ok(USER, settle_submission(), height=chain.height + 1_000)
    assert chain.held(ALICE.account, BOND) == 0


def test_reporting_oneself_loses_money():
    """The bounty is a capped part of the reporter's own bond."""
    chain = reviewed()
    before = chain.free(ALICE.account) + chain.held(ALICE.account, BOND)
    chain.ok(ALICE, report(rows=3))
    chain.ok(USER, Reports.convene.Call(report=0), height=chain.height + 11)
    judge(chain, 0, {SERVER: PPB})
    chain.ok(USER, RESOLVE)
    after = chain.free(ALICE.account) + chain.held(ALICE.account, BOND)
    assert after < before - OPEN


def test_a_false_report_costs_its_deposit():
    """Griefing is paid by who does it, and takes nothing from the accused."""
    chain = reviewed()
    treasury, held = chain.free(TREASURY), chain.held(ALICE.account, BOND)
    fields = judged(chain, 0, report(rows=2))
    assert (fields["rows"], fields["slashed"]) == (0, 0)
    assert chain.free(TREASURY) == treasury + 10 * OPEN
    assert chain.held(ALICE.account, BOND) == held
    assert chain.held(BOB.account, DEPOSIT) == 0


def test_an_appeal_gives_the_bond_of_rejected_rows_back():
    """The panel finds the rejected rows acceptable: they cost nothing when the bond is settled."""
    chain = reviewed()
    assert judged(chain, PPB, APPEAL)["rows"] == 2
    fields = chain.ok(USER, settle_submission(), height=chain.height + 1_000)
    assert fields["Submissions.Settled"].fields["forfeited"] == 0


def test_a_bond_is_not_settled_under_a_report():
    """Nobody takes the bond away while a panel decides about it."""
    chain = reviewed()
    chain.ok(BOB, report())
    late = chain.height + 1_001
    chain.fails(ALICE, settle_submission(), "Submissions.StillReported", height=late)
    chain.fails(BOB, report(), "Submissions.TooLate")


def test_the_accused_answers_once_and_the_panel_waits_for_it():
    """Only the accused, in time; an answer lets the panel begin at once."""
    chain = reviewed()
    chain.ok(BOB, report())
    answer = Reports.answer.Call(report=0, answer=BLOB)
    chain.fails(USER, Reports.convene.Call(report=0), "Reports.TooEarly")
    chain.fails(USER, answer, "Reports.NotAccused")
    chain.ok(ALICE, answer)
    chain.fails(ALICE, answer, "Reports.WrongState")
    chain.ok(USER, Reports.convene.Call(report=0))
    chain.fails(USER, RESOLVE, "Reports.Undecided")


@pytest.mark.parametrize(
    ("who", "call", "error"),
    [
        (BOB, APPEAL, "Reports.NotAccused"),
        (ALICE, report(EvidenceKind.APPEAL, rows=3), "Reports.WrongRows"),
        (BOB, report(rows=4), "Reports.WrongRows"),
        (BOB, report(rows=0), "Reports.WrongRows"),
        (BOB, RESOLVE, "Reports.UnknownReport"),
    ],
)
def test_what_cannot_be_is_refused(who, call, error):
    """Wrong people and wrong numbers are typed errors."""
    reviewed().fails(who, call, error)


def test_rejected_rows_are_settled_only_after_the_window():
    """Appeals come before any payout or slash."""
    chain = reviewed(bond=5 * BOND_PER_ROW)
    chain.fails(USER, settle_submission(), "Submissions.TooEarly")
    assert chain.spec.parameters[Submissions.answerable_blocks] == 1_000
