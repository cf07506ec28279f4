"""Panels: drawn by stake, paid for agreeing; colluders below half of the seats move nothing and pay."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.scenes import (
    ALICE,
    BOB,
    BUILDER,
    CURATOR,
    SALT,
    SERVER,
    USER,
    commit,
    create,
    enrol,
    judge,
    reveal,
)
from pallets.panels.pallet import REOPEN_BLOCKS, STAKE, Panels
from pallets.panels.scoring import consensus, shares
from pallets.pots import TREASURY
from runtime.types import OPEN, PPB
from runtime.wire.datanets import Curation
from runtime.wire.panels import score_commitment
from tests.pallets.chain import Chain, spec

TENURE = {"commit_blocks": 50, "open_blocks": 20}


def case_opened(*panelists):
    """Case 0, paid by Alice's bond, with these panelists."""
    chain = Chain(spec(**TENURE))
    for who in panelists:
        chain.ok(who, enrol())
    chain.ok(CURATOR, create(curation=Curation.PANEL))
    chain.ok(ALICE, commit(ALICE, bond=2 * OPEN))
    chain.ok(ALICE, reveal())
    return chain


def test_who_agrees_is_paid_and_who_does_not_pays():
    """The fee goes to the majority's seats; the deviating juror loses a part of its stake."""
    chain = case_opened(BOB, SERVER, BUILDER)
    judge(chain, 0, {BOB: PPB, SERVER: PPB, BUILDER: 0})
    with chain.reading() as pallets:
        assert pallets.panels.score_of(0) == PPB
        stakes = {each.account: each.stake for each in pallets.panels.panelists.get()}
        fine = 1_000 * OPEN * pallets.panels.penalty_ppb.get() // PPB
    assert stakes[BUILDER.account] == chain.held(BUILDER.account, STAKE) == 1_000 * OPEN - fine
    assert stakes[BOB.account] == 1_000 * OPEN
    assert chain.free(TREASURY) >= fine


def test_a_silent_panel_decides_nothing_and_gives_the_fee_back():
    """Without a majority of seats there is no score; the absent pay, the payer does not."""
    chain = case_opened(BOB, SERVER, BUILDER)
    free = chain.free(ALICE.account)
    judge(chain, 0, {})
    with chain.reading() as pallets:
        assert pallets.panels.is_closed(0)
        assert pallets.panels.score_of(0) is None
        assert pallets.panels.owed.get() == 0
    assert chain.free(ALICE.account) == free + OPEN


def test_a_case_without_panelists_is_closed_at_once():
    """Nobody waits for a panel that does not exist."""
    chain = case_opened()
    assert "Panels.Closed" in chain.ok(USER, Panels.seat.Call(case=0))


def test_a_case_that_waited_too_long_is_opened_again():
    """Beacons are forgotten: the draw then waits for a new one."""
    chain = case_opened(BOB)
    late = chain.height + REOPEN_BLOCKS + 1
    assert "Panels.CaseOpened" in chain.ok(USER, Panels.seat.Call(case=0), height=late)
    chain.fails(USER, Panels.seat.Call(case=0), "Session.BeaconUnknown")


def test_scores_are_blind_and_revealed_once():
    """Commit in time, reveal after it, with what was committed; jurors only."""
    chain = case_opened(BOB)
    chain.advance(2)
    chain.ok(USER, Panels.seat.Call(case=0))
    seated_at = chain.height
    blinded = score_commitment(BOB.account, 0, PPB, SALT)
    ballot = Panels.commit.Call(case=0, commitment=blinded)
    opened = Panels.reveal.Call(case=0, score=PPB, salt=SALT)
    chain.fails(ALICE, ballot, "Panels.NotJuror")
    chain.fails(BOB, Panels.leave.Call(), "Panels.OnDuty")
    chain.ok(BOB, ballot)
    chain.fails(BOB, ballot, "Panels.NotJuror")
    chain.fails(BOB, opened, "Panels.TooEarly")
    chain.height = seated_at + 50
    other = Panels.reveal.Call(case=0, score=0, salt=SALT)
    chain.fails(BOB, other, "Panels.WrongCommitment")
    chain.ok(BOB, opened)
    chain.fails(BOB, Panels.close.Call(case=0), "Panels.TooEarly")
    chain.ok(BOB, Panels.close.Call(case=0), height=seated_at + 71)
    chain.ok(BOB, Panels.leave.Call())
    assert chain.held(BOB.account, STAKE) == 0
    chain.fails(BOB, Panels.leave.Call(), "Panels.NotPanelist")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (enrol(999 * OPEN), "Panels.StakeTooLow"),
        (Panels.seat.Call(case=7), "Panels.UnknownCase"),
        (Panels.close.Call(case=0), "Panels.WrongState"),
    ],
)
def test_what_cannot_be_is_refused(call, error):
    """Too little stake, unknown cases, steps out of order."""
    case_opened(BOB).fails(ALICE, call, error)


SCORES = st.integers(0, PPB)


@settings(max_examples=500, deadline=None)
@given(
    honest=st.lists(st.tuples(st.integers(1, 8), SCORES), min_size=1, max_size=20),
    colluding=st.lists(st.tuples(st.integers(1, 8), SCORES), max_size=20),
)
def test_colluders_below_a_third_stay_between_honest_scores(honest, colluding):
    """Whatever they give, the score is one that honest jurors enclose: they gain nothing."""
    seats = sum(weight for weight, _ in honest)
    while 2 * sum(weight for weight, _ in colluding) >= seats:
        colluding = colluding[:-1]  # together below a third of all
    score = consensus([*honest, *colluding], PPB // 2)
    scores = [each for _, each in honest]
    assert min(scores) <= score <= max(scores)


@given(st.lists(st.integers(0, 64), min_size=1, max_size=64), st.integers(0, OPEN))
def test_fees_are_divided_to_the_unit(weights, amount):
    """Nobody is paid more than there is; what is left is less than a unit a seat."""
    parts = shares(weights, amount)
    assert sum(parts) <= amount
    assert not sum(weights) or amount - sum(parts) < len(weights)
