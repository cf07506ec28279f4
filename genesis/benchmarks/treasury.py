"""The cases of `Treasury`: spends of a named pot."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Scene
from genesis.benchmarks.stored import put_all
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE
from pallets.treasury.pallet import Treasury
from runtime.hashing import hash_text
from runtime.types import OPEN

_POT = "a pot with a name that is long"
_RECEIVER = hash_text(b"newcomer")


def _prepare(sandbox: Sandbox) -> None:
    put_all(sandbox, Treasury.pots, {_POT: ALICE.account})


def _spend_small(sandbox: Sandbox) -> Scene:
    _prepare(sandbox)
    call = Treasury.spend_small.Call(pot=_POT, receiver=_RECEIVER, amount=OPEN)
    return Scene(None, call)


def _spend_large(sandbox: Sandbox) -> Scene:
    _prepare(sandbox)
    call = Treasury.spend_large.Call(pot=_POT, receiver=_RECEIVER, amount=OPEN)
    return Scene(None, call)


def _spend(sandbox: Sandbox) -> Scene:
    _prepare(sandbox)
    return Scene(None, Treasury.spend.Call(pot=_POT, receiver=_RECEIVER, amount=OPEN))


BENCHMARKS = tuple(map(Benchmark, (_spend_small, _spend_large, _spend)))
