"""Exams: secret until shown, for models ordered in between; what evaluate jobs find is recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from genesis.scenes import (
    ADAPTER,
    ALICE,
    BASE_MODEL,
    BOND,
    BUILDER,
    ROOT,
    USER,
    VALIDATOR,
    WORKER,
    commit_exam,
    commit_result,
    published,
    reveal_result,
    show_exam,
    submit_job,
    training_job,
    worked,
)
from pallets.compute.pallet import Compute
from pallets.disputes.pallet import Disputes
from pallets.exams.pallet import DEPOSIT
from pallets.workers.pallet import Workers
from runtime.hashing import ZERO_HASH, hash_text
from runtime.types import OPEN, PPB
from runtime.wire.exams import ExamFigures, ExamLeaf, ExamResult, Metric, exam_leaves
from runtime.wire.records import JobState, exam_order
from tests.pallets.chain import Chain

ROWS = 40
LEAVES = exam_leaves(ROWS)
FIGURES = ExamFigures(rows=ROWS, loss_grid=3 * 2**30, tokens=400, right_tokens=100, right_rows=30)
NO_LOSSES = {"validation_loss_before_ppb": 0, "validation_loss_after_ppb": 0}


def leaves(figures=FIGURES, fault=0, count=LEAVES):
    """The transcript of an exam, of which only the last leaf matters here."""
    found = [ExamLeaf("x13-1", ROOT, batch, ExamFigures(), 0) for batch in range(count)]
    found[-1] = replace(found[-1], figures=figures, fault=fault)
    return [leaf.encode() for leaf in found]


def order(subject=ADAPTER, **changed):
    """The adapter's exam."""
    return replace(exam_order(BASE_MODEL, subject, 0, ROWS), **changed)


def shown():
    """A chain with a trained adapter, and an exam that was secret meanwhile."""
    chain = published(Chain())
    chain.ok(ALICE, commit_exam())
    chain.ok(WORKER, Workers.register.Call(bond=BOND))
    chain.ok(BUILDER, submit_job())
    deadline = worked(chain)
    chain.ok(USER, Compute.settle.Call(job=0), height=deadline)
    chain.ok(ALICE, show_exam())
    return chain


def taken(chain, job, transcript):
    """With the transcript of an evaluate job revealed and certified; returns the deadline."""
    chain.ok(WORKER, Compute.claim.Call(job=job))
    chain.ok(WORKER, commit_result(job=job, leaves=transcript))
    chain.advance(2)
    with chain.reading() as pallets:
        due = pallets.audits.plans[job].due
    reveal = reveal_result(job=job, leaves=transcript, adapter=ZERO_HASH, **NO_LOSSES)
    chain.ok(WORKER, reveal, height=due)
    chain.ok(VALIDATOR, Disputes.certify.Call(work=job))
    with chain.reading() as pallets:
        return pallets.compute.jobs[job].deadline


def test_a_deposit_is_held_while_the_rows_are_secret():
    """Showing them frees it; nobody else can, nor with other rows or twice."""
    chain = Chain()
    chain.ok(ALICE, commit_exam())
    with chain.reading() as pallets:
        assert pallets.balances.holds[ALICE.account, DEPOSIT] == OPEN
    chain.fails(BUILDER, show_exam(), "Exams.NotOwner")
    chain.fails(ALICE, show_exam(rows_root=hash_text(b"other rows")), "Exams.WrongRows")
    chain.fails(ALICE, show_exam(exam=1), "Exams.UnknownExam")
    chain.ok(ALICE, show_exam())
    chain.fails(ALICE, show_exam(), "Exams.ShownAlready")
    with chain.reading() as pallets:
        assert pallets.balances.holds[ALICE.account, DEPOSIT] == 0


def test_what_an_evaluate_job_finds_is_recorded_when_it_settles():
    """Figures of the last leaf, under model and exam; the score is that of the exam's metric."""
    chain = shown()
    chain.ok(BUILDER, submit_job(order=order()))
    deadline = taken(chain, 1, leaves())
    assert not chain.entries("Exams", "results")
    events = chain.ok(USER, Compute.settle.Call(job=1), height=deadline)
    assert events["Exams.Scored"].fields["score_ppb"] == 3 * PPB // 4
    with chain.reading() as pallets:
        assert pallets.exams.results[ADAPTER, 0] == ExamResult(1, FIGURES, chain.height)
        assert pallets.compute.jobs[1].state is JobState.SETTLED


def test_a_base_model_may_take_any_exam():
    """It is what adapters are compared with; nothing becomes an adapter of it."""
    chain = shown()
    chain.ok(BUILDER, submit_job(order=order(BASE_MODEL)))
    deadline = taken(chain, 1, leaves())
    chain.ok(USER, Compute.settle.Call(job=1), height=deadline)
    with chain.reading() as pallets:
        assert pallets.exams.results[BASE_MODEL, 0].job == 1
        assert pallets.models.next_index.get() == 1


def test_a_faulty_exam_is_paid_and_not_recorded():
    """A loss that is not finite ends the job early: its leaves are paid, there is no score."""
    chain = shown()
    chain.ok(BUILDER, submit_job(order=order()))
    transcript = leaves(ExamFigures(), fault=1, count=2)
    chain.ok(WORKER, Compute.claim.Call(job=1))
    chain.ok(WORKER, commit_result(job=1, leaves=transcript))
    chain.advance(2)
    with chain.reading() as pallets:
        due = pallets.audits.plans[1].due
    reveal = reveal_result(job=1, leaves=transcript, adapter=ZERO_HASH, fault=1, **NO_LOSSES)
    chain.ok(WORKER, reveal, height=due)
    chain.ok(VALIDATOR, Disputes.certify.Call(work=1))
    with chain.reading() as pallets:
        deadline = pallets.compute.jobs[1].deadline
    chain.ok(USER, Compute.settle.Call(job=1), height=deadline)
    assert not chain.entries("Exams", "results")


def test_rows_that_could_have_been_trained_on_are_no_exam():
    """Committed to after the order, or shown before it: the model may not take it."""
    chain = shown()
    chain.ok(ALICE, commit_exam())
    chain.ok(ALICE, show_exam(exam=1))
    chain.fails(BUILDER, submit_job(order=order(exam=1)), "Exams.NotHeldOut")
    chain.ok(ALICE, commit_exam())
    chain.fails(BUILDER, submit_job(order=order(exam=2)), "Exams.NotShown")


@pytest.mark.parametrize(
    "changed",
    [
        {"exam": None},
        {"subject": None},
        {"details": ROOT},
        {"leaf_count": 3},
        {"sources": training_job().sources},
    ],
)
def test_an_order_names_a_subject_an_exam_and_nothing_else(changed):
    """What no worker could make sense of is refused before the fee."""
    chain = shown()
    chain.fails(BUILDER, submit_job(order=order(**changed)), "Compute.InvalidParameter")


def test_results_that_contradict_their_last_leaf_are_refused():
    """An adapter, a validation loss, another fault or batch than the last leaf says."""
    chain = shown()
    chain.ok(BUILDER, submit_job(order=order()))
    transcript = leaves()
    chain.ok(WORKER, Compute.claim.Call(job=1))
    chain.ok(WORKER, commit_result(job=1, leaves=transcript))
    chain.advance(2)
    with chain.reading() as pallets:
        due = pallets.audits.plans[1].due
    right: dict[str, Any] = {"adapter": ZERO_HASH, **NO_LOSSES}
    for wrong in ({"adapter": ADAPTER}, {"validation_loss_after_ppb": 1}, {"fault": 1}):
        call = reveal_result(job=1, leaves=transcript, **(right | wrong))
        chain.fails(WORKER, call, "Compute.WrongResult", height=due)


def test_scores_follow_the_metric():
    """Part of the tokens, part of the rows, mean loss; 0 before anything is scored."""
    assert FIGURES.score_ppb(Metric.TOKENS) == PPB // 4
    assert FIGURES.score_ppb(Metric.ROWS) == 3 * PPB // 4
    assert FIGURES.score_ppb(Metric.LOSS) == 3 * PPB // ROWS
    assert ExamFigures().score_ppb(Metric.LOSS) == 0
    assert FIGURES + ExamFigures() == FIGURES
