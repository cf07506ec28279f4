"""The cases of `Utility`: batches of calls that cost little, so that the batch itself shows.

Its weight is written by hand, because it is the sum of its calls'; `--check` holds it to these.
"""

from __future__ import annotations

from genesis.benchmark import Benchmark, Component, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE, BOB
from pallets.balances.pallet import Balances
from pallets.system.pallet import System
from pallets.utility.pallet import BATCH_CALLS_MAX, Utility
from runtime.cbor import encode


def _batch(_sandbox: Sandbox, count: int) -> Scene:
    return Scene(ALICE, Utility.batch.Call(calls=(System.remark.Call(data=b""),) * count))


def _batch_all(_sandbox: Sandbox, count: int) -> Scene:
    transfer = Balances.transfer.Call(receiver=BOB.account, amount=1)
    return Scene(ALICE, Utility.batch_all.Call(calls=(transfer,) * count))


def _dispatch_all(_sandbox: Sandbox, count: int) -> Scene:
    call = System.set_parameter.Call(pallet="Session", name="session_blocks", value=encode(9))
    return Scene(None, Utility.dispatch_all.Call(calls=(call,) * count))


_CALLS = Component("calls", 0, BATCH_CALLS_MAX)

BENCHMARKS = (
    Benchmark(_batch, _CALLS),
    Benchmark(_batch_all, _CALLS),
    Benchmark(_dispatch_all, _CALLS),
)
