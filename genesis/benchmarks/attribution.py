"""The cases of `Attribution`: an epoch with a pool, and claims with paths of any length."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Component, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import (
    ADAPTER,
    BOB,
    SERVER,
    USER,
    Payouts,
    divided,
    order_settlement,
    serving,
    settle_batch,
    settle_payouts,
)
from pallets.attribution.pallet import Attribution
from pallets.compute.pallet import Compute
from runtime.hashing import hash_text
from runtime.types import OPEN
from runtime.wire.records import PayoutLeaf

_ID_BYTES = 4
_DEPTH_MAX = 12
"""Paths up to here are measured; longer ones follow from their slope."""


def _earned(sandbox: Sandbox) -> int:
    """An epoch with a pool; the height at which it has ended."""
    serving(sandbox)
    sandbox.ok(SERVER, settle_batch((USER.account, OPEN)))
    return sandbox.spec.parameters[Attribution.epoch_blocks]


def _payouts(pool: int, depth: int) -> Payouts:
    """A pool divided among 2**depth owners."""
    owners = [hash_text(number.to_bytes(_ID_BYTES, "big")) for number in range(2**depth)]
    part, rest = divmod(pool, len(owners))
    leaves = [PayoutLeaf(owner, part + (rest if not at else 0)) for at, owner in enumerate(owners)]
    return Payouts(leaves)


def _divided(sandbox: Sandbox, depth: int = 2) -> Payouts:
    height = _earned(sandbox)
    return divided(sandbox, lambda pool: _payouts(pool, depth), height)


def _settled(sandbox: Sandbox, depth: int = 2) -> Payouts:
    payouts = _divided(sandbox, depth)
    sandbox.ok(USER, settle_payouts(payouts.result()))
    return payouts


def _order(sandbox: Sandbox) -> Scene:
    height = _earned(sandbox)
    deadline = height + sandbox.spec.parameters[Compute.claim_blocks]
    job = sandbox.ok(BOB, order_settlement(), height=height)["Attribution.Ordered"].fields["job"]
    # Nobody claimed it, so that it is ordered again, and the first sponsor has its part back.
    sandbox.ok(USER, Compute.settle.Call(job=job), height=deadline)
    return Scene(USER, order_settlement())


def _settle(sandbox: Sandbox) -> Scene:
    return Scene(USER, settle_payouts(_divided(sandbox).result()))


def _claim(sandbox: Sandbox, depth: int) -> Scene:
    return Scene(BOB, _settled(sandbox, depth).claim(0))


def _sweep(sandbox: Sandbox) -> Scene:
    height = _earned(sandbox)
    job = sandbox.ok(BOB, order_settlement(), height=height)["Attribution.Ordered"].fields["job"]
    unclaimed = height + sandbox.spec.parameters[Compute.claim_blocks]
    sandbox.ok(USER, Compute.settle.Call(job=job), height=unclaimed)
    late = height + sandbox.spec.parameters[Attribution.claim_blocks]
    return Scene(BOB, Attribution.sweep.Call(model=ADAPTER, epoch=0), late)


BENCHMARKS = (
    Benchmark(_order),
    Benchmark(_settle),
    Benchmark(_claim, Component("path.siblings", 0, _DEPTH_MAX)),
    Benchmark(_sweep),
)
