"""Checks that a `Rehearsal` makes after every block, beside those of the framework."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from runtime.codec import RecordCodec
from runtime.storage import Map

if TYPE_CHECKING:
    from runtime.executive import Runtime

State = Mapping[bytes, bytes]


def balances_sum_to_issuance(runtime: Runtime, _before: State, after: State) -> str | None:
    """Whether free and held balances over all accounts are what `Balances.issuance` says.

    Accounts are records with the fields `free` and `held`, in whichever pallet; a runtime without
    a pallet named Balances has nothing to sum.  Returns what is wrong, or None.
    """
    issuance = _issuance(runtime, after)
    if issuance is None:
        return None
    total = sum(record.free + record.held for record in _accounts(runtime, after))
    return None if total == issuance else f"accounts hold {total}, and the issuance is {issuance}"


def issuance_never_rises(runtime: Runtime, before: State, after: State) -> str | None:
    """Whether the block issued nothing, as on a chain whose genesis alone issues."""
    old, new = _issuance(runtime, before), _issuance(runtime, after)
    if old is None or new is None or new <= old:
        return None
    return f"the issuance rose from {old} to {new}"


def _issuance(runtime: Runtime, state: State) -> int | None:
    balances = runtime.pallets.get("Balances")
    if balances is None or not hasattr(balances, "issuance"):
        return None
    with runtime.reading(state):
        issuance: int = balances.issuance.get()
    return issuance


def _accounts(runtime: Runtime, state: State) -> Iterator[Any]:
    for pallet in runtime.pallets.values():
        for item in pallet.definition.storage.values():
            if not isinstance(item, Map) or not isinstance(item.codec, RecordCodec):
                continue
            if "free" in item.codec.items and "held" in item.codec.items:
                for key, value in state.items():
                    if key.startswith(item.prefix):
                        yield item.codec.decode(value)
