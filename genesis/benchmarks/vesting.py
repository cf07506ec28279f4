"""The cases of `Vesting`: as many schedules as an account may have."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE, BOB
from pallets.vesting.pallet import Vesting
from pallets.vesting.types import SCHEDULES_MAX, VestingSchedule
from runtime.calls import RuntimeCall
from runtime.types import OPEN

_SCHEDULE = VestingSchedule(amount=1_000 * OPEN, starts_at=1_000, blocks=1_000)


def _transfer() -> RuntimeCall:
    return Vesting.vested_transfer.Call(receiver=ALICE.account, schedule=_SCHEDULE)


def _scheduled(sandbox: Sandbox, count: int) -> int:
    """Schedules of Alice; returns a height at which all are running."""
    for _ in range(count):
        sandbox.ok(BOB, _transfer())
    return _SCHEDULE.starts_at + 1


def _vest(sandbox: Sandbox) -> Scene:
    return Scene(ALICE, Vesting.vest.Call(), _scheduled(sandbox, SCHEDULES_MAX))


def _vest_everything(sandbox: Sandbox) -> Scene:
    _scheduled(sandbox, SCHEDULES_MAX)
    return Scene(ALICE, Vesting.vest.Call(), _SCHEDULE.ends_at)


def _claim(sandbox: Sandbox) -> Scene:
    height = _scheduled(sandbox, SCHEDULES_MAX)
    return Scene(BOB, Vesting.claim.Call(account=ALICE.account), height)


def _vested_transfer(sandbox: Sandbox) -> Scene:
    return Scene(BOB, _transfer(), _scheduled(sandbox, SCHEDULES_MAX - 1))


def _merge(sandbox: Sandbox) -> Scene:
    height = _scheduled(sandbox, SCHEDULES_MAX)
    return Scene(ALICE, Vesting.merge.Call(first=0, second=1), height)


BENCHMARKS = tuple(map(Benchmark, (_vest, _vest_everything, _claim, _vested_transfer, _merge)))
