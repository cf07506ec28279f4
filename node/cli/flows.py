"""`openledger query flows`: where the money of an epoch came from and went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.cli.output import print_fields, print_json, print_table
from runtime.types import OPEN

if TYPE_CHECKING:
    from node.client import NodeClient
    from node.flows.ledger import Ledger

_DIGITS = 18


def print_flows(client: NodeClient, epoch: int | None, as_json: bool) -> None:
    """Print an epoch's movements by kind, or all of them as JSON; None: the epoch of the head."""
    from node.flows.ledger import read_ledger

    blocks: int = client.read("Attribution", "epoch_blocks")
    ledger = read_ledger(client, client.height() // blocks if epoch is None else epoch)
    if as_json:
        print_json(_document(ledger))
        return
    rows = [(kind, count, _open(amount)) for kind, (count, amount) in ledger.by_kind().items()]
    print_table(("kind", "movements", "OPEN"), rows)
    print_fields(
        {
            "epoch": ledger.epoch,
            "blocks": f"{ledger.first_height} to {ledger.last_height}",
            "issuance before": _open(ledger.issuance_before),
            "issuance after": _open(ledger.issuance_after),
            "burned": _open(ledger.burned),
        }
    )


def _document(ledger: Ledger) -> dict[str, Any]:
    from node.flows.kinds import name_of

    return {
        "epoch": ledger.epoch,
        "first_height": ledger.first_height,
        "last_height": ledger.last_height,
        "issuance_before": ledger.issuance_before,
        "issuance_after": ledger.issuance_after,
        "burned": ledger.burned,
        "kinds": {
            kind: {"movements": count, "amount": amount}
            for kind, (count, amount) in ledger.by_kind().items()
        },
        "movements": [
            {
                "height": each.height,
                "cause": each.cause,
                "payer": name_of(each.payer),
                "payee": name_of(each.payee),
                "amount": each.amount,
                "kind": each.kind,
            }
            for each in ledger.movements
        ],
    }


def _open(amount: int) -> str:
    """An amount in OPEN, exactly, without zeros at its end."""
    whole, rest = divmod(amount, OPEN)
    digits = f"{rest:0{_DIGITS}d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
