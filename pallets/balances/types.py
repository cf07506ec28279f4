"""What `Balances` stores of an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime import U64, Amount, Max, ShortText

LOCKS_MAX = 8
"""The most locks of one account: one for each pallet that locks."""


@dataclass(slots=True)
class Account:
    """An account's OPEN: what it may spend, and what is held for a reason."""

    nonce: U64 = 0
    """How many of its extrinsics are in blocks."""
    free: Amount = 0
    held: Amount = 0
    """The sum of the account's holds."""
    bonded: Amount = 0
    """What it moved into pots and owns there unless it is slashed; neither free nor held."""
    locked: Amount = 0
    """The largest of the account's locks."""


@dataclass(frozen=True, slots=True)
class Lock:
    """An amount that an account must keep for a reason."""

    reason: ShortText
    amount: Amount


Locks = Annotated[tuple[Lock, ...], Max(LOCKS_MAX)]
"""In the order in which they were set."""
