"""What `Voting` stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime import U32, AccountId, Amount, Between, BlockNumber, Max
from runtime.wire.votes import TrackName

VOTES_MAX = 32
"""The most votes that one account has on one track at a time."""
CONVICTION_MOST = 6

Conviction = Annotated[int, Between(0, CONVICTION_MOST)]
"""0: a tenth of a vote and no lock after the poll; n: n votes and a lock of 2**(n-1) periods."""


@dataclass(frozen=True, slots=True)
class Vote:
    """An account's OPEN on the sides of a poll."""

    aye: Amount
    nay: Amount
    abstain: Amount
    conviction: Conviction
    """0 unless everything is for it, or everything against it."""


@dataclass(frozen=True, slots=True)
class CastVote:
    """The vote of an account in a poll."""

    poll: U32
    vote: Vote


@dataclass(frozen=True, slots=True)
class Delegated:
    """What others let an account vote with."""

    tenths: Amount
    """Of a vote with one unit of OPEN."""
    capital: Amount
    """In 10**-18 OPEN, without conviction."""


@dataclass(frozen=True, slots=True)
class Delegation:
    """Whom an account lets vote for it on a track."""

    delegate: AccountId
    balance: Amount
    conviction: Conviction


NOTHING_DELEGATED = Delegated(0, 0)


@dataclass(slots=True)
class TrackVoting:
    """What an account does on a track: it votes, or it delegates."""

    cast: Annotated[tuple[CastVote, ...], Max(VOTES_MAX)] = ()
    delegation: Delegation | None = None
    delegated: Delegated = NOTHING_DELEGATED
    kept: Amount = 0
    """What stays locked after votes and delegations that are over."""
    kept_until: BlockNumber = 0


@dataclass(frozen=True, slots=True)
class TrackLock:
    """What an account must keep because of one track."""

    track: TrackName
    amount: Amount


TrackLocks = Annotated[tuple[TrackLock, ...], Max(len(TrackName))]
