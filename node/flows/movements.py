"""The movements of OPEN in one block, from its events and what its extrinsics paid.

Every change of a balance is one of four events of Balances, or a fee: nothing else moves OPEN, and
nothing issues it after genesis.  So the movements of a block explain the difference of every
balance before and after it, to the unit; `tests/node/test_flows.py` checks that on random blocks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from node.flows.kinds import BURNED, FEES, kind_of
from pallets.pots import TREASURY
from runtime.events import EventRecord

BLOCK = "block"
"""The cause of what no extrinsic does: the hooks of the chain."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What an extrinsic was charged, whether its call succeeded or not."""

    signer: bytes | None
    """None for a call that the proposer makes on behalf of the chain."""
    call: str
    """`Pallet.name`."""
    fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class Movement:
    """An amount, in 10**-18 OPEN, that went from one account to another."""

    height: int
    cause: str
    """The call of the extrinsic, or `block`."""
    payer: bytes
    payee: bytes
    """`FEES` until the block's fees are shared out; `BURNED` for what is no more."""
    amount: int
    kind: str
    """What it was for, in words."""


def movements_of(
    height: int, events: Iterable[EventRecord], charges: Sequence[Charge]
) -> list[Movement]:
    """Return what moved in a block, in order: first what extrinsics were charged."""
    found = []

    def move(cause: str, payer: bytes, payee: bytes, amount: int) -> None:
        if amount and payer != payee:
            kind = kind_of(cause, payer, payee)
            found.append(Movement(height, cause, payer, payee, amount, kind))

    for charge in charges:
        if charge.signer is not None:
            move("fee", charge.signer, FEES, charge.fee)
            move("tip", charge.signer, FEES, charge.tip)
    for event in events:
        index = event.extrinsic_index
        cause = BLOCK if index is None else charges[index].call
        for payer, payee, amount in _moved(event):
            move("fees shared" if payer == FEES else cause, payer, payee, amount)
    return found


def net(movements: Iterable[Movement]) -> Mapping[bytes, int]:
    """Return by how much each account's balance, free and held, changed."""
    changes: dict[bytes, int] = defaultdict(int)
    for each in movements:
        changes[each.payer] -= each.amount
        changes[each.payee] += each.amount
    return {account: change for account, change in changes.items() if change}


def _moved(event: EventRecord) -> Iterable[tuple[bytes, bytes, int]]:
    """(payer, payee, amount) of an event that moves OPEN."""
    fields = event.fields
    match (event.pallet, event.name):
        case ("Balances", "Transfer"):
            return ((fields["sender"], fields["receiver"], fields["amount"]),)
        case ("Balances", "HeldMoved"):
            return ((fields["account"], fields["receiver"], fields["amount"]),)
        case ("Balances", "Burned"):
            return ((fields["account"], BURNED, fields["amount"]),)
        case ("Balances", "DustCollected"):
            return ((fields["account"], TREASURY, fields["amount"]),)
        case ("Fees", "Collected"):
            return (
                (FEES, fields["proposer"], fields["reward"]),
                (FEES, TREASURY, fields["treasury"]),
                (FEES, BURNED, fields["burned"]),
            )
    return ()
