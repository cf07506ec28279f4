"""What the pallets of governance share: tracks, sums of votes, and polls that are over."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from runtime.types import Amount, BlockNumber


class TrackName(IntEnum):
    """What a referendum is about: whose call it carries, and how hard it is to win."""

    ROOT = 0
    """The chain itself: any call."""
    PARAMETERS = 1
    """The simple track."""
    SMALL_SPENDER = 2
    LARGE_SPENDER = 3
    CANCELLER = 4
    KILLER = 5
    """Cancels and slashes the deposits: against abuse, in an emergency."""


@dataclass(frozen=True, slots=True)
class VoteSum:
    """A sum of votes; those with conviction in tenths, so that one without it is exact."""

    aye_tenths: Amount
    """For it, with conviction, in tenths of a vote with one unit of OPEN."""
    nay_tenths: Amount
    support: Amount
    """For it or abstaining, in 10**-18 OPEN."""

    def replacing(self, before: VoteSum, after: VoteSum) -> VoteSum:
        """This sum with one part in the place of another."""
        return VoteSum(
            self.aye_tenths - before.aye_tenths + after.aye_tenths,
            self.nay_tenths - before.nay_tenths + after.nay_tenths,
            self.support - before.support + after.support,
        )


NO_VOTES = VoteSum(0, 0, 0)


@dataclass(frozen=True, slots=True)
class PollEnd:
    """A poll that is over."""

    track: TrackName
    ended_at: BlockNumber
    approved: bool | None
    """None: it was not decided by votes."""
