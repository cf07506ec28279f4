"""The cases of `System`."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Component, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE
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


BENCHMARKS = (
    Benchmark(_remark, Component("data", 0, REMARK_BYTES_MAX)),
    Benchmark(_set_parameter),
)
