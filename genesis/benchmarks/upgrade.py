"""The cases of `Upgrade`: calls of the chain itself."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Scene
from genesis.sandbox import Sandbox
from pallets.upgrade.pallet import Upgrade
from runtime.hashing import ZERO_HASH
from runtime.upgrade import UpgradePlan

_PLAN = UpgradePlan(spec_version=2**32 - 1, height=10**9, code_hash=ZERO_HASH)


def _schedule(_sandbox: Sandbox) -> Scene:
    call = Upgrade.schedule.Call(
        spec_version=_PLAN.spec_version, height=_PLAN.height, code_hash=_PLAN.code_hash
    )
    return Scene(None, call)


def _cancel(sandbox: Sandbox) -> Scene:
    sandbox.state[Upgrade.pending.prefix] = Upgrade.pending.codec.encode(_PLAN)
    return Scene(None, Upgrade.cancel.Call())


BENCHMARKS = (Benchmark(_schedule), Benchmark(_cancel))
