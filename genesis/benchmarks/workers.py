"""The cases of `Workers`."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE, BOND, WORKER
from pallets.workers.pallet import Workers


def _register(_sandbox: Sandbox) -> Scene:
    return Scene(WORKER, Workers.register.Call(bond=BOND))


def _bond_extra(sandbox: Sandbox) -> Scene:
    sandbox.ok(WORKER, Workers.register.Call(bond=BOND))
    return Scene(WORKER, Workers.bond_extra.Call(amount=BOND))


def _unbond(sandbox: Sandbox) -> Scene:
    sandbox.ok(WORKER, Workers.register.Call(bond=BOND))
    sandbox.ok(ALICE, Workers.register.Call(bond=BOND))
    return Scene(WORKER, Workers.unbond.Call())


BENCHMARKS = tuple(map(Benchmark, (_register, _bond_extra, _unbond)))
