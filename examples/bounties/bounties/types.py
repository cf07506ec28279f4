"""What `Bounties` stores."""

from __future__ import annotations

from dataclasses import dataclass

from runtime import AccountId, Amount, BlockNumber, ShortText


@dataclass(frozen=True, slots=True)
class Bounty:
    """A reward that waits for whoever earns it."""

    owner: AccountId
    title: ShortText
    reward: Amount
    """Held at the owner's account."""
    ends_at: BlockNumber
    """In this block it goes back to the owner."""
