"""The cases of `System`."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Component, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE
from pallets.system.pallet import REMARK_BYTES_MAX, System


def _remark(_sandbox: Sandbox, data: int) -> Scene:
    return Scene(ALICE, System.remark.Call(data=bytes(data)))


BENCHMARKS = (Benchmark(_remark, Component("data", 0, REMARK_BYTES_MAX)),)
