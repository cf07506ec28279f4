"""Compute: bonds, claims, deadlines; every fee is paid or refunded in full."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.scenes import (
    ADAPTER,
    ALICE,
    BASE_MODEL,
    BOND,
    BUILDER,
    CURATOR,
    FEE,
    PARAMETERS,
    USER,
    WORKER,
    commit,
    create,
    outcome,
    publish,
    published,
    reveal,
    submit_training,
)
from pallets.compute.pallet import BOND as BOND_REASON
from pallets.compute.pallet import FEE as FEE_REASON
from pallets.compute.pallet import Compute
from pallets.models.pallet import Models
from runtime.hashing import hash_text
from runtime.keys import pallet_account
from runtime.types import OPEN
from runtime.wire.records import JobState
from tests.pallets.chain import Chain

AUDITS = pallet_account("Compute")
REGISTER = Compute.register_worker.Call(bond=BOND)
CLAIM = Compute.claim.Call(job=0)
COMMIT = Compute.commit_result.Call(job=0, outcome=outcome())
SETTLE = Compute.settle.Call(job=0)
REFUND = Compute.refund.Call(job=0)
UNBOND = Compute.unbond.Call()


def ordered(fee=FEE):
    """A chain at height 100 with an open job and a bonded worker; its claim deadline is 200."""
    chain = published(Chain())
    chain.ok(WORKER, REGISTER)
    chain.ok(BUILDER, submit_training(fee), height=100)
    return chain


def state_of(chain):
    with chain.reading() as pallets:
        return pallets.compute.training_jobs[0]


def test_a_job_is_paid_less_the_levy():
    """Claim, commit, wait, settle: 95 % of the fee to the worker, 5 % for audits, none left held."""
    chain = ordered()
    free = chain.free(WORKER.account)
    assert chain.held(BUILDER.account, FEE_REASON) == FEE
    chain.ok(WORKER, CLAIM)
    chain.ok(WORKER, COMMIT, height=110)
    chain.fails(USER, SETTLE, "Compute.TooEarly", height=119)
    chain.ok(USER, SETTLE, height=120)
    assert chain.free(WORKER.account) == free + 95 * OPEN
    assert chain.free(AUDITS) == 5 * OPEN
    assert chain.held(BUILDER.account, FEE_REASON) == 0
    job = state_of(chain)
    assert (job.state, job.worker, job.result) == (JobState.SETTLED, WORKER.account, outcome())
    chain.fails(USER, SETTLE, "Compute.WrongState")


@pytest.mark.parametrize("claimed", [False, True])
def test_a_job_that_comes_to_nothing_is_refunded_exactly(claimed):
    """Unclaimed or uncommitted at its deadline, the whole fee comes back; then nothing more does."""
    chain = ordered()
    if claimed:
        chain.ok(WORKER, CLAIM, height=150)
    chain.fails(USER, REFUND, "Compute.TooEarly", height=199)
    chain.ok(USER, REFUND, height=200)
    assert chain.free(BUILDER.account) == 1_000_000 * OPEN
    assert state_of(chain).state is JobState.REFUNDED
    chain.fails(USER, REFUND, "Compute.WrongState")
    chain.fails(WORKER, COMMIT, "Compute.WrongState")
    chain.ok(WORKER, UNBOND)


def test_deadlines_belong_to_what_comes_after_them():
    """At its deadline a job can no longer be claimed, or committed to."""
    chain = ordered()
    chain.fails(WORKER, CLAIM, "Compute.TooLate", height=200)
    chain = ordered()
    chain.ok(WORKER, CLAIM, height=199)
    chain.fails(WORKER, COMMIT, "Compute.TooLate", height=249)
    chain = ordered()
    chain.ok(WORKER, CLAIM, height=199)
    chain.ok(WORKER, COMMIT, height=248)
    chain.fails(USER, REFUND, "Compute.WrongState", height=300)


def test_a_result_is_committed_once_by_its_worker():
    """Nobody commits to another's job, before claiming it, twice, or to fewer steps."""
    chain = ordered()
    chain.ok(ALICE, REGISTER)
    chain.fails(WORKER, COMMIT, "Compute.WrongState")
    chain.ok(WORKER, CLAIM)
    chain.fails(ALICE, CLAIM, "Compute.WrongState")
    chain.fails(ALICE, COMMIT, "Compute.NotTheWorker")
    short = Compute.commit_result.Call(job=0, outcome=outcome(leaf_count=13))
    chain.fails(WORKER, short, "Compute.WrongLeafCount")
    chain.ok(WORKER, COMMIT)
    other = Compute.commit_result.Call(job=0, outcome=outcome(hash_text(b"another")))
    chain.fails(WORKER, other, "Compute.WrongState")
    assert state_of(chain).result.adapter == ADAPTER


def test_only_bonded_workers_claim():
    """No bond, no job."""
    ordered().fails(ALICE, CLAIM, "Compute.NotBonded")


def test_a_worker_claims_a_bounded_number_of_jobs():
    """One worker cannot sit on every job."""
    chain = ordered()
    for job in range(5):
        chain.ok(BUILDER, submit_training())
        if job < 4:
            chain.ok(WORKER, Compute.claim.Call(job=job))
    chain.fails(WORKER, Compute.claim.Call(job=4), "Compute.TooManyJobs")


def test_a_bond_is_at_least_the_least_and_bonded_once():
    """A low bond, and a second one, are refused."""
    chain = Chain()
    low = Compute.register_worker.Call(bond=BOND - 1)
    chain.fails(WORKER, low, "Compute.BondTooLow")
    chain.ok(WORKER, REGISTER)
    chain.fails(WORKER, REGISTER, "Compute.AlreadyBonded")
    assert chain.held(WORKER.account, BOND_REASON) == BOND


def test_a_bond_stays_while_its_worker_is_answerable():
    """From the claim to the settlement the worker cannot leave; then it has its bond back."""
    chain = ordered()
    chain.fails(ALICE, UNBOND, "Compute.NotBonded")
    chain.ok(WORKER, CLAIM)
    chain.fails(WORKER, UNBOND, "Compute.StillAnswerable")
    chain.ok(WORKER, COMMIT)
    chain.fails(WORKER, UNBOND, "Compute.StillAnswerable")
    chain.ok(USER, SETTLE, height=120)
    chain.ok(WORKER, UNBOND)
    assert chain.held(WORKER.account, BOND_REASON) == 0
    chain.fails(WORKER, Compute.claim.Call(job=0), "Compute.WrongState")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (submit_training(base_model=bytes(32)), "Compute.UnknownBaseModel"),
        (submit_training(version=2), "Datanets.UnknownVersion"),
        (submit_training(datanet=1), "Datanets.UnknownVersion"),
        (submit_training(OPEN - 1), "Compute.FeeTooLow"),
        (submit_training(10_000_000 * OPEN), "Balances.Insufficient"),
        (Compute.claim.Call(job=1), "Compute.UnknownJob"),
        *(
            (submit_training(parameters=replace(PARAMETERS, **change)), "Compute.InvalidParameter")
            for change in (
                {"steps": 0},
                {"steps": 20_001},
                {"batch_rows": 0},
                {"rank": 12},
                {"tokens_max": 0},
                {"checkpoint_count": 0},
                {"checkpoint_count": 13},
                {"target_modules": ()},
            )
        ),
    ],
)
def test_orders_that_nobody_could_train_are_refused(call, error):
    """Unknown bases and versions, low fees and impossible parameters are typed errors."""
    ordered().fails(BUILDER, call, error)


def test_an_empty_version_cannot_be_trained_on():
    """A version whose rows were all rejected has nothing to learn from."""
    chain = Chain()
    chain.ok(CURATOR, create())
    chain.ok(ALICE, commit(ALICE))
    chain.ok(ALICE, reveal())
    chain.ok(CURATOR, publish((0, 0, 0, 5)))
    chain.ok(BUILDER, Models.register_base.Call(content_hash=BASE_MODEL, name="nano"))
    chain.fails(BUILDER, submit_training(), "Compute.NothingToTrainOn")


@given(fee=st.integers(OPEN, 1_000 * OPEN), settled=st.booleans())
@settings(max_examples=15, deadline=None)
def test_every_fee_is_paid_or_refunded_to_the_unit(fee, settled):
    """Worker and levy together have the fee, or its owner has it; nothing stays held."""
    chain = ordered(fee)
    before = chain.free(BUILDER.account)
    chain.ok(WORKER, CLAIM)
    worker = chain.free(WORKER.account)
    if settled:
        chain.ok(WORKER, COMMIT)
        chain.ok(USER, SETTLE, height=200)
        paid = chain.free(WORKER.account) - worker
        assert paid + chain.free(AUDITS) == fee
        assert chain.free(AUDITS) == fee // 20
    else:
        chain.ok(USER, REFUND, height=200)
        assert chain.free(BUILDER.account) == before + fee
    assert chain.held(BUILDER.account, FEE_REASON) == 0
