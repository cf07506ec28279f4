"""Utility: several calls in one extrinsic."""

from __future__ import annotations

import pytest

from genesis.chain_spec import development_keypair
from pallets.balances.pallet import Balances
from pallets.system.pallet import System
from pallets.utility.pallet import BATCH_CALLS_MAX, Utility
from runtime import OPEN
from runtime.calls import RuntimeCall
from runtime.codec import OutOfBounds
from tests.pallets.chain import Chain, key_of

USER = development_keypair("user")
BOB, CAROL = key_of("bob"), key_of("carol")


def pay(receiver, amount) -> RuntimeCall:
    """A transfer."""
    return Balances.transfer.Call(receiver=receiver.account, amount=amount)


TOO_MUCH = pay(CAROL, 10**9 * OPEN)


def test_a_batch_makes_its_calls_in_order():
    """Signed once; each call is the signer's."""
    chain = Chain()
    events = chain.ok(USER, Utility.batch.Call(calls=(pay(BOB, 5), pay(CAROL, 7))))
    assert events["Utility.BatchCompleted"].fields == {"calls": 2}
    assert (chain.free(BOB.account), chain.free(CAROL.account)) == (5, 7)


def test_a_batch_stops_where_a_call_fails():
    """What came before stays; the failing call leaves nothing but a note."""
    chain = Chain()
    events = chain.ok(USER, Utility.batch.Call(calls=(pay(BOB, 5), TOO_MUCH, pay(CAROL, 7))))
    assert events["Utility.BatchInterrupted"].fields == {
        "position": 1, "error": "Balances.Insufficient",
    }  # fmt: skip
    assert (chain.free(BOB.account), chain.free(CAROL.account)) == (5, 0)


def test_all_or_nothing():
    """One failing call undoes the others."""
    chain = Chain()
    chain.ok(USER, Utility.batch_all.Call(calls=(pay(BOB, 5), pay(CAROL, 7))))
    chain.fails(
        USER, Utility.batch_all.Call(calls=(pay(BOB, 5), TOO_MUCH)), "Balances.Insufficient"
    )


def test_batches_nest_and_weigh_the_sum():
    """A batch in a batch; its weight and its metered use are those of all calls."""
    chain = Chain()
    inner = Utility.batch.Call(calls=(pay(BOB, 5), pay(CAROL, 7)))
    outer = Utility.batch_all.Call(calls=(inner, System.remark.Call(data=b"x")))
    result = chain.send(USER, outer)
    assert result.ok
    assert result.weight == inner.weight() + System.remark.Call(data=b"x").weight() + (
        Utility.batch.Call(calls=()).weight()
    )
    assert (result.reads, result.writes) <= (result.weight.reads, result.weight.writes)


def test_a_batch_is_bounded():
    """No more calls than the limit, none of them larger than its own."""
    remark = System.remark.Call(data=b"")
    Utility.batch.Call(calls=(remark,) * BATCH_CALLS_MAX).to_plain()
    with pytest.raises(OutOfBounds):
        Utility.batch.Call(calls=(remark,) * (BATCH_CALLS_MAX + 1)).to_plain()
    huge = Utility.batch.Call(calls=(System.remark.Call(data=bytes(4_000)),) * 3)
    with pytest.raises(OutOfBounds, match="more than 8192 bytes"):
        Utility.batch.Call(calls=(huge,)).to_plain()
