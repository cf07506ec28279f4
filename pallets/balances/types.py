"""What `Balances` stores of an account."""

from __future__ import annotations

from dataclasses import dataclass

from runtime import Amount


@dataclass(slots=True)
class Account:
    """An account's OPEN: what it may spend, and what is held for a reason."""

    free: Amount = 0
    held: Amount = 0
    """The sum of the account's holds."""
