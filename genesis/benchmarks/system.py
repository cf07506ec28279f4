"""The cases of `System`."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Component, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE
from pallets.governance.pallet import Governance
from pallets.staking.pallet import Staking
from pallets.system.pallet import REMARK_BYTES_MAX, System
from runtime.types import OPEN


def _remark(_sandbox: Sandbox, data: int) -> Scene:
    return Scene(ALICE, System.remark.Call(data=bytes(data)))


def _set_parameter(_sandbox: Sandbox) -> Scene:
    call = System.set_parameter.Call(
        pallet="Staking", name="bond_min", value=Staking.bond_min.codec.encode(20_000 * OPEN)
    )
    return Scene(None, call)


def _set_guarded_parameter(_sandbox: Sandbox) -> Scene:
    value = Governance.root_terms.codec.encode(Governance.root_terms.default)
    call = System.set_guarded_parameter.Call(pallet="Governance", name="root_terms", value=value)
    return Scene(None, call)


BENCHMARKS = (
    Benchmark(_remark, Component("data", 0, REMARK_BYTES_MAX)),
    Benchmark(_set_parameter),
    Benchmark(_set_guarded_parameter),
)
