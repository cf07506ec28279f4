"""Many accounts that act in one block each: what calls with long lists need before them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from genesis.sandbox import Sandbox, UnexpectedResult
from genesis.scenes import CURATOR
from pallets.balances.pallet import Balances
from runtime.calls import RuntimeCall
from runtime.hashing import hash_text
from runtime.keys import Keypair
from runtime.types import OPEN

SEED_BYTES = 4


def crowd(sandbox: Sandbox, count: int, amount: int = 10 * OPEN) -> list[Keypair]:
    """New accounts, each with `amount`, in the order of their keys."""
    keypairs = [
        Keypair.from_seed(hash_text(b"crowd" + number.to_bytes(SEED_BYTES, "big")))
        for number in range(count)
    ]
    nonce = sandbox.nonce(CURATOR.account)
    transfers = [
        sandbox.sign(
            CURATOR, Balances.transfer.Call(receiver=each.account, amount=amount), nonce + offset
        )
        for offset, each in enumerate(keypairs)
    ]
    _require_all(sandbox, transfers)
    return sorted(keypairs, key=lambda each: each.account)


def everybody(
    sandbox: Sandbox, keypairs: Sequence[Keypair], call: Callable[[Keypair], RuntimeCall]
) -> None:
    """Have each account send its call, all in one block."""
    _require_all(sandbox, [sandbox.sign(each, call(each)) for each in keypairs])


def _require_all(sandbox: Sandbox, extrinsics: Sequence[bytes]) -> None:
    for result in sandbox.execute(*extrinsics).results:
        if not result.ok:
            raise UnexpectedResult(result.message, remedy=result.remedy)
