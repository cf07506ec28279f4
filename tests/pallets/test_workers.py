"""Workers: bonds are held, locked and forfeited exactly; seats have no gaps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.scenes import ALICE, BOB, BOND, BUILDER, USER, WORKER, submit_job, trained
from pallets.compute.pallet import Compute
from pallets.workers.pallet import BOND as REASON
from pallets.workers.pallet import Workers
from runtime.errors import InvariantViolation
from runtime.types import OPEN
from tests.pallets.chain import Chain

REGISTER = Workers.register.Call(bond=BOND)
UNBOND = Workers.unbond.Call()
PEOPLE = (WORKER, ALICE, BOB, USER)


def record_of(chain, keypair):
    with chain.reading() as pallets:
        return pallets.workers.workers.get(keypair.account)


def seats(chain):
    with chain.reading() as pallets:
        workers = pallets.workers
        return [workers.worker_at(seat) for seat in range(workers.worker_count())]


def test_a_bond_is_held_and_comes_back():
    """Registering holds the bond, adding to it holds more, and unbonding releases all of it."""
    chain = Chain()
    free = chain.free(WORKER.account)
    chain.ok(WORKER, REGISTER)
    chain.ok(WORKER, Workers.bond_extra.Call(amount=5))
    assert chain.held(WORKER.account, REASON) == BOND + 5
    chain.ok(WORKER, UNBOND)
    assert chain.free(WORKER.account) == free
    assert record_of(chain, WORKER) is None
    chain.fails(WORKER, UNBOND, "Workers.NotBonded")
    chain.fails(WORKER, Workers.bond_extra.Call(amount=5), "Workers.NotBonded")


def test_a_bond_is_at_least_the_least_and_bonded_once():
    """A low bond, one that is not there, and a second one are refused."""
    chain = Chain()
    chain.fails(WORKER, Workers.register.Call(bond=BOND - 1), "Workers.BondTooLow")
    chain.fails(WORKER, Workers.register.Call(bond=10**9 * OPEN), "Balances.Insufficient")
    chain.ok(WORKER, REGISTER)
    chain.fails(WORKER, REGISTER, "Workers.AlreadyBonded")


def test_a_claim_locks_ten_fees_until_the_job_is_over():
    """What a job can cost is locked in the bond, which cannot leave before the settlement."""
    chain = trained(Chain())
    assert record_of(chain, WORKER).locked == 0
    assert record_of(chain, WORKER).clean_jobs == 1
    chain.ok(BUILDER, submit_job(7 * OPEN))
    chain.ok(WORKER, Compute.claim.Call(job=1))
    assert record_of(chain, WORKER).locked == 70 * OPEN
    chain.fails(WORKER, UNBOND, "Workers.StillAnswerable")
    chain.ok(USER, Compute.settle.Call(job=1), height=chain.height + 50)
    assert record_of(chain, WORKER).locked == 0
    assert chain.held(WORKER.account, REASON) == BOND - 7 * OPEN // 10


def test_nothing_is_locked_twice():
    """A second job needs free bond of its own; adding to the bond gives it."""
    chain = trained(Chain())
    for _ in range(2):
        chain.ok(BUILDER, submit_job(fee=600 * OPEN))
    chain.ok(WORKER, Compute.claim.Call(job=1))
    chain.fails(WORKER, Compute.claim.Call(job=2), "Workers.BondLocked")
    chain.ok(WORKER, Workers.bond_extra.Call(amount=2_000 * OPEN))
    chain.ok(WORKER, Compute.claim.Call(job=2))


def test_a_worker_below_the_least_bond_takes_no_work():
    """After a loss the bond has to be added to before anything is claimed again."""
    chain = trained(Chain())
    chain.ok(BUILDER, submit_job())
    chain.ok(BUILDER, submit_job())
    chain.ok(WORKER, Compute.claim.Call(job=1))
    chain.ok(USER, Compute.settle.Call(job=1), height=chain.height + 50)
    chain.fails(WORKER, Compute.claim.Call(job=2), "Workers.BondTooLow")
    chain.ok(WORKER, Workers.bond_extra.Call(amount=10 * OPEN))
    chain.ok(WORKER, Compute.claim.Call(job=2))


@given(moves=st.lists(st.integers(0, len(PEOPLE) - 1), max_size=12))
@settings(max_examples=20, deadline=None)
def test_seats_have_no_gaps(moves):
    """Whoever comes and goes: each worker has one seat, and its record says which."""
    chain = Chain()
    bonded: list[bytes] = []
    for index in moves:
        who = PEOPLE[index]
        chain.ok(who, UNBOND if who.account in bonded else REGISTER)
        if who.account in bonded:
            bonded.remove(who.account)
        else:
            bonded.append(who.account)
        assert sorted(seats(chain)) == sorted(bonded)
    assert len(chain.entries("Workers", "seats")) == len(bonded)


def test_books_that_do_not_add_up_halt_the_chain():
    """A bond that is not held is a bug, and the invariant finds it."""
    chain = Chain()
    chain.ok(WORKER, REGISTER)
    with pytest.raises(InvariantViolation):
        _corrupt(chain)


def _corrupt(chain):
    with chain.runtime._block(chain.state, chain.context(chain.height + 1), chain.genesis_hash):
        with chain.pallets.workers.workers.edit(WORKER.account) as record:
            record.bond += 1
        chain.apply(chain.runtime._overlay.changes())
    chain.runtime.check_invariants(chain.state)
