"""The cases of `Balances`: transfers to accounts that begin with nothing, and to rich ones."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE, BOB, USER
from pallets.balances.pallet import Balances
from runtime.hashing import hash_text
from runtime.types import OPEN

_NEWCOMER = hash_text(b"newcomer")
_PART = 5 * OPEN // 3


def _transfer(_sandbox: Sandbox) -> Scene:
    return Scene(ALICE, Balances.transfer.Call(receiver=BOB.account, amount=_PART))


def _transfer_everything(sandbox: Sandbox) -> Scene:
    with sandbox.reading() as pallets:
        free = pallets.balances.free_balance(ALICE.account)
    return Scene(ALICE, Balances.transfer.Call(receiver=_NEWCOMER, amount=free))


def _transfer_keep_alive(_sandbox: Sandbox) -> Scene:
    return Scene(ALICE, Balances.transfer_keep_alive.Call(receiver=BOB.account, amount=_PART))


def _approve(sandbox: Sandbox) -> Scene:
    sandbox.ok(ALICE, Balances.approve.Call(spender=BOB.account, amount=_PART))
    return Scene(ALICE, Balances.approve.Call(spender=BOB.account, amount=2 * _PART))


def _revoke_approval(sandbox: Sandbox) -> Scene:
    sandbox.ok(ALICE, Balances.approve.Call(spender=BOB.account, amount=_PART))
    return Scene(ALICE, Balances.approve.Call(spender=BOB.account, amount=0))


def _transfer_from(sandbox: Sandbox) -> Scene:
    sandbox.ok(ALICE, Balances.approve.Call(spender=BOB.account, amount=2 * _PART))
    call = Balances.transfer_from.Call(owner=ALICE.account, receiver=USER.account, amount=_PART)
    return Scene(BOB, call)


def _burn(_sandbox: Sandbox) -> Scene:
    return Scene(ALICE, Balances.burn.Call(amount=_PART))


BENCHMARKS = tuple(
    map(
        Benchmark,
        (
            _transfer,
            _transfer_everything,
            _transfer_keep_alive,
            _approve,
            _revoke_approval,
            _transfer_from,
            _burn,
        ),
    )
)
