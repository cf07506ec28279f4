"""Compute: orders, claims, commitments, deadlines; every fee is paid or refunded to the unit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.embedded_model import EMBEDDED_BASE
from genesis.scenes import (
    ADAPTER,
    ALICE,
    BOND,
    BUILDER,
    FEE,
    PARAMETERS,
    USER,
    VALIDATOR,
    WORKER,
    commit_result,
    outcome,
    published,
    reveal_result,
    submit_job,
    training_job,
    transcript,
    worked,
)
from pallets.compute.pallet import FEE as FEE_REASON
from pallets.compute.pallet import Compute
from pallets.disputes.pallet import Disputes
from pallets.workers.pallet import BOND as BOND_REASON
from pallets.workers.pallet import Workers
from runtime.hashing import ZERO_HASH, hash_text
from runtime.keys import pallet_account
from runtime.types import OPEN
from runtime.wire.records import JobKind, JobState, RowSource
from runtime.wire.transcripts import decode_leaf
from runtime.wire.work import least_fee, order_work
from tests.pallets.chain import Chain, spec

AUDITS = pallet_account("Audits")
REGISTER = Workers.register.Call(bond=BOND)
CLAIM = Compute.claim.Call(job=0)
SETTLE = Compute.settle.Call(job=0)
CERTIFY = Disputes.certify.Call(work=0)
ABORT = Compute.abort.Call(job=0)
START = 1_000_000 * OPEN


def ordered(fee=FEE, **changed):
    """A chain at height 100 with an open job and a bonded worker; its claim deadline is 200."""
    chain = published(Chain())
    chain.ok(WORKER, REGISTER)
    chain.ok(BUILDER, submit_job(fee, **changed), height=100)
    return chain


def committed(leaves=None, fee=FEE):
    """With the worker's blinded root, and its auditors, of whom there are none, drawn."""
    chain = ordered(fee)
    chain.ok(WORKER, CLAIM)
    chain.ok(WORKER, commit_result(leaves=leaves))
    chain.advance(2)
    return chain


def job_of(chain, job=0):
    with chain.reading() as pallets:
        return pallets.compute.jobs[job]


def issuance(chain):
    with chain.reading() as pallets:
        return pallets.balances.issuance.get()


def faulty(count, fault=1):
    """A transcript that ends early with a fault."""
    leaves = transcript()[:count]
    return [*leaves[:-1], replace(decode_leaf(leaves[-1]), fault=fault).encode()]


def test_a_job_is_paid_less_the_levy():
    """Claim, commit, reveal, wait, settle: 95 % to the worker, 5 % for audits, none left held."""
    chain = ordered()
    free = chain.free(WORKER.account)
    assert chain.held(BUILDER.account, FEE_REASON) == FEE
    deadline = worked(chain)
    chain.fails(USER, SETTLE, "Compute.TooEarly", height=deadline - 1)
    chain.ok(USER, SETTLE, height=deadline)
    assert chain.free(WORKER.account) == free + 95 * OPEN
    assert chain.free(AUDITS) == 5 * OPEN
    assert chain.held(BUILDER.account, FEE_REASON) == 0
    job = job_of(chain)
    assert (job.state, job.worker, job.result) == (JobState.SETTLED, WORKER.account, outcome())
    chain.fails(USER, SETTLE, "Compute.WrongState")


def test_a_job_that_nobody_claims_is_refunded():
    """From its deadline on the whole fee comes back, once."""
    chain = ordered()
    chain.fails(USER, SETTLE, "Compute.TooEarly", height=199)
    chain.fails(WORKER, CLAIM, "Compute.TooLate", height=200)
    chain.ok(USER, SETTLE, height=201)
    assert chain.free(BUILDER.account) == START
    assert job_of(chain).state is JobState.REFUNDED
    chain.fails(USER, SETTLE, "Compute.WrongState")


def test_a_claim_that_lapses_costs_a_tenth_of_the_fee():
    """The owner has everything back; the worker's price is burnt, so nobody gains by it."""
    chain = ordered()
    total = issuance(chain)
    chain.ok(WORKER, CLAIM, height=150)
    chain.fails(USER, SETTLE, "Compute.TooEarly", height=199)
    chain.fails(WORKER, commit_result(), "Compute.TooLate", height=200)
    chain.ok(USER, SETTLE, height=200)
    assert chain.free(BUILDER.account) == START
    assert chain.held(WORKER.account, BOND_REASON) == BOND - FEE // 10
    assert issuance(chain) == total - FEE // 10
    chain.ok(WORKER, Workers.unbond.Call())


def test_a_result_that_is_never_revealed_costs_the_whole_locked_bond():
    """Whoever has committed and is silent has something to hide: ten fees are burnt."""
    chain = committed()
    total = issuance(chain)
    deadline = job_of(chain).deadline
    chain.fails(USER, SETTLE, "Compute.TooEarly", height=deadline - 1)
    chain.fails(WORKER, reveal_result(), "Compute.TooLate", height=deadline)
    chain.ok(USER, SETTLE, height=deadline + 1)
    assert job_of(chain).state is JobState.CONVICTED
    assert chain.held(WORKER.account, BOND_REASON) == BOND - 10 * FEE
    assert chain.free(BUILDER.account) == START
    assert issuance(chain) == total - 10 * FEE


def test_a_result_is_committed_and_revealed_once_by_its_worker():
    """Nobody works on another's job, before claiming it, twice, or before the draw."""
    chain = ordered()
    chain.ok(ALICE, REGISTER)
    chain.fails(WORKER, commit_result(), "Compute.WrongState")
    chain.ok(WORKER, CLAIM)
    chain.fails(ALICE, CLAIM, "Compute.WrongState")
    chain.fails(ALICE, commit_result(ALICE), "Compute.NotYours")
    chain.fails(WORKER, reveal_result(), "Compute.WrongState")
    chain.ok(ALICE, Workers.unbond.Call())
    chain.ok(WORKER, commit_result())
    chain.fails(WORKER, reveal_result(), "Audits.NotDrawn")
    chain.advance(1)
    chain.fails(WORKER, commit_result(), "Compute.WrongState")
    chain.fails(ALICE, reveal_result(), "Compute.NotYours")
    chain.ok(WORKER, reveal_result())
    chain.fails(WORKER, reveal_result(), "Compute.WrongState")


def test_a_blinded_root_is_of_its_worker_and_binds_it():
    """Another's commitment cannot be copied, and another result not be revealed."""
    chain = committed()
    other = transcript(hash_text(b"another"))
    chain.fails(
        WORKER, reveal_result(leaves=other, adapter=hash_text(b"another")), "Compute.WrongBlinding"
    )
    copied = ordered()
    copied.ok(WORKER, CLAIM)
    copied.ok(WORKER, commit_result(ALICE))
    copied.advance(2)
    copied.fails(WORKER, reveal_result(), "Compute.WrongBlinding")


@pytest.mark.parametrize(
    ("leaves", "changed"),
    [
        (transcript(), {"adapter": hash_text(b"another")}),
        (transcript(), {"leaf_count": 13}),
        (transcript(), {"fault": 1}),
        (transcript(), {"validation_loss_before_ppb": 4}),
        (transcript(), {"validation_loss_after_ppb": 3}),
        (transcript()[:13], {"adapter": ZERO_HASH}),
        (transcript(count=15), {}),
        (faulty(5), {"fault": 2, "adapter": ZERO_HASH}),
        (faulty(5), {"fault": 1}),
        ([b"no leaf"] * 14, {}),
    ],
)
def test_a_result_is_what_its_transcript_says(leaves, changed):
    """Adapter, length, fault and losses are those of the leaves that the root commits to."""
    chain = committed(leaves)
    chain.fails(WORKER, reveal_result(leaves=leaves, **changed), "Compute.WrongResult")


def test_a_fault_ends_a_job_that_is_paid_by_its_leaves():
    """Five of fourteen leaves: so much of the fee is earned, the rest comes back, no adapter."""
    leaves = faulty(5)
    chain = committed(leaves)
    free = chain.free(WORKER.account)
    chain.ok(WORKER, reveal_result(leaves=leaves, fault=1, adapter=ZERO_HASH, **losses(leaves)))
    chain.ok(VALIDATOR, CERTIFY)
    chain.ok(USER, SETTLE, height=job_of(chain).deadline)
    earned = FEE * 5 // 14
    assert chain.free(BUILDER.account) == START - earned
    assert chain.free(WORKER.account) == free + earned - earned // 20
    assert not chain.entries("Models", "models")
    assert job_of(chain).state is JobState.SETTLED


def test_a_result_that_nobody_holds_is_not_paid():
    """Without the validators' certificate the owner has everything back, and the worker pays."""
    chain = committed()
    chain.ok(WORKER, reveal_result())
    chain.ok(USER, SETTLE, height=job_of(chain).deadline)
    assert job_of(chain).state is JobState.REFUNDED
    assert chain.free(BUILDER.account) == START
    assert chain.held(WORKER.account, BOND_REASON) == BOND - FEE // 10
    assert not chain.entries("Models", "models")


def losses(leaves):
    last = decode_leaf(leaves[-1]).loss_grid
    return {"validation_loss_before_ppb": 2, "validation_loss_after_ppb": last}


def test_an_open_job_is_aborted_at_once():
    """Its owner alone does it, and has everything back."""
    chain = ordered()
    chain.fails(ALICE, ABORT, "Compute.NotYours")
    chain.ok(BUILDER, ABORT)
    assert chain.free(BUILDER.account) == START
    chain.fails(WORKER, CLAIM, "Compute.WrongState")


def test_what_was_done_before_an_abort_is_paid():
    """The worker commits to the leaves it has; a third of the leaves is a third of the fee."""
    leaves = transcript()[:7]
    chain = ordered()
    chain.ok(WORKER, CLAIM)
    chain.ok(BUILDER, ABORT, height=120)
    assert job_of(chain).deadline == 130
    chain.ok(WORKER, commit_result(leaves=leaves))
    chain.fails(BUILDER, ABORT, "Compute.WrongState")
    chain.advance(2)
    free = chain.free(WORKER.account)
    chain.ok(WORKER, reveal_result(leaves=leaves, adapter=ZERO_HASH, **losses(leaves)))
    chain.ok(VALIDATOR, CERTIFY)
    chain.ok(USER, SETTLE, height=job_of(chain).deadline)
    assert chain.free(BUILDER.account) == START - FEE // 2
    assert chain.free(WORKER.account) == free + FEE // 2 * 95 // 100
    assert not chain.entries("Models", "models")


def test_a_worker_that_has_nothing_when_its_job_is_aborted_loses_nothing():
    """An abort is not the worker's fault: the claim ends without a price."""
    chain = ordered()
    chain.ok(WORKER, CLAIM)
    chain.ok(BUILDER, ABORT)
    chain.ok(USER, SETTLE, height=chain.height + 10)
    assert chain.free(BUILDER.account) == START
    assert chain.held(WORKER.account, BOND_REASON) == BOND


def test_only_bonded_workers_claim():
    """No bond, no job."""
    ordered().fails(ALICE, CLAIM, "Workers.NotBonded")


def test_a_worker_claims_a_bounded_number_of_jobs():
    """One worker cannot sit on every job; ended ones do not count."""
    chain = ordered()
    for job in range(5):
        chain.ok(BUILDER, submit_job())
        if job < 4:
            chain.ok(WORKER, Compute.claim.Call(job=job))
    chain.fails(WORKER, Compute.claim.Call(job=4), "Compute.TooManyJobs")
    chain.ok(USER, SETTLE, height=job_of(chain).deadline)
    chain.ok(WORKER, Workers.bond_extra.Call(amount=FEE))
    chain.ok(WORKER, Compute.claim.Call(job=4))


def test_the_bond_covers_the_value_at_risk():
    """Ten fees, or what a lie could be worth, if that is more."""
    chain = ordered(value_at_risk=5_000 * OPEN)
    chain.ok(WORKER, CLAIM)
    with chain.reading() as pallets:
        assert pallets.workers.workers[WORKER.account].locked == 5_000 * OPEN


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (submit_job(order=training_job(base_model=bytes(32))), "Compute.InvalidParameter"),
        (submit_job(order=training_job(sources=(RowSource(0, 2),))), "Datanets.UnknownVersion"),
        (submit_job(order=training_job(sources=(RowSource(1, 1),))), "Datanets.UnknownVersion"),
        (submit_job(order=training_job(sources=())), "Compute.InvalidParameter"),
        (submit_job(order=training_job(leaf_count=13)), "Compute.InvalidParameter"),
        (submit_job(order=training_job(subject=ADAPTER)), "Compute.InvalidParameter"),
        (submit_job(order=training_job(parameters=None)), "Compute.InvalidParameter"),
        (submit_job(order=training_job(kind=JobKind.ATTRIBUTE)), "Compute.InvalidParameter"),
        (submit_job(OPEN), "Compute.FeeTooLow"),
        (submit_job(10_000_000 * OPEN), "Balances.Insufficient"),
        (submit_job(panel=(WORKER.account,)), "Compute.InvalidPanel"),
        (Compute.claim.Call(job=1), "Compute.UnknownJob"),
        *(
            (
                submit_job(order=training_job(parameters=replace(PARAMETERS, **change))),
                "Compute.InvalidParameter",
            )
            for change in (
                {"steps": 0},
                {"steps": 20_001},
                {"batch_rows": 0},
                {"rank": 0},
                {"tokens_max": 0},
                {"checkpoint_count": 13},
                {"target_modules": ()},
            )
        ),
    ],
)
def test_orders_that_nobody_could_work_on_are_refused(call, error):
    """Unknown bases and versions, low fees and impossible parameters are typed errors."""
    ordered().fails(BUILDER, call, error)


def test_the_fee_pays_the_work_by_the_multiply_adds():
    """One OPEN and a thousandth of one for 10**9 multiply-adds: exactly what a quote says."""
    work = order_work(EMBEDDED_BASE.shape, training_job(), row_count=5)
    least = least_fee(work, OPEN, OPEN // 1_000)
    assert least == OPEN - (-work * OPEN // 1_000 // 10**9)
    chain = ordered()
    chain.fails(BUILDER, submit_job(least - 1), "Compute.FeeTooLow")
    chain.ok(BUILDER, submit_job(least))


def test_sequences_are_as_long_as_the_base_model_takes():
    """A job with more tokens to a row than the model has positions is refused."""
    parameters = replace(PARAMETERS, tokens_max=EMBEDDED_BASE.shape.positions_max + 1)
    refused = submit_job(order=training_job(parameters=parameters))
    ordered().fails(BUILDER, refused, "Compute.InvalidParameter")


@given(fee=st.integers(2 * OPEN, 900 * OPEN), settled=st.booleans())
@settings(max_examples=12, deadline=None)
def test_every_fee_is_paid_or_refunded_to_the_unit(fee, settled):
    """Worker and levy together have the fee, or its owner has it; nothing stays held."""
    chain = ordered(fee)
    before = chain.free(BUILDER.account)
    worker = chain.free(WORKER.account)
    if settled:
        chain.ok(USER, SETTLE, height=worked(chain))
        paid = chain.free(WORKER.account) - worker
        assert paid + chain.free(AUDITS) == fee
        assert chain.free(AUDITS) == fee // 20
    else:
        chain.ok(WORKER, CLAIM)
        chain.ok(USER, SETTLE, height=200)
        assert chain.free(BUILDER.account) == before + fee
    assert chain.held(BUILDER.account, FEE_REASON) == 0


def test_every_number_is_a_parameter():
    """A chain with another bond factor and levy goes by them."""
    chain = published(Chain(spec(bond_factor=3, levy_ppb=0)))
    chain.ok(WORKER, REGISTER)
    chain.ok(BUILDER, submit_job())
    free = chain.free(WORKER.account)
    chain.ok(USER, SETTLE, height=worked(chain))
    assert job_of(chain).bond == 3 * FEE
    assert chain.free(WORKER.account) == free + FEE
