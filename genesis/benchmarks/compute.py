"""The cases of `Compute`: one training job from its order to its end, either way."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import BOND, BUILDER, USER, WORKER, outcome, published, submit_training, trained
from pallets.compute.pallet import Compute


def _register(_sandbox: Sandbox) -> Scene:
    return Scene(WORKER, Compute.register_worker.Call(bond=BOND))


def _unbond(sandbox: Sandbox) -> Scene:
    trained(sandbox)
    with sandbox.reading() as pallets:
        until = pallets.compute.workers[WORKER.account].bonded_until
    return Scene(WORKER, Compute.unbond.Call(), max(until, sandbox.height + 1))


def _submit(sandbox: Sandbox) -> Scene:
    published(sandbox)
    return Scene(BUILDER, submit_training())


def _ordered(sandbox: Sandbox) -> None:
    published(sandbox)
    sandbox.ok(WORKER, Compute.register_worker.Call(bond=BOND))
    sandbox.ok(BUILDER, submit_training())


def _claim(sandbox: Sandbox) -> Scene:
    _ordered(sandbox)
    return Scene(WORKER, Compute.claim.Call(job=0))


def _commit_result(sandbox: Sandbox) -> Scene:
    _ordered(sandbox)
    sandbox.ok(WORKER, Compute.claim.Call(job=0))
    return Scene(WORKER, Compute.commit_result.Call(job=0, outcome=outcome()))


def _settle(sandbox: Sandbox) -> Scene:
    _ordered(sandbox)
    sandbox.ok(WORKER, Compute.claim.Call(job=0))
    sandbox.ok(WORKER, Compute.commit_result.Call(job=0, outcome=outcome()))
    return Scene(USER, Compute.settle.Call(job=0), _deadline(sandbox))


def _refund(sandbox: Sandbox) -> Scene:
    _ordered(sandbox)
    sandbox.ok(WORKER, Compute.claim.Call(job=0))
    return Scene(USER, Compute.refund.Call(job=0), _deadline(sandbox))


def _deadline(sandbox: Sandbox) -> int:
    with sandbox.reading() as pallets:
        return pallets.compute.training_jobs[0].deadline


BENCHMARKS = tuple(
    map(Benchmark, (_register, _unbond, _submit, _claim, _commit_result, _settle, _refund))
)
