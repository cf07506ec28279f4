"""Disputes: the wrong leaf is found, the liar loses exactly what the rules say, nobody else does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.scenes import (
    ALICE,
    BOB,
    BUILDER,
    FEE,
    USER,
    WORKER,
    commit_result,
    reveal_result,
    submit_job,
)
from pallets.compute.pallet import Compute
from pallets.disputes.pallet import Disputes
from pallets.pots import TREASURY
from pallets.session.types import SetChange
from pallets.workers.pallet import Workers
from runtime.hashing import ZERO_HASH
from runtime.types import OPEN
from runtime.wire.records import JobState
from runtime.wire.transcripts import dispute_rounds, leaf_result, split, whole_tree
from tests.pallets.market import (
    CHALLENGE,
    HONEST,
    LIE,
    LIE_FROM,
    SETTLE,
    TIME_OUT,
    VALIDATORS,
    Market,
)
from tests.pallets.test_staking import inside

STEP = Disputes.challenge_step.Call(work=0, index=4)
WORKER_LOSS = 10 * FEE
STAKE = 100_000 * OPEN
"""Of each validator of the local chain."""


def changes(market, before):
    """Who has more or less than before."""
    after = market.wealth()
    return {account: after[account] - before[account] for account in before}


def expected(**amounts):
    """Changes by name: worker, builder, alice, validator_0 ...; everybody else none."""
    people = {"builder": BUILDER, "worker": WORKER, "alice": ALICE, "bob": BOB, "user": USER}
    people |= {f"validator_{number}": each for number, each in enumerate(VALIDATORS)}
    return {people[name].account: amounts.get(name, 0) for name in people}


def test_a_lying_worker_loses_ten_fees():
    """One step changed: found in one round, judged; half to the challenger, a tenth to referees."""
    market = Market().revealed(LIE)
    before, issuance = market.wealth(), market.issuance
    market.ok(ALICE, CHALLENGE)
    assert market.bisect(ALICE, LIE) == dispute_rounds(len(LIE)) == 1
    with market.reading() as pallets:
        assert pallets.disputes.opened[0].index == LIE_FROM
    assert market.truth() == leaf_result(HONEST[LIE_FROM])
    market.judge(market.truth())
    part = WORKER_LOSS // 10 // 3
    shares = sorted(changes(market, before)[each.account] for each in VALIDATORS[:3])
    assert sum(shares) == WORKER_LOSS // 10
    assert shares[0] == part
    referees = {f"validator_{n}": changes(market, before)[VALIDATORS[n].account] for n in range(3)}
    assert changes(market, before) == expected(
        worker=-WORKER_LOSS, alice=WORKER_LOSS // 2, **referees
    )
    assert market.issuance == issuance - WORKER_LOSS * 4 // 10
    assert market.job.state is JobState.CONVICTED
    assert market.held(ALICE.account, "Disputes.bond") == 0
    assert market.free(BUILDER.account) == 1_000_000 * OPEN
    assert not market.entries("Models", "models")
    market.fails(USER, SETTLE, "Compute.WrongState")


def test_a_lying_challenger_loses_one_fee():
    """An honest result is upheld; half of the bond is the worker's, whose window begins anew."""
    market = Market().revealed()
    before, issuance = market.wealth(), market.issuance
    market.ok(ALICE, CHALLENGE)
    assert market.held(ALICE.account, "Disputes.bond") == FEE
    market.fails(USER, SETTLE, "Compute.InDispute", height=market.job.deadline)
    market.bisect(ALICE, HONEST, own=LIE)
    market.judge(market.truth())
    change = changes(market, before)
    referees = {f"validator_{n}": change[VALIDATORS[n].account] for n in range(3)}
    assert sum(referees.values()) == FEE // 10
    assert change == expected(alice=-FEE, worker=FEE // 2, **referees)
    assert market.issuance == issuance - FEE * 4 // 10
    assert market.job.deadline == market.height + 10
    market.ok(USER, SETTLE, height=market.job.deadline)
    assert market.job.state is JobState.SETTLED


@pytest.mark.parametrize("moves", [0, 1])
def test_a_silent_worker_loses_when_its_clock_runs_out(moves):
    """Silence is a loss like any other; there were no referees, so nine tenths go as they do."""
    market = Market().revealed()
    before, issuance = market.wealth(), market.issuance
    market.ok(ALICE, CHALLENGE)
    if moves:
        nodes = split(HONEST, whole_tree(len(HONEST)))
        market.ok(WORKER, Disputes.split.Call(work=0, nodes=nodes))
        market.ok(ALICE, Disputes.pick.Call(work=0, place=3))
    dispute = market.dispute
    last = dispute.since + dispute.worker_blocks
    market.fails(USER, TIME_OUT, "Disputes.ClockRuns", height=last - 1)
    market.ok(USER, TIME_OUT, height=last)
    assert changes(market, before) == expected(worker=-WORKER_LOSS, alice=WORKER_LOSS // 2)
    assert market.issuance == issuance - WORKER_LOSS // 2
    assert market.job.state is JobState.CONVICTED


def test_a_silent_challenger_loses_when_its_clock_runs_out():
    """The worker keeps its bond, gets half of the challenger's, and is paid in the end."""
    market = Market().revealed(LIE)
    before = market.wealth()
    market.ok(ALICE, CHALLENGE)
    nodes = split(LIE, whole_tree(len(LIE)))
    market.ok(WORKER, Disputes.split.Call(work=0, nodes=nodes))
    market.fails(ALICE, TIME_OUT, "Disputes.ClockRuns", height=market.height + 19)
    late = Disputes.pick.Call(work=0, place=9)
    market.fails(ALICE, late, "Disputes.ClockRunOut")
    market.ok(USER, TIME_OUT)
    assert changes(market, before) == expected(worker=FEE // 2, alice=-FEE)
    assert market.job.state is JobState.REVEALED


def test_clocks_run_for_the_whole_dispute():
    """What a side used for one move is missing for the next."""
    market = Market().revealed()
    market.ok(ALICE, CHALLENGE)
    market.height += 14
    nodes = split(HONEST, whole_tree(len(HONEST)))
    market.ok(WORKER, Disputes.split.Call(work=0, nodes=nodes))
    assert market.dispute.worker_blocks == 5
    market.ok(ALICE, Disputes.pick.Call(work=0, place=3))
    assert market.dispute.challenger_blocks == 19
    market.ok(USER, TIME_OUT, height=market.height + 5)
    assert market.job.state is JobState.CONVICTED


def test_a_withheld_state_is_a_lost_dispute():
    """Validators that cannot have the state sign zeros; the leaf is not shown to be right."""
    market = Market().revealed()
    before = market.wealth()
    market.ok(ALICE, STEP)
    market.open(HONEST)
    market.judge(ZERO_HASH)
    change = changes(market, before)
    assert change[WORKER.account] == -WORKER_LOSS
    assert change[ALICE.account] == WORKER_LOSS // 2


def test_to_look_at_one_step_costs_a_tenth_of_the_fee():
    """A good opening costs its asker a tenth of the fee, of which the worker has half."""
    market = Market().revealed()
    before = market.wealth()
    market.fails(ALICE, Disputes.challenge_step.Call(work=0, index=14), "Disputes.NoSuchLeaf")
    market.ok(ALICE, STEP)
    assert market.held(ALICE.account, "Disputes.bond") == FEE // 10
    market.open(HONEST)
    market.judge(market.truth())
    change = changes(market, before)
    assert (change[ALICE.account], change[WORKER.account]) == (-FEE // 10, FEE // 20)


def test_a_lie_is_found_by_naming_its_step():
    """Who knows the wrong leaf needs no rounds: one row's score, one step."""
    market = Market().revealed(LIE)
    before = market.wealth()
    market.ok(ALICE, Disputes.challenge_step.Call(work=0, index=LIE_FROM))
    market.open(LIE)
    market.judge(market.truth())
    assert changes(market, before)[ALICE.account] == WORKER_LOSS // 2


def test_the_first_leaf_has_none_before_it():
    """The initial state follows from the order alone."""
    market = Market().revealed()
    market.ok(ALICE, Disputes.challenge_step.Call(work=0, index=0))
    market.open(HONEST)
    with market.reading() as pallets:
        assert pallets.disputes.opened[0].before is None
    market.judge(market.truth())
    assert market.job.state is JobState.REVEALED


def test_a_validator_that_attests_falsely_loses_a_twentieth_of_its_stake():
    """It is slashed and unpaid; the three others decide, and share the tenth alone."""
    market = Market().revealed(LIE)
    market.ok(ALICE, CHALLENGE)
    market.bisect(ALICE, LIE)
    before, treasury = market.wealth(), market.free(TREASURY)
    liar = VALIDATORS[3]
    market.judge(leaf_result(LIE[LIE_FROM]), (liar,))
    market.judge(market.truth())
    change = changes(market, before)
    assert sum(change[each.account] for each in VALIDATORS[:3]) == WORKER_LOSS // 10
    assert market.free(TREASURY) == treasury + STAKE // 20
    with market.reading() as pallets:
        assert pallets.staking.stake_of(liar.account) == STAKE * 19 // 20


def test_without_a_verdict_everybody_has_their_bond_back():
    """Two of four signed one thing and one another: nothing is decided, and a new window begins."""
    market = Market().revealed()
    before = market.wealth()
    market.ok(ALICE, CHALLENGE)
    market.bisect(ALICE, HONEST, own=LIE)
    market.judge(market.truth(), VALIDATORS[:2])
    market.judge(ZERO_HASH, VALIDATORS[3:])
    market.fails(USER, TIME_OUT, "Disputes.ClockRuns", height=market.dispute.since + 24)
    market.ok(USER, TIME_OUT)
    assert changes(market, before) == expected()
    assert market.job.deadline == market.height + 10
    market.ok(ALICE, CHALLENGE)


def test_a_validator_may_name_a_referee():
    """The account that it named signs for it, and for nobody else."""
    market = Market().revealed()
    market.ok(VALIDATORS[0], Disputes.name_referee.Call(referee=BOB.account))
    taken = Disputes.name_referee.Call(referee=BOB.account)
    market.fails(VALIDATORS[1], taken, "Disputes.RefereeTaken")
    market.ok(ALICE, STEP)
    market.open(HONEST)
    sign = Disputes.judge.Call(work=0, result=market.truth())
    market.fails(USER, sign, "Disputes.NotAValidator")
    market.ok(BOB, sign)
    market.fails(VALIDATORS[0], sign, "Disputes.AlreadySigned")
    market.ok(VALIDATORS[1], sign)
    market.ok(VALIDATORS[2], sign)
    assert not market.job.disputed
    assert not market.entries("Disputes", "disputes")


def test_moves_are_made_by_whose_turn_it_is():
    """Every move out of turn, by a stranger, or of another transcript is refused."""
    market = Market().committed()
    market.fails(ALICE, CHALLENGE, "Compute.WrongState")
    market.ok(WORKER, reveal_result())
    market.fails(WORKER, CHALLENGE, "Disputes.OwnWork")
    market.fails(ALICE, TIME_OUT, "Disputes.NoDispute")
    market.ok(ALICE, CHALLENGE)
    market.fails(BOB, CHALLENGE, "Compute.InDispute")
    nodes = split(HONEST, whole_tree(len(HONEST)))
    move = Disputes.split.Call(work=0, nodes=nodes)
    market.fails(ALICE, move, "Disputes.NotYourTurn")
    market.fails(ALICE, Disputes.pick.Call(work=0, place=0), "Disputes.NotYourTurn")
    other = Disputes.split.Call(work=0, nodes=split(LIE, whole_tree(len(LIE))))
    market.fails(WORKER, other, "Disputes.WrongNodes")
    market.fails(WORKER, Disputes.split.Call(work=0, nodes=nodes[:-1]), "Disputes.WrongNodes")
    market.ok(WORKER, move)
    market.fails(WORKER, Disputes.pick.Call(work=0, place=0), "Disputes.NotYourTurn")
    market.fails(ALICE, Disputes.pick.Call(work=0, place=14), "Disputes.NoSuchNode")
    sign = Disputes.judge.Call(work=0, result=ZERO_HASH)
    market.fails(VALIDATORS[0], sign, "Disputes.NotYourTurn")


def test_a_challenge_comes_before_the_deadline():
    """At the deadline the result stands."""
    market = Market().revealed()
    market.fails(ALICE, CHALLENGE, "Compute.TooLate", height=market.job.deadline)


def test_a_result_is_certified_by_more_than_two_thirds():
    """Three of four equal validators; each counts once, and later ones are not needed."""
    market = Market().committed()
    certify = Disputes.certify.Call(work=0)
    market.fails(VALIDATORS[0], certify, "Compute.WrongState")
    market.ok(WORKER, reveal_result())
    market.ok(VALIDATORS[0], certify)
    market.fails(VALIDATORS[0], certify, "Disputes.AlreadySigned")
    market.fails(USER, certify, "Disputes.NotAValidator")
    market.ok(VALIDATORS[1], certify)
    assert not market.job.certified
    market.ok(VALIDATORS[2], certify)
    assert market.job.certified
    assert not market.entries("Disputes", "certificates")
    market.fails(VALIDATORS[3], certify, "Compute.WrongState")


def test_signatures_about_results_that_came_to_nothing_are_forgotten():
    """A result that only one validator certifies lapses; the next certificate clears it away."""
    market = Market().committed()
    market.ok(WORKER, reveal_result())
    market.ok(VALIDATORS[0], Disputes.certify.Call(work=0))
    market.ok(USER, SETTLE, height=market.job.deadline)
    with market.reading() as pallets:
        assert 0 in pallets.disputes.certificates
    market.ok(WORKER, Workers.bond_extra.Call(amount=FEE))
    market.ok(BUILDER, submit_job())
    market.ok(WORKER, Compute.claim.Call(job=1))
    market.ok(WORKER, commit_result(job=1))
    market.advance(2)
    market.ok(WORKER, reveal_result(job=1))
    market.ok(VALIDATORS[0], Disputes.certify.Call(work=1))
    with market.reading() as pallets:
        assert 0 not in pallets.disputes.certificates
        assert 1 in pallets.disputes.certificates


def test_a_step_is_opened_after_many_changes_of_the_validators():
    """Finding the set of a height reads more of them; certificates and openings may do so."""
    market = Market()
    session = market.pallets.session

    def change_often(_staking):
        current, known = session.current.get(), session.changes[session.next_change.get() - 1]
        assert current is not None
        for height in range(2, 20):
            session._note_change(SetChange(height, known.validators_hash), current)

    market.height = 20
    inside(market, change_often)
    market.revealed()
    market.ok(USER, STEP)
    market.open(HONEST)
    market.judge(market.truth())


@given(lie_from=st.integers(0, 13), challenged=st.booleans())
@settings(max_examples=10, deadline=None)
def test_whoever_is_right_about_every_leaf_wins(lie_from, challenged):
    """Wherever the first wrong leaf is, on whichever side: it is found, and judged by itself."""
    wrong = [bytes([1 + each[0]]) + each[1:] for each in HONEST]
    leaves = HONEST[:lie_from] + wrong[lie_from:]
    market = Market().revealed()
    before = market.wealth()
    market.ok(ALICE, CHALLENGE)
    market.bisect(ALICE, HONEST, own=leaves if challenged else HONEST)
    with market.reading() as pallets:
        assert pallets.disputes.opened[0].index == (lie_from if challenged else 13)
    market.judge(market.truth())
    assert changes(market, before)[WORKER.account] == FEE // 2
