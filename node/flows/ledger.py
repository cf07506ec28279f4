"""The ledger of an epoch: all movements of its blocks, and that they sum to what changed.

What an extrinsic was charged is not in any event; it follows from the prices of its block, its
length and its weight, and is checked against what the block collected.  Issuance is read, with
proofs, in front of the epoch and at its end, and so is every pot: the movements must explain the
difference to the unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from node.client import NodeClient
from node.errors import ClientError
from node.flows.kinds import BURNED, FEES, pots
from node.flows.movements import Charge, Movement, movements_of, net
from pallets.balances.pallet import Balances
from pallets.fees.pallet import Fees
from runtime.arithmetic import apply_ppb
from runtime.block import Block
from runtime.codec import codec_of
from runtime.events import EventRecord
from runtime.extrinsic import CheckedExtrinsic
from runtime.fees import EXTRINSIC_UNITS, FeeSchedule


class LedgerMismatch(ClientError):
    """What a node tells of a block does not add up."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """All that moved in some blocks; amounts in 10**-18 OPEN."""

    epoch: int
    first_height: int
    last_height: int
    """The epoch's last, or the head while the epoch lasts."""
    issuance_before: int
    issuance_after: int
    movements: tuple[Movement, ...]

    @property
    def burned(self) -> int:
        """What is no more: exactly by how much issuance fell."""
        return self.issuance_before - self.issuance_after

    def by_kind(self) -> Mapping[str, tuple[int, int]]:
        """How many movements of each kind there were, and their sum; the largest sum first."""
        sums: dict[str, tuple[int, int]] = {}
        for each in self.movements:
            count, amount = sums.get(each.kind, (0, 0))
            sums[each.kind] = (count + 1, amount + each.amount)
        return dict(sorted(sums.items(), key=lambda item: (-item[1][1], item[0])))


def read_ledger(client: NodeClient, epoch: int) -> Ledger:
    """Read the ledger of an epoch, as far as it has blocks; raises `LedgerMismatch`."""
    blocks: int = client.read("Attribution", "epoch_blocks")
    first, last = max(1, epoch * blocks), min((epoch + 1) * blocks - 1, client.height())
    if last < first:
        message = f"The epoch {epoch} begins at height {epoch * blocks}."
        raise ClientError(message, remedy="Ask for an epoch that has begun.")
    movements = tuple(each for height in range(first, last + 1) for each in _block(client, height))
    ledger = Ledger(
        epoch=epoch,
        first_height=first,
        last_height=last,
        issuance_before=_issuance(client, first - 1),
        issuance_after=_issuance(client, last),
        movements=movements,
    )
    _check(client, ledger)
    return ledger


def _block(client: NodeClient, height: int) -> list[Movement]:
    events = client.events(height)
    if not events:
        return []
    return movements_of(height, events, tuple(_charges(client, height, events)))


def _charges(client: NodeClient, height: int, events: tuple[EventRecord, ...]) -> Iterator[Charge]:
    """What the block's extrinsics were charged; raises `LedgerMismatch`."""
    collected = [each.fields for each in events if (each.pallet, each.name) == _COLLECTED]
    encoded = client.call("chain_getBlock", height)["encoded"]
    block = codec_of(Block).decode(bytes.fromhex(encoded))
    prices = _prices(client, height, collected[0]["multiplier_ppb"]) if collected else None
    fees = 0
    for raw in block.extrinsics:
        checked = client.runtime.check_any(raw, client.genesis_hash)
        name = str(checked.definition)
        if not isinstance(checked, CheckedExtrinsic):
            yield Charge(None, name, 0, 0)
            continue
        units = EXTRINSIC_UNITS + checked.definition.weigh(checked.arguments).units
        fee = 0 if prices is None else prices.fee(len(raw), units)
        fees += fee
        yield Charge(checked.signer, name, fee, checked.tip)
    if fees != sum(each["fees"] for each in collected):
        message = f"The fees of block {height} are {fees} by its prices, and it collected others."
        remedy = "Use the version of OpenLedger that the chain ran then."
        raise LedgerMismatch(message, remedy=remedy)


_COLLECTED = ("Fees", "Collected")


def _prices(client: NodeClient, height: int, multiplier_ppb: int) -> FeeSchedule:
    """The prices of a block's extrinsics: of the state in front of it, and its multiplier."""
    items = (Fees.base_price, Fees.byte_price, Fees.unit_price)
    values = client.proved([item.prefix for item in items], height - 1).values
    stored = [values[item.prefix] for item in items]
    base, byte, unit = (
        item.default if encoded is None else item.codec.decode(encoded)
        for item, encoded in zip(items, stored, strict=True)
    )
    return FeeSchedule(base, byte, apply_ppb(unit, multiplier_ppb))


def _issuance(client: NodeClient, height: int) -> int:
    encoded = client.proved([Balances.issuance.prefix], height).values[Balances.issuance.prefix]
    return 0 if encoded is None else Balances.issuance.codec.decode(encoded)


def _check(client: NodeClient, ledger: Ledger) -> None:
    """Raise `LedgerMismatch` unless the movements explain issuance and every pot."""
    changes = net(ledger.movements)
    if changes.get(BURNED, 0) != ledger.burned or changes.get(FEES, 0):
        message = f"Issuance fell by {ledger.burned}, and {changes.get(BURNED, 0)} was burned."
        raise LedgerMismatch(message, remedy="Report it, with the epoch.")
    accounts = [each for each in pots() if each not in (BURNED, FEES)]
    keys = [Balances.accounts.storage_key(each) for each in accounts]
    before = client.proved(keys, ledger.first_height - 1).values
    after = client.proved(keys, ledger.last_height).values
    for account, key in zip(accounts, keys, strict=True):
        changed = _total(after[key]) - _total(before[key])
        if changed != changes.get(account, 0):
            message = f"{pots()[account]} changed by {changed}, and its movements sum otherwise."
            raise LedgerMismatch(message, remedy="Report it, with the epoch.")


def _total(encoded: bytes | None) -> int:
    if encoded is None:
        return 0
    account = Balances.accounts.codec.decode(encoded)
    return account.free + account.held
