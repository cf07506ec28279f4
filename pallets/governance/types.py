"""What `Governance` stores.

| limit | value |
|---|---|
| referenda of one track that are not over | 40 |
| accounts that count for no quorum | 24 |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from runtime import (
    PPB,
    U16,
    U32,
    AccountId,
    Amount,
    Between,
    BlockNumber,
    Hash,
    Max,
    Positive,
)
from runtime.wire.votes import NO_VOTES, TrackName, VoteSum

REFERENDA_PER_TRACK_MAX = 40
"""The most referenda of one track that are not over."""
INACTIVE_MAX = 24
"""The most accounts that count for no quorum."""

Share = Annotated[int, Between(0, PPB)]


@dataclass(frozen=True, slots=True)
class Curve:
    """A threshold that falls in a straight line while a referendum is decided."""

    start_ppb: Share
    end_ppb: Share
    reached_ppb: Positive[Share]
    """The part of the decision period after which the end is reached."""


@dataclass(frozen=True, slots=True)
class TrackTerms:
    """How the referenda of a track are decided."""

    decision_deposit: Amount
    deciding_max: Positive[U16]
    """How many are decided at a time; the others wait."""
    prepare_blocks: U32
    """From the submission to the decision, at least."""
    decision_blocks: Positive[U32]
    """The most time to be decided in, before the last confirmation."""
    confirm_blocks: Positive[U32]
    """How long a referendum must pass without a break."""
    enactment_blocks: Positive[U32]
    """From the approval to the call, at least."""
    approval: Curve
    """Of the votes for or against it, with conviction, which part must be for it."""
    support: Curve
    """Which part of the OPEN that can vote must be for it or abstain, without conviction."""


@dataclass(slots=True)
class Referendum:
    """A proposal that is not decided yet."""

    track: TrackName
    call_hash: Hash
    """The call is a requested preimage."""
    submitter: AccountId
    submission_deposit: Amount
    enactment_blocks: U32
    """From the approval to the call, as the submitter wants it; the track has a least."""
    submitted_at: BlockNumber
    depositor: AccountId | None = None
    """Who left the decision deposit."""
    decision_deposit: Amount = 0
    deciding_since: BlockNumber | None = None
    confirming_since: BlockNumber | None = None
    """From when on it has passed without a break."""
    tally: VoteSum = NO_VOTES
    alarm: BlockNumber | None = None
    """When it is looked at again, if nobody votes; None: when another one is over."""


class Result(IntEnum):
    """How a referendum ended."""

    APPROVED = 0
    REJECTED = 1
    TIMED_OUT = 2
    CANCELLED = 3
    KILLED = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """A referendum that is over."""

    track: TrackName
    call_hash: Hash
    result: Result
    ended_at: BlockNumber
    tally: VoteSum


Alarms = Annotated[
    tuple[tuple[BlockNumber, U32], ...], Max(REFERENDA_PER_TRACK_MAX * len(TrackName))
]
"""Height and number of the referenda that time can change, in this order."""
Waiting = Annotated[tuple[U32, ...], Max(REFERENDA_PER_TRACK_MAX)]
"""Referenda that are ready to be decided when another one is over, the first first."""
