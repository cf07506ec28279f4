"""Disputes about the division of a pool: two states are opened, and who lies pays for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from genesis.scenes import (
    ADAPTER,
    ALICE,
    SALT,
    SERVER,
    USER,
    VALIDATOR,
    WORKER,
    Payouts,
    commit_result,
    influence_transcript,
    order_settlement,
    reveal_result,
    serving,
    settle_batch,
    settle_payouts,
)
from pallets.compute.pallet import Compute
from pallets.disputes.pallet import Disputes
from runtime.hashing import ZERO_HASH
from runtime.keys import pallet_account
from runtime.types import OPEN
from runtime.wire.influence_transcripts import decode_influence_leaf
from runtime.wire.records import JobState, PayoutLeaf
from runtime.wire.transcripts import leaf_result, open_step
from tests.pallets.chain import Chain, spec

POT = pallet_account("Attribution")
ENDED = 1_000
JOB = 1
BACKWARD = 15
"""A step back of the first node: after 1 + 12 leaves forward and the target."""
FORWARD = 10
"""Where the training stood before that step: the last but one of the first node's forward leaves."""


def liar_of(payouts):
    """The transcript of somebody who shifted one score by one unit: only the end is another."""
    leaves = influence_transcript(payouts.result())
    lie = payouts.result(credits=2)
    last = replace(decode_influence_leaf(leaves[-1]), record_root=lie.hash()).encode()
    return [*leaves[:-1], last], lie


def revealed(lying):
    """A division that is revealed and certified; the leaves, and how the right one would be."""
    chain = serving(Chain(spec(start_ppb=0, floor_ppb=0)))
    chain.ok(SERVER, settle_batch((USER.account, OPEN)))
    placed = chain.ok(USER, order_settlement(), height=ENDED)["Attribution.Ordered"].fields
    payouts = Payouts([PayoutLeaf(ALICE.account, placed["pool"])])
    right, result = influence_transcript(payouts.result()), payouts.result()
    leaves, told = liar_of(payouts) if lying else (right, result)
    chain.ok(WORKER, Compute.claim.Call(job=JOB))
    chain.ok(WORKER, commit_result(WORKER, JOB, leaves))
    chain.advance(2)
    chain.ok(WORKER, reveal_result(JOB, leaves, told.hash()))
    chain.ok(VALIDATOR, Disputes.certify.Call(work=JOB))
    return chain, leaves, right, told, placed


def challenged(lying=False, index=BACKWARD):
    chain, leaves, right, told, placed = revealed(lying)
    chain.ok(ALICE, Disputes.challenge_step.Call(work=JOB, index=index))
    return chain, leaves, right, told, placed


def open_leaf(chain, leaves, index, other=None):
    opening = open_step(leaves, index, SALT, other)
    return Disputes.open_step.Call(work=JOB, opening=opening)


def test_a_step_back_is_opened_with_the_training_it_undoes():
    """The leaf before and the forward state, each under the root; the validators see both."""
    chain, leaves, right, _told, _placed = challenged()
    chain.ok(WORKER, open_leaf(chain, leaves, BACKWARD, (FORWARD, ZERO_HASH)))
    with chain.reading() as pallets:
        opened = pallets.disputes.opened[JOB]
    assert (opened.index, opened.before, opened.state) == (BACKWARD, leaves[BACKWARD - 1], SALT)
    assert (opened.other, opened.other_state) == (leaves[FORWARD], ZERO_HASH)
    call = Disputes.judge.Call(work=JOB, result=leaf_result(right[BACKWARD]))
    assert "Disputes.ChallengerLost" in chain.ok(VALIDATOR, call)


@pytest.mark.parametrize("other", [None, (FORWARD + 1, ZERO_HASH), (FORWARD - 1, ZERO_HASH)])
def test_a_step_back_is_not_judged_from_less(other):
    """No other state, or that of another step, opens nothing."""
    chain, leaves, *_ = challenged()
    chain.fails(WORKER, open_leaf(chain, leaves, BACKWARD, other), "Disputes.WrongNodes")


def test_a_step_forward_has_no_other_leaf():
    """What a leaf does not depend on is not shown."""
    chain, leaves, *_ = challenged(index=3)
    with_other = open_leaf(chain, leaves, 3, (1, ZERO_HASH))
    chain.fails(WORKER, with_other, "Disputes.WrongNodes")
    chain.ok(WORKER, open_leaf(chain, leaves, 3))


def test_who_shifts_a_score_loses_its_bond_and_pays_nobody():
    """The last leaf is judged; the worker is convicted, and the pool is divided by somebody else."""
    last = 52
    chain, leaves, right, told, placed = challenged(lying=True, index=last)
    assert len(leaves) == last + 1
    chain.ok(WORKER, open_leaf(chain, leaves, last))
    with chain.reading() as pallets:
        bond = pallets.compute.jobs[JOB].bond
        before = pallets.workers.workers[WORKER.account].bond
    assert leaf_result(right[last]) != leaf_result(leaves[last])
    chain.ok(VALIDATOR, Disputes.judge.Call(work=JOB, result=leaf_result(right[last])))
    with chain.reading() as pallets:
        assert pallets.compute.jobs[JOB].state is JobState.CONVICTED
        assert pallets.workers.workers[WORKER.account].bond == before - bond
        assert bond >= 10 * pallets.compute.jobs[JOB].fee
    chain.fails(USER, settle_payouts(told), "Attribution.JobNotSettled")
    again = chain.ok(USER, order_settlement())["Attribution.Ordered"].fields
    assert again == placed | {"job": JOB + 1}
    assert chain.free(POT) == placed["pool"]
    with chain.reading() as pallets:
        assert pallets.attribution.settlements.get((ADAPTER, 0)) is None
