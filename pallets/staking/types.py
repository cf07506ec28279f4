"""What `Staking` stores of validators and stakers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime import PPB, U64, AccountId, Amount, Between, BlockNumber, Max

ELECTED_MAX = 256
"""The most validators of one set."""
TARGETS_MAX = 16
"""The most validators that one account has stake behind, itself included."""
LEAVING_MAX = 16
"""The most parts of one account's stake behind one validator that are leaving at a time."""
PARTS_PER_PERIOD = 100
"""Into so many steps the waiting time of leaving stake is divided: what leaves in one is one."""
PARTS_MAX = 256
"""The most parts of the stake behind one validator that can be slashed at a time."""
FROZEN_MAX = 64
"""The most slashes of one validator that wait at a time."""
COMMISSION_PPB = 100_000_000
"""A new validator's part of the rewards: a tenth."""
FRACTION_BITS = 128
"""Rewards are counted in 2**-128 units of 10**-18 OPEN."""

Rewards = Annotated[int, Between(0, 2**256 - 1)]
"""OPEN in 2**-128 units of 10**-18: exact enough that what rounding leaves is below a unit."""
PartsPerBillion = Annotated[int, Between(0, PPB)]


@dataclass(slots=True)
class Backing:
    """All stake behind one validator, divided into shares."""

    stake: Amount = 0
    """What counts in elections, in 10**-18 OPEN."""
    shares: Amount = 0
    """At least as many as units of stake: only slashing makes a share worth less than a unit."""
    own_shares: Amount = 0
    """The validator's."""
    joining: Amount = 0
    """Shares of those who joined in this session; they earn from the next one on."""
    index: Rewards = 0
    """What one share has earned since the beginning."""
    carry: Amount = 0
    """What was left of the last reward when it was divided by the shares, in 2**-128 units."""
    commission: Amount = 0
    """What the validator may claim of its commission."""
    commission_ppb: PartsPerBillion = 0
    """The validator's part of rewards before they are divided, in this session."""
    next_commission_ppb: PartsPerBillion = 0
    """The same from the next session on."""
    elected: bool = False
    """Whether it is in the set of this session."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """Shares of a part of a validator's stake that is leaving."""

    until: BlockNumber
    """The part: the last height at which its stake counts."""
    shares: Amount
    principal: Amount
    """What was bonded for them."""


@dataclass(slots=True)
class Position:
    """What an account has staked behind one validator, and what it has earned by that."""

    shares: Amount = 0
    joining: Amount = 0
    """How many of them do not earn yet."""
    principal: Amount = 0
    """What was bonded for them, slashed or not: so much backs the owner's locks."""
    joined_in: U64 = 0
    """The session in which those joined."""
    index: Rewards = 0
    """The validator's index up to which `earned` is counted."""
    earned: Rewards = 0
    """What may be claimed."""
    leaving: Annotated[tuple[Leaving, ...], Max(LEAVING_MAX)] = ()
    """In the order in which the parts can be withdrawn."""


@dataclass(slots=True)
class Part:
    """The stake behind a validator that leaves at one height; it can be slashed meanwhile."""

    amount: Amount = 0
    shares: Amount = 0
    withdrawable_at: BlockNumber = 0


@dataclass(frozen=True, slots=True)
class OpenPart:
    """A part that may still be slashed."""

    until: BlockNumber
    withdrawable_at: BlockNumber


@dataclass(slots=True)
class Join:
    """Who joined a validator's stake in one session: how many shares, and where they begin."""

    shares: Amount = 0
    index: Rewards | None = None
    """The validator's index at the end of the session; None before it."""


Elected = Annotated[tuple[AccountId, ...], Max(ELECTED_MAX)]
Targets = Annotated[tuple[AccountId, ...], Max(TARGETS_MAX)]
OpenParts = Annotated[tuple[OpenPart, ...], Max(PARTS_MAX)]
FrozenSince = Annotated[tuple[BlockNumber, ...], Max(FROZEN_MAX)]
