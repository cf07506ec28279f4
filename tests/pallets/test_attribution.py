"""Attribution: pools, orders, payouts; no owner is paid twice, no pool is overdrawn."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.embedded_model import EMBEDDED_BASE
from genesis.scenes import (
    ADAPTER,
    ALICE,
    BOB,
    SERVER,
    USER,
    WORKER,
    Payouts,
    divided,
    influence_transcript,
    order_settlement,
    serving,
    settle_batch,
    settle_payouts,
    training_job,
    worked,
)
from pallets.attribution.pallet import Attribution
from pallets.compute.pallet import FEE as FEE_REASON
from pallets.compute.pallet import Compute
from pallets.pots import TREASURY
from runtime.arithmetic import split_by_largest_remainder
from runtime.errors import InvariantViolation
from runtime.keys import pallet_account
from runtime.storage import storage_key
from runtime.types import OPEN
from runtime.wire.attribution import REPLAY_FACTOR
from runtime.wire.influence_transcripts import decode_influence_leaf
from runtime.wire.records import JobKind, PayoutLeaf
from runtime.wire.work import least_fee, order_work
from tests.pallets.chain import Chain, key_of, spec

CAROL = key_of("carol")
POT = pallet_account("Attribution")
ENDED = 1_000
"""The height at which epoch 0 has ended."""
UNCLAIMED = ENDED + 100
"""The height from which a job that nobody claimed is refunded."""
SWEEP = Attribution.sweep.Call(model=ADAPTER, epoch=0)
ORDER = order_settlement()
JOB = 1
"""The job that divides the pool; job 0 made the model."""


def earned(chain=None, **parameters):
    """A chain with a pool in epoch 0, and the pool."""
    chain = serving(chain or Chain(spec(**parameters)))
    chain.ok(SERVER, settle_batch((USER.account, OPEN)))
    with chain.reading() as pallets:
        return chain, pallets.attribution.pools[ADAPTER, 0]


def ordered(**parameters):
    """A chain whose epoch 0 is to be divided, and the event that says how."""
    chain, _ = earned(**parameters)
    return chain, chain.ok(USER, ORDER, height=ENDED)["Attribution.Ordered"].fields


def shared(pool, weights=(5, 3, 2)):
    parts = split_by_largest_remainder(pool, weights)
    owners = (ALICE.account, BOB.account, CAROL.account)
    return Payouts([PayoutLeaf(*each) for each in zip(owners, parts, strict=True)])


def settled(payouts_of=shared, **changed):
    """A chain whose epoch 0 is settled, and its payouts."""
    chain, _ = earned()
    payouts = divided(chain, payouts_of, ENDED)
    chain.ok(USER, settle_payouts(payouts.result(**changed)))
    return chain, payouts


def order_of(chain):
    with chain.reading() as pallets:
        return pallets.attribution.orders.get((ADAPTER, 0))


def owed(chain):
    with chain.reading() as pallets:
        return pallets.attribution.owed.get()


def test_everybody_is_paid_and_the_pool_is_empty():
    """Order after the epoch, settle after the job, claim: the leaves sum to the pool."""
    chain, pool = earned()
    chain.fails(USER, ORDER, "Attribution.EpochNotEnded", height=ENDED - 1)
    payouts = divided(chain, shared, ENDED)
    free = {leaf.owner: chain.free(leaf.owner) for leaf in payouts.leaves}
    chain.fails(USER, payouts.claim(0), "Attribution.UnknownSettlement")
    chain.ok(ALICE, settle_payouts(payouts.result()))
    chain.fails(USER, settle_payouts(payouts.result()), "Attribution.AlreadySettled")
    chain.fails(USER, ORDER, "Attribution.AlreadySettled")
    for index, leaf in enumerate(payouts.leaves):
        chain.ok(USER, payouts.claim(index))
        assert chain.free(leaf.owner) == free[leaf.owner] + leaf.amount
    assert chain.free(POT) == owed(chain) == 0
    with chain.reading() as pallets:
        assert pallets.attribution.paid[ADAPTER, 0] == pool - pool // 10
        assert pallets.attribution.settlements[ADAPTER, 0].worker == WORKER.account


def test_the_pool_pays_a_tenth_of_itself_for_the_job_and_the_sponsor_the_rest():
    """The job is about the model, its rows and the pool that is left; its fee is the least."""
    chain, pool = earned()
    free = chain.free(USER.account)
    placed = chain.ok(USER, ORDER, height=ENDED)["Attribution.Ordered"].fields
    with chain.reading() as pallets:
        job = pallets.compute.jobs[JOB]
        work = 2 * REPLAY_FACTOR * order_work(EMBEDDED_BASE.shape, training_job(), row_count=5)
        least = least_fee(work, pallets.compute.fee_min.get(), pallets.compute.work_price.get())
    task = order_of(chain).task
    assert (job.order.kind, job.order.subject, job.order.leaf_count) == (
        JobKind.ATTRIBUTE,
        ADAPTER,
        53,
    )
    assert job.order.details == task.hash()
    assert (task.pool, task.epoch, task.training, task.nodes) == (pool - pool // 10, 0, 0, 2)
    assert placed["of_pool"] == pool // 10
    assert free - chain.free(USER.account) == placed["of_sponsor"] == least - pool // 10
    assert chain.held(POT, FEE_REASON) == job.fee == least
    assert owed(chain) == chain.free(POT) == task.pool


def test_a_large_pool_pays_for_its_job_alone():
    """The sponsor pays nothing where a tenth of the pool is more than the price."""
    chain = serving(Chain(), limit=100 * OPEN)
    chain.ok(SERVER, settle_batch((USER.account, 100 * OPEN)))
    free = chain.free(BOB.account)
    placed = chain.ok(BOB, ORDER, height=ENDED)["Attribution.Ordered"].fields
    assert placed["of_sponsor"] == 0
    assert chain.free(BOB.account) == free


def test_the_worker_has_as_much_at_stake_as_the_pool():
    """What a wrong division could be worth is locked, if it is more than ten fees."""
    chain = serving(Chain(spec(fee_ppb=0)), limit=1_000 * OPEN)
    chain.ok(SERVER, settle_batch((USER.account, 1_000 * OPEN)))
    chain.ok(USER, ORDER, height=ENDED)
    with chain.reading() as pallets:
        assert pallets.compute.jobs[JOB].bond == pallets.attribution.pools[ADAPTER, 0]


def test_a_job_that_nobody_does_gives_everything_back_and_is_ordered_again():
    """The first sponsor has its part back when the next one orders."""
    chain, placed = ordered()
    chain.fails(BOB, ORDER, "Attribution.AlreadyOrdered")
    chain.ok(USER, Compute.settle.Call(job=JOB), height=UNCLAIMED)
    free = chain.free(USER.account)
    again = chain.ok(BOB, ORDER)["Attribution.Ordered"].fields
    assert again == placed | {"job": JOB + 1}
    assert chain.free(USER.account) == free + placed["of_sponsor"]
    assert owed(chain) == chain.free(POT) == placed["pool"]


def test_nothing_is_settled_but_what_the_job_came_to():
    """Another result, an unknown order or a job in progress pays nobody."""
    chain, pool = earned()
    payouts = shared(pool)
    chain.fails(USER, settle_payouts(payouts.result()), "Attribution.UnknownOrder", height=ENDED)
    payouts = divided(chain, shared, ENDED)
    for changed in ({"pool": pool}, {"credits": 2}, {"leaf_count": 4}, {"payout_root": bytes(32)}):
        chain.fails(USER, settle_payouts(payouts.result(**changed)), "Attribution.WrongResult")
    waiting, placed = ordered()
    early = settle_payouts(shared(placed["pool"]).result())
    waiting.fails(USER, early, "Attribution.JobNotSettled")


def test_a_result_about_another_pool_pays_nobody():
    """The pool of a result is the order's, or the receipts would prove another one."""
    chain, placed = ordered()
    result = shared(placed["pool"] + 1).result()
    deadline = worked(chain, JOB, influence_transcript(result), result.hash())
    chain.ok(USER, Compute.settle.Call(job=JOB), height=deadline)
    chain.fails(USER, settle_payouts(result), "Attribution.WrongResult")


def test_a_leaf_is_paid_once():
    """The bitmap remembers; another sender makes no difference."""
    chain, payouts = settled()
    chain.ok(USER, payouts.claim(0))
    for who in (USER, ALICE):
        chain.fails(who, payouts.claim(0), "Attribution.AlreadyClaimed")


def test_claiming_for_another_pays_the_owner():
    """Whoever shows the path, the leaf's owner is paid."""
    chain, payouts = settled()
    before = chain.free(BOB.account)
    chain.ok(BOB, payouts.claim(2))
    assert chain.free(CAROL.account) == payouts.leaves[2].amount
    assert chain.free(BOB.account) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda payouts: {"payout": replace(payouts.leaves[0], owner=BOB.account)},
        lambda payouts: {"payout": replace(payouts.leaves[0], amount=payouts.leaves[0].amount + 1)},
        lambda payouts: {"payout": replace(payouts.leaves[0], error=1)},
        lambda payouts: {"path": payouts.path(1)},
        lambda payouts: {"path": replace(payouts.path(0), count=4)},
        lambda payouts: {"path": replace(payouts.path(0), siblings=())},
        lambda payouts: {"path": replace(payouts.path(0), index=1)},
    ],
)
def test_a_wrong_path_pays_nobody(change):
    """Another owner, amount, error, place or path than the leaf's is refused."""
    chain, payouts = settled()
    chain.fails(USER, payouts.claim(0, **change(payouts)), "Attribution.WrongPath")


def test_a_wrong_number_of_leaves_pays_nobody():
    """The record's number of leaves is the tree's, or no receipt could be made of a payout."""
    chain, placed = ordered()
    payouts = shared(placed["pool"])
    result = payouts.result(leaf_count=2)
    deadline = worked(chain, JOB, influence_transcript(result), result.hash())
    chain.ok(USER, Compute.settle.Call(job=JOB), height=deadline)
    chain.ok(USER, settle_payouts(result))
    chain.fails(USER, payouts.claim(0), "Attribution.WrongPath")


def test_leaves_of_different_words_are_different():
    """Leaf 65 has another bit than leaf 1, in another word of the bitmap."""
    chain, payouts = settled(
        lambda pool: Payouts(
            [PayoutLeaf(CAROL.account, 1)] * 65 + [PayoutLeaf(BOB.account, pool - 65)]
        ),
    )
    for index in (1, 65):
        chain.ok(USER, payouts.claim(index))
        chain.fails(USER, payouts.claim(index), "Attribution.AlreadyClaimed")


def test_an_owner_with_several_leaves_is_paid_each():
    """Leaves are told apart by their place, not by their owner."""
    chain, payouts = settled(
        lambda pool: Payouts(
            [PayoutLeaf(CAROL.account, part) for part in split_by_largest_remainder(pool, (1, 1))]
        )
    )
    for index in (0, 1):
        chain.ok(USER, payouts.claim(index))
    assert chain.free(CAROL.account) == sum(leaf.amount for leaf in payouts.leaves)


def test_epochs_without_a_pool_are_not_ordered():
    """There is nothing to divide, and nothing that pays for it."""
    chain, _ = earned()
    chain.fails(USER, order_settlement(epoch=1), "Attribution.EmptyPool", height=2 * ENDED)


def test_a_small_datanet_waits():
    """Below the least number of rows the pool stays where it is."""
    chain, pool = earned(rows_min=6)
    chain.fails(USER, ORDER, "Attribution.TooFewRows", height=ENDED)
    assert chain.free(POT) == pool


def test_what_nobody_claims_goes_to_the_treasury():
    """After the claim period the rest is swept once, and late claims find nothing."""
    chain, payouts = settled()
    settled_at, treasury = chain.height, chain.free(TREASURY)
    chain.ok(USER, payouts.claim(0))
    chain.fails(USER, SWEEP, "Attribution.TooEarly", height=settled_at + 4_999)
    chain.ok(USER, SWEEP, height=settled_at + 5_000)
    assert chain.free(TREASURY) - treasury == sum(leaf.amount for leaf in payouts.leaves[1:])
    assert chain.free(POT) == 0
    chain.fails(USER, payouts.claim(1), "Attribution.PoolExhausted")
    chain.fails(USER, SWEEP, "Attribution.NothingLeft")


def test_what_nobody_has_divided_goes_to_the_treasury():
    """As long after the epoch's end the whole pool is swept, and what was paid for a job is back."""
    chain, placed = ordered()
    chain.ok(USER, Compute.settle.Call(job=JOB), height=UNCLAIMED)
    treasury, free = chain.free(TREASURY), chain.free(USER.account)
    chain.fails(BOB, SWEEP, "Attribution.TooEarly", height=ENDED + 4_999)
    chain.ok(BOB, SWEEP, height=ENDED + 5_000)
    assert chain.free(TREASURY) - treasury == placed["pool"] + placed["of_pool"]
    assert chain.free(USER.account) - free == placed["of_sponsor"]
    assert chain.free(POT) == owed(chain) == 0
    chain.fails(BOB, SWEEP, "Attribution.NothingLeft")
    chain.fails(BOB, ORDER, "Attribution.EmptyPool")


def test_a_job_that_goes_on_keeps_its_pool():
    """Nothing is swept that a worker divides at this moment."""
    chain, _ = earned()
    chain.ok(USER, ORDER, height=ENDED + 5_000)
    chain.fails(BOB, SWEEP, "Attribution.AlreadyOrdered")


def test_a_replay_that_faults_leaves_its_pool_to_the_treasury():
    """The worker is paid for its leaves; the same fault would come again, so nobody orders it."""
    chain, placed = ordered()
    fee = placed["of_pool"] + placed["of_sponsor"]
    whole = influence_transcript(shared(placed["pool"]).result())
    leaves = [whole[0], replace(decode_influence_leaf(whole[1]), fault=1).encode()]
    deadline = worked(chain, JOB, leaves, bytes(32), fault=1)
    chain.ok(USER, Compute.settle.Call(job=JOB), height=deadline)
    chain.fails(USER, ORDER, "Attribution.AlreadyOrdered")
    treasury = chain.free(TREASURY)
    chain.ok(USER, SWEEP, height=ENDED + 5_000)
    assert chain.free(TREASURY) - treasury == placed["pool"] + fee - fee * 2 // 53
    assert chain.free(POT) == owed(chain) == 0
    chain.fails(USER, SWEEP, "Attribution.NothingLeft")


def test_what_nobody_earned_is_a_leaf_of_the_treasury():
    """A pool without influence has one leaf, which pays the treasury."""
    chain, payouts = settled(lambda pool: Payouts([PayoutLeaf(TREASURY, pool)]))
    treasury = chain.free(TREASURY)
    chain.ok(USER, payouts.claim(0))
    assert chain.free(TREASURY) == treasury + payouts.leaves[0].amount


def test_a_pool_without_its_money_halts():
    """The invariant notices an account that cannot pay what it owes."""
    chain, _ = earned()
    del chain.state[storage_key("Balances", "accounts", POT)]
    with pytest.raises(InvariantViolation):
        chain.runtime.check_invariants(chain.state)


@given(
    weights=st.lists(st.integers(0, 2**40), min_size=1, max_size=70).filter(any),
    data=st.data(),
)
@settings(max_examples=12, deadline=None)
def test_any_division_is_claimed_to_the_unit_in_any_order(weights, data):
    """Integer, dust-free, order-independent: every leaf once, the pot empty at the end."""
    chain, _ = earned()
    owners = [key_of(f"owner {index}").account for index in range(len(weights))]

    def split(pool):
        parts = split_by_largest_remainder(pool, weights)
        return Payouts([PayoutLeaf(*each) for each in zip(owners, parts, strict=True)])

    payouts = divided(chain, split, ENDED)
    chain.ok(USER, settle_payouts(payouts.result()))
    parts = [leaf.amount for leaf in payouts.leaves]
    paid = [index for index, part in enumerate(parts) if part]
    order = data.draw(st.permutations(paid))
    with chain.reading() as pallets:
        nonce = pallets.balances.next_nonce(USER.account)
    raws = [chain.sign(USER, payouts.claim(index), nonce + n) for n, index in enumerate(order)]
    again = chain.sign(USER, payouts.claim(order[0]), nonce + len(order))
    outcome = chain.execute(*raws, again)
    assert [result.ok for result in outcome.results] == [True] * len(order) + [False]
    chain.check_money()
    assert chain.free(POT) == 0
    assert [chain.free(owner) for owner in owners] == parts
