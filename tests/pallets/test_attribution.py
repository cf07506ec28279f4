"""Attribution: pools, commitments, claims; no owner is paid twice, no pool is overdrawn."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.scenes import (
    ADAPTER,
    ALICE,
    BOB,
    SERVER,
    USER,
    WORKER,
    Payouts,
    serving,
    settle_batch,
    settle_payouts,
)
from pallets.attribution.pallet import Attribution
from pallets.pots import TREASURY
from pallets.workers.pallet import Workers
from runtime.arithmetic import split_by_largest_remainder
from runtime.errors import InvariantViolation
from runtime.keys import pallet_account
from runtime.storage import storage_key
from runtime.types import OPEN
from runtime.wire.records import JobState, PayoutLeaf
from tests.pallets.chain import Chain, key_of, spec

CAROL = key_of("carol")
POT = pallet_account("Attribution")
ENDED = 1_000
"""The height at which epoch 0 has ended."""
SWEEP = Attribution.sweep.Call(model=ADAPTER, epoch=0)


def earned(chain=None):
    """A chain with a pool in epoch 0, and the pool."""
    chain = serving(chain or Chain())
    chain.ok(SERVER, settle_batch((USER.account, OPEN)))
    with chain.reading() as pallets:
        return chain, pallets.attribution.pools[ADAPTER, 0]


def divided(pool, weights=(5, 3, 2)):
    parts = split_by_largest_remainder(pool, weights)
    owners = (ALICE.account, BOB.account, CAROL.account)
    return Payouts([PayoutLeaf(*each) for each in zip(owners, parts, strict=True)])


def settled(payouts_of=divided):
    """A chain whose epoch 0 is settled, and its payouts."""
    chain, pool = earned()
    payouts = payouts_of(pool)
    chain.ok(WORKER, payouts.commit(), height=ENDED)
    chain.ok(USER, settle_payouts(), height=ENDED + 10)
    return chain, payouts


def test_everybody_is_paid_and_the_pool_is_empty():
    """Commit after the epoch, settle after the window, claim: the leaves sum to the pool."""
    chain, pool = earned()
    payouts = divided(pool)
    free = {leaf.owner: chain.free(leaf.owner) for leaf in payouts.leaves}
    chain.fails(WORKER, payouts.commit(), "Attribution.EpochNotEnded", height=ENDED - 1)
    chain.ok(WORKER, payouts.commit(), height=ENDED)
    chain.fails(USER, payouts.claim(0), "Attribution.WrongState")
    chain.fails(USER, settle_payouts(), "Attribution.TooEarly", height=ENDED + 9)
    chain.ok(USER, settle_payouts(), height=ENDED + 10)
    chain.fails(USER, settle_payouts(), "Attribution.WrongState")
    for index, leaf in enumerate(payouts.leaves):
        chain.ok(USER, payouts.claim(index))
        assert chain.free(leaf.owner) == free[leaf.owner] + leaf.amount
    assert chain.free(POT) == 0
    with chain.reading() as pallets:
        assert pallets.attribution.owed.get() == 0
        assert pallets.attribution.paid[ADAPTER, 0] == pool
        assert pallets.attribution.settlements[ADAPTER, 0].state is JobState.SETTLED


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
        lambda payouts: {"owner": BOB.account},
        lambda payouts: {"amount": payouts.leaves[0].amount + 1},
        lambda payouts: {"path": payouts.path(1)},
        lambda payouts: {"path": replace(payouts.path(0), count=4)},
        lambda payouts: {"path": replace(payouts.path(0), siblings=())},
        lambda payouts: {"path": replace(payouts.path(0), index=1)},
    ],
)
def test_a_wrong_path_pays_nobody(change):
    """Another owner, amount, place or path than the leaf's is refused."""
    chain, payouts = settled()
    chain.fails(USER, payouts.claim(0, **change(payouts)), "Attribution.WrongPath")


def test_a_tree_whose_total_is_not_the_pool_pays_nobody():
    """A root over more or less than the pool proves no leaf at all."""
    for difference in (-1, 1):
        chain, payouts = settled(lambda pool, by=difference: divided(pool + by))
        for index in range(3):
            chain.fails(USER, payouts.claim(index), "Attribution.WrongPath")


def test_a_wrong_number_of_leaves_pays_nobody():
    """The record's number of leaves is the tree's, or no receipt could be made of a payout."""
    chain, pool = earned()
    payouts = divided(pool)
    chain.ok(WORKER, payouts.commit(leaf_count=2), height=ENDED)
    chain.ok(USER, settle_payouts(), height=ENDED + 10)
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
    chain, payouts = settled(lambda pool: Payouts([PayoutLeaf(CAROL.account, pool // 2)] * 2))
    for index in (0, 1):
        chain.ok(USER, payouts.claim(index))
    assert chain.free(CAROL.account) == 2 * payouts.leaves[0].amount


def test_an_epoch_is_committed_once_by_a_bonded_worker():
    """Strangers are refused, and the first commitment stands."""
    chain, pool = earned()
    payouts = divided(pool)
    chain.fails(ALICE, payouts.commit(), "Workers.NotBonded", height=ENDED)
    chain.ok(WORKER, payouts.commit())
    chain.fails(WORKER, payouts.commit(), "Attribution.AlreadyCommitted")
    chain.fails(WORKER, payouts.commit(epoch=1), "Attribution.EmptyPool", height=2_000)
    chain.fails(USER, settle_payouts(epoch=1), "Attribution.UnknownSettlement")


def test_the_bond_stays_until_the_window_ends():
    """A worker that committed cannot take its bond before its result can be settled."""
    chain, pool = earned()
    chain.ok(WORKER, divided(pool).commit(), height=ENDED)
    chain.fails(WORKER, Workers.unbond.Call(), "Workers.StillAnswerable", height=ENDED + 9)
    chain.ok(WORKER, Workers.unbond.Call(), height=ENDED + 10)


def test_a_small_datanet_waits():
    """Below the least number of rows the pool stays where it is."""
    chain, pool = earned(Chain(spec(rows_min=6)))
    chain.fails(WORKER, divided(pool).commit(), "Attribution.TooFewRows", height=ENDED)
    assert chain.free(POT) == pool


def test_what_nobody_claims_goes_to_the_treasury():
    """After the claim period the rest is swept once, and late claims find nothing."""
    chain, payouts = settled()
    treasury = chain.free(TREASURY)
    chain.ok(USER, payouts.claim(0))
    chain.fails(USER, SWEEP, "Attribution.TooEarly", height=ENDED + 10 + 4_999)
    chain.ok(USER, SWEEP, height=ENDED + 10 + 5_000)
    assert chain.free(TREASURY) - treasury == sum(leaf.amount for leaf in payouts.leaves[1:])
    assert chain.free(POT) == 0
    chain.fails(USER, payouts.claim(1), "Attribution.PoolExhausted")
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
    chain, pool = earned()
    owners = [key_of(f"owner {index}").account for index in range(len(weights))]
    parts = split_by_largest_remainder(pool, weights)
    payouts = Payouts([PayoutLeaf(*each) for each in zip(owners, parts, strict=True)])
    chain.ok(WORKER, payouts.commit(), height=ENDED)
    chain.ok(USER, settle_payouts(), height=ENDED + 10)
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
