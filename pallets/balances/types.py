"""What `Balances` stores of an account."""

from __future__ import annotations

from dataclasses import dataclass

from runtime import U64, Amount


@dataclass(slots=True)
class Account:
    """An account's OPEN: what it may spend, and what is held for a reason."""

    nonce: U64 = 0
    """How many of its extrinsics are in blocks."""
    free: Amount = 0
    held: Amount = 0
    """The sum of the account's holds."""
