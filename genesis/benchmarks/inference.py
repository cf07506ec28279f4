"""The cases of `Inference`: escrow, and batches that charge many users."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Component, Scene
from genesis.benchmarks.crowd import crowd, everybody
from genesis.sandbox import Sandbox
from genesis.scenes import (
    ADAPTER,
    ALICE,
    BUILDER,
    PLATFORM_FEE,
    SERVER,
    USER,
    serving,
    settle_batch,
    trained,
    unsigned_receipt,
)
from pallets.inference.pallet import Inference
from pallets.inference.types import CHARGES_MAX
from pallets.models.pallet import Models
from runtime.merkle import sum_path, sum_root
from runtime.types import OPEN

_DEPTH_MAX = 10


def _deposit(sandbox: Sandbox) -> Scene:
    sandbox.ok(USER, Inference.deposit.Call(amount=OPEN))
    return Scene(USER, Inference.deposit.Call(amount=OPEN))


def _withdraw(sandbox: Sandbox) -> Scene:
    sandbox.ok(USER, Inference.deposit.Call(amount=2 * OPEN))
    return Scene(USER, Inference.withdraw.Call(amount=OPEN))


def _authorize(sandbox: Sandbox) -> Scene:
    sandbox.ok(SERVER, Inference.register_server.Call())
    sandbox.ok(USER, Inference.deposit.Call(amount=2 * OPEN))
    sandbox.ok(USER, Inference.authorize.Call(server=SERVER.account, limit=OPEN))
    return Scene(USER, Inference.authorize.Call(server=SERVER.account, limit=2 * OPEN))


def _revoke(sandbox: Sandbox) -> Scene:
    serving(sandbox)
    return Scene(USER, Inference.revoke.Call(server=SERVER.account))


def _reclaim(sandbox: Sandbox) -> Scene:
    serving(sandbox)
    sandbox.ok(USER, Inference.revoke.Call(server=SERVER.account))
    late = sandbox.height + sandbox.spec.parameters[Inference.revocation_blocks]
    return Scene(USER, Inference.reclaim.Call(server=SERVER.account), late)


def _register_server(_sandbox: Sandbox) -> Scene:
    return Scene(SERVER, Inference.register_server.Call())


def _settle_batch(sandbox: Sandbox, count: int) -> Scene:
    """Every user has more escrow than it is charged; all five receivers are paid."""
    trained(sandbox)
    sandbox.ok(BUILDER, Models.publish.Call(model=ADAPTER))
    sandbox.ok(SERVER, Inference.register_server.Call())
    users = crowd(sandbox, count)
    everybody(sandbox, users, lambda _: Inference.deposit.Call(amount=2 * OPEN))
    authorize = Inference.authorize.Call(server=SERVER.account, limit=2 * OPEN)
    everybody(sandbox, users, lambda _: authorize)
    return Scene(SERVER, settle_batch(*((each.account, OPEN) for each in users), answers=count))


def _leave(sandbox: Sandbox) -> Scene:
    sandbox.ok(SERVER, Inference.register_server.Call())
    return Scene(SERVER, Inference.leave.Call())


def _show_fault(sandbox: Sandbox, depth: int) -> Scene:
    """A receipt that nobody signed, in a batch of 2**depth answers."""
    trained(sandbox)
    sandbox.ok(BUILDER, Models.publish.Call(model=ADAPTER))
    count = 2**depth
    fee = 2 * PLATFORM_FEE
    receipts = [
        unsigned_receipt(number, genesis_hash=sandbox.genesis_hash) for number in range(count)
    ]
    pairs = [(each.encode(), each.fee) for each in receipts]
    sandbox.ok(SERVER, Inference.register_server.Call())
    sandbox.ok(USER, Inference.deposit.Call(amount=count * fee))
    authorize = Inference.authorize.Call(server=SERVER.account, limit=count * fee)
    sandbox.ok(USER, authorize)
    root, fees = sum_root(pairs)
    batch = settle_batch((USER.account, fees), answers=count, root=root)
    sandbox.ok(SERVER, batch)
    call = Inference.show_fault.Call(
        model=ADAPTER, epoch=0, batch=0, receipt=receipts[0], amount=fee, path=sum_path(pairs, 0)
    )
    return Scene(ALICE, call)


BENCHMARKS = (
    Benchmark(_deposit),
    Benchmark(_withdraw),
    Benchmark(_authorize),
    Benchmark(_revoke),
    Benchmark(_reclaim),
    Benchmark(_register_server),
    Benchmark(_leave),
    Benchmark(_show_fault, Component("path.siblings", 0, _DEPTH_MAX)),
    Benchmark(_settle_batch, Component("charges", 1, CHARGES_MAX)),
)
