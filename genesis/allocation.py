"""How the 1,000,000,000 OPEN of genesis are allocated, exactly.

| bucket | part | vesting | |---|---|---| | community | 51.71 % | linear over 48 months | |
ecosystem | 10 % | linear over 48 months | | investors | 18.29 % | cliff of 12 months, then linear
over 36 | | team | 15 % | cliff of 12 months, then linear over 36 | | liquidity | 5 % | none |

21.55 % circulate at genesis: liquidity, and 16.55 % of the supply from community and ecosystem,
split between those two in proportion.  Each bucket lies in an account without a key, of which its
locked part comes free as the table says; the treasury's referenda spend what is free.  Endowments
are taken out of the unlocked part, or, for those who vest, out of the locked part with its
schedule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pallets.pots import STAKERS, TREASURY
from pallets.vesting.types import VestingSchedule
from runtime.arithmetic import split_by_largest_remainder
from runtime.errors import OpenLedgerError
from runtime.keys import pallet_account
from runtime.types import OPEN, U16, AccountId, Amount, ShortText

SUPPLY = 1_000_000_000 * OPEN
"""All OPEN there ever will be, in units of 10**-18."""
BASIS_POINTS = 10_000
CIRCULATING_BASIS_POINTS = 2_155
"""Of the supply, at genesis."""
MONTH_MS = 2_629_746_000
"""A twelfth of 365.2425 days."""
_REMEDY = "Take the buckets of `openledger dev`'s chain.toml, and change endowments only."


class InvalidAllocation(OpenLedgerError):
    """Buckets or endowments that do not add up."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A part of the supply with its own vesting."""

    name: ShortText
    amount: Amount
    unlocked: Amount
    """The part that circulates at genesis."""
    cliff_months: U16
    linear_months: U16
    """After the cliff; 0 for a bucket without vesting."""

    @property
    def account(self) -> bytes:
        """The account, without a key, of what nobody was endowed with."""
        return pallet_account(f"Genesis.{self.name}")

    def schedule(self, amount: int, month_blocks: int) -> VestingSchedule:
        """How so much of the locked part comes free; months have so many blocks."""
        return VestingSchedule(
            amount=amount,
            starts_at=self.cliff_months * month_blocks,
            blocks=self.linear_months * month_blocks,
        )


@dataclass(frozen=True, slots=True)
class Endowment:
    """OPEN that an account starts with, out of a bucket."""

    account: AccountId
    bucket: ShortText
    amount: Amount
    name: ShortText
    """Whose account it is, for the reader of the chain spec."""
    vests: bool = False
    """Whether it is out of the locked part, and comes free with that."""


def published_allocation() -> tuple[Bucket, ...]:
    """The buckets as published; exact to the unit."""
    community, ecosystem = _part(5_171), _part(1_000)
    liquidity = _part(500)
    early = _part(CIRCULATING_BASIS_POINTS) - liquidity
    community_early, ecosystem_early = split_by_largest_remainder(early, (community, ecosystem))
    return (
        Bucket("community", community, community_early, 0, 48),
        Bucket("ecosystem", ecosystem, ecosystem_early, 0, 48),
        Bucket("investors", _part(1_829), 0, 12, 36),
        Bucket("team", _part(1_500), 0, 12, 36),
        Bucket("liquidity", liquidity, liquidity, 0, 0),
    )


def check_allocation(buckets: Sequence[Bucket], endowments: Sequence[Endowment]) -> None:
    """Raise `InvalidAllocation` unless everything adds up to the unit."""
    _check_unique("bucket", [bucket.name for bucket in buckets])
    for bucket in buckets:
        if bucket.unlocked > bucket.amount:
            message = f"The bucket {bucket.name!r} unlocks {bucket.unlocked} of {bucket.amount}."
            raise InvalidAllocation(message, remedy="Unlock at most the bucket's amount.")
        if bucket.unlocked < bucket.amount and not bucket.linear_months:
            message = f"The locked part of {bucket.name!r} never comes free."
            raise InvalidAllocation(message, remedy="Give it linear_months, or unlock all of it.")
    _check_sum("buckets", sum(bucket.amount for bucket in buckets), SUPPLY)
    circulating = sum(bucket.unlocked for bucket in buckets)
    _check_sum("unlocked parts", circulating, _part(CIRCULATING_BASIS_POINTS))
    left = {(bucket.name, False): bucket.unlocked for bucket in buckets}
    left |= {(bucket.name, True): bucket.amount - bucket.unlocked for bucket in buckets}
    for endowment in endowments:
        part = (endowment.bucket, endowment.vests)
        if part not in left:
            message = f"{endowment.name!r} is endowed from an unknown bucket, {endowment.bucket!r}."
            remedy = f"Choose one of {', '.join(bucket.name for bucket in buckets)}."
            raise InvalidAllocation(message, remedy=remedy)
        left[part] -= endowment.amount
    for (name, vests), rest in left.items():
        if rest < 0:
            which = "locked" if vests else "unlocked"
            message = f"The endowments from {name!r} exceed its {which} part by {-rest}."
            raise InvalidAllocation(message, remedy="Lower them, or choose another bucket.")


def opening_balances(
    buckets: Sequence[Bucket], endowments: Sequence[Endowment]
) -> tuple[tuple[bytes, int], ...]:
    """Every account that starts with OPEN, with its balance, sorted; they sum to the supply.

    Raises `InvalidAllocation`.
    """
    check_allocation(buckets, endowments)
    balances: dict[bytes, int] = defaultdict(int)
    for bucket in buckets:
        balances[bucket.account] += bucket.amount
    sources = {bucket.name: bucket.account for bucket in buckets}
    for endowment in endowments:
        balances[sources[endowment.bucket]] -= endowment.amount
        balances[endowment.account] += endowment.amount
    return tuple(sorted((account, amount) for account, amount in balances.items() if amount))


def vesting_schedules(
    buckets: Sequence[Bucket], endowments: Sequence[Endowment], block_time_ms: int
) -> tuple[tuple[bytes, VestingSchedule], ...]:
    """What of whose opening balance comes free when: of those who vest, and of what is left.

    The amounts sum to the locked parts of all buckets.
    """
    month_blocks = MONTH_MS // block_time_ms
    found = []
    for bucket in buckets:
        left = bucket.amount - bucket.unlocked
        for endowment in endowments:
            if endowment.vests and endowment.bucket == bucket.name:
                left -= endowment.amount
                schedule = bucket.schedule(endowment.amount, month_blocks)
                found.append((endowment.account, schedule))
        if left:
            found.append((bucket.account, bucket.schedule(left, month_blocks)))
    return tuple(found)


def keyless_accounts(buckets: Sequence[Bucket]) -> tuple[bytes, ...]:
    """The accounts of buckets and pots, which nobody votes for."""
    return (TREASURY, STAKERS, *(bucket.account for bucket in buckets))


def _part(basis_points: int) -> int:
    """So many hundredths of a percent of the supply, which divides evenly."""
    return SUPPLY * basis_points // BASIS_POINTS


def _check_unique(what: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            message = f"There are two of the {what} {name!r}."
            raise InvalidAllocation(message, remedy=f"Give every {what} a name of its own.")


def _check_sum(what: str, total: int, expected: int) -> None:
    if total != expected:
        message = f"The {what} sum to {total} and not to {expected} (in 10**-18 OPEN)."
        raise InvalidAllocation(message, remedy=_REMEDY)
