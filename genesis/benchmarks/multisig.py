"""The cases of `Multisig`: as many signatories as may be, and calls of every length.

The weight of `execute` is what is measured here and that of the call inside it.
"""

from __future__ import annotations

from genesis.benchmark import Benchmark, Component, Scene
from genesis.benchmarks.crowd import crowd
from genesis.sandbox import Sandbox
from pallets.multisig.pallet import Multisig
from pallets.multisig.types import SIGNATORIES_MAX
from pallets.system.pallet import System
from runtime.calls import RuntimeCall
from runtime.cbor import encode
from runtime.hashing import hash_call
from runtime.keys import Keypair
from runtime.types import OPEN

LENGTH_LEAST = 512
LENGTH_MOST = 4_096


def remark_of_length(length: int) -> RuntimeCall:
    """A remark whose encoding has exactly so many bytes, from 512 on."""
    shorter = System.remark.Call(data=bytes(LENGTH_LEAST // 2))
    data_bytes = LENGTH_LEAST // 2 + length - len(shorter)
    return System.remark.Call(data=bytes(data_bytes))


def _approved(sandbox: Sandbox, call: RuntimeCall, count: int) -> tuple[list[Keypair], int | None]:
    """All signatories, of whom so many have approved; and the height of the first."""
    people = crowd(sandbox, SIGNATORIES_MAX, amount=100 * OPEN)
    opened_at = None
    for each in people[:count]:
        approve = Multisig.approve.Call(
            threshold=SIGNATORIES_MAX,
            others=_others(people, each),
            opened_at=opened_at,
            call_hash=hash_call(encode(call.to_plain())),
        )
        sandbox.ok(each, approve)
        opened_at = opened_at or sandbox.height
    return people, opened_at


def _others(people: list[Keypair], signer: Keypair) -> tuple[bytes, ...]:
    return tuple(each.account for each in people if each is not signer)


def _approve(sandbox: Sandbox, count: int) -> Scene:
    call = remark_of_length(LENGTH_LEAST)
    people, opened_at = _approved(sandbox, call, count)
    approve = Multisig.approve.Call(
        threshold=SIGNATORIES_MAX,
        others=_others(people, people[count]),
        opened_at=opened_at,
        call_hash=hash_call(encode(call.to_plain())),
    )
    return Scene(people[count], approve)


def _open(sandbox: Sandbox) -> Scene:
    return _approve(sandbox, 0)


def _join(sandbox: Sandbox) -> Scene:
    return _approve(sandbox, SIGNATORIES_MAX - 1)


def _execute(sandbox: Sandbox, length: int) -> Scene:
    call = remark_of_length(length)
    people, opened_at = _approved(sandbox, call, SIGNATORIES_MAX - 1)
    execute = Multisig.execute.Call(
        threshold=SIGNATORIES_MAX,
        others=_others(people, people[-1]),
        opened_at=opened_at,
        call=call,
    )
    return Scene(people[-1], execute)


def _cancel(sandbox: Sandbox) -> Scene:
    call = remark_of_length(LENGTH_LEAST)
    people, opened_at = _approved(sandbox, call, SIGNATORIES_MAX - 1)
    cancel = Multisig.cancel.Call(
        threshold=SIGNATORIES_MAX,
        others=_others(people, people[0]),
        opened_at=opened_at or 0,
        call_hash=hash_call(encode(call.to_plain())),
    )
    return Scene(people[0], cancel)


BENCHMARKS = (
    Benchmark(_open),
    Benchmark(_join),
    Benchmark(_execute, Component("call", LENGTH_LEAST, LENGTH_MOST)),
    Benchmark(_cancel),
)
