"""What a vote counts for, and for how long it is locked: pure, in integers."""

from __future__ import annotations

from pallets.voting.types import NOTHING_DELEGATED, Delegated, Vote
from runtime.wire.votes import VoteSum

TENTHS = 10


def tenths_of(conviction: int) -> int:
    """How many tenths of a vote one unit has with a conviction."""
    return TENTHS * conviction if conviction else 1


def lock_periods(conviction: int) -> int:
    """For how many lock periods a vote with a conviction is locked behind the end."""
    return 2 ** (conviction - 1) if conviction else 0


def total_of(vote: Vote) -> int:
    """All OPEN that a vote needs, in 10**-18."""
    return vote.aye + vote.nay + vote.abstain


def is_valid(vote: Vote) -> bool:
    """Whether a vote has OPEN, and conviction for one side alone."""
    one_sided = vote.abstain == 0 and (vote.aye == 0 or vote.nay == 0)
    return total_of(vote) > 0 and (one_sided or vote.conviction == 0)


def delegated_by(balance: int, conviction: int) -> Delegated:
    """What a delegation of so much OPEN adds to its delegate's votes."""
    return Delegated(balance * tenths_of(conviction), balance)


def add_delegated(one: Delegated, other: Delegated, sign: int) -> Delegated:
    """The sum of two, or the difference for a `sign` of -1."""
    return Delegated(one.tenths + sign * other.tenths, one.capital + sign * other.capital)


def tally_of(vote: Vote, delegated: Delegated = NOTHING_DELEGATED) -> VoteSum:
    """What a vote adds to the tally; what others delegated follows a vote for one side."""
    tenths = tenths_of(vote.conviction)
    ayes, nays = vote.aye * tenths, vote.nay * tenths
    support = vote.aye + vote.abstain
    if vote.aye and not vote.nay and not vote.abstain:
        return VoteSum(ayes + delegated.tenths, nays, support + delegated.capital)
    if vote.nay and not vote.aye and not vote.abstain:
        return VoteSum(ayes, nays + delegated.tenths, support)
    return VoteSum(ayes, nays, support)
