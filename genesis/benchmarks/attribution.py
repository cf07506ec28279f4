"""The cases of `Attribution`: an epoch with a pool, and claims with paths of any length."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Component, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import (
    ADAPTER,
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
from runtime.hashing import hash_text
from runtime.types import OPEN
from runtime.wire.records import PayoutLeaf

_ID_BYTES = 4
_DEPTH_MAX = 12
"""Paths up to here are measured; longer ones follow from their slope."""


def _earned(sandbox: Sandbox, depth: int = 2) -> Payouts:
    """An epoch with a pool, divided among 2**depth owners, at the epoch's end."""
    serving(sandbox)
    sandbox.ok(SERVER, settle_batch((USER.account, OPEN)))
    with sandbox.reading() as pallets:
        pool = pallets.attribution.pools[ADAPTER, 0]
    owners = [hash_text(number.to_bytes(_ID_BYTES, "big")) for number in range(2**depth)]
    part, rest = divmod(pool, len(owners))
    leaves = [PayoutLeaf(owner, part + (rest if not at else 0)) for at, owner in enumerate(owners)]
    return Payouts(leaves)


def _committed(sandbox: Sandbox, depth: int = 2) -> Payouts:
    payouts = _earned(sandbox, depth)
    sandbox.ok(WORKER, payouts.commit(), height=sandbox.spec.parameters[Attribution.epoch_blocks])
    return payouts


def _settled(sandbox: Sandbox, depth: int = 2) -> Payouts:
    payouts = _committed(sandbox, depth)
    height = sandbox.height + sandbox.spec.parameters[Attribution.window_blocks]
    sandbox.ok(USER, settle_payouts(), height=height)
    return payouts


def _commit(sandbox: Sandbox) -> Scene:
    payouts = _earned(sandbox)
    return Scene(WORKER, payouts.commit(), sandbox.spec.parameters[Attribution.epoch_blocks])


def _settle(sandbox: Sandbox) -> Scene:
    _committed(sandbox)
    height = sandbox.height + sandbox.spec.parameters[Attribution.window_blocks]
    return Scene(USER, settle_payouts(), height)


def _claim(sandbox: Sandbox, depth: int) -> Scene:
    return Scene(BOB, _settled(sandbox, depth).claim(0))


def _sweep(sandbox: Sandbox) -> Scene:
    _settled(sandbox)
    late = sandbox.height + sandbox.spec.parameters[Attribution.claim_blocks]
    return Scene(BOB, Attribution.sweep.Call(model=ADAPTER, epoch=0), late)


BENCHMARKS = (
    Benchmark(_commit),
    Benchmark(_settle),
    Benchmark(_claim, Component("path.siblings", 0, _DEPTH_MAX)),
    Benchmark(_sweep),
)
