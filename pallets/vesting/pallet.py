"""OPEN that comes free over time.

Terms.  A *schedule* is an amount that is locked until its *cliff* is over, and then comes free in a
straight line.

Rules:

- What vests is its owner's from the beginning: it can be staked and voted with, and is locked
  (`Balances.set_lock`) as far as it is not free yet.
- Time alone changes no storage: the lock becomes smaller when its owner, or anybody for it, asks.
- Schedules that are over are forgotten then; two that are not can be merged, so that an account
  never runs out of places.
"""

from __future__ import annotations

from typing import ClassVar

from pallets.vesting import weights
from pallets.vesting.types import SCHEDULES_MAX, Schedules, VestingSchedule
from runtime import (
    OPEN,
    U8,
    AccountId,
    Amount,
    Error,
    Event,
    Map,
    Needs,
    Pallet,
    Parameter,
    Signed,
    call,
)
from runtime.traits import LockableCurrency

VESTING = "Vesting.schedules"
"""Why the balance of somebody with a schedule is locked."""


class Vesting(Pallet, index=12):
    """OPEN that comes free over time."""

    # Needs

    currency: Needs[LockableCurrency]

    # Storage, parameters first

    transfer_min = Parameter[Amount](
        100 * OPEN, "The least amount of a transfer with a schedule, in 10**-18 OPEN."
    )
    schedules = Map[AccountId, Schedules](())

    # Events

    class Granted(Event):
        """An account has another schedule."""

        account: AccountId
        schedule: VestingSchedule

    class Updated(Event):
        """So much of an account's schedules is still locked."""

        account: AccountId
        locked: Amount

    # Errors

    class TooLittle(Error):
        """The amount is too small for a schedule."""

        remedy: ClassVar[str] = "Send more, or send it without a schedule."
        amount: Amount
        least: Amount

    class TooManySchedules(Error):
        """The account has as many schedules as may be."""

        remedy: ClassVar[str] = "Let its owner merge two of them with Vesting.merge."
        schedules: U8

    class NotVesting(Error):
        """The account has no schedule."""

        remedy: ClassVar[str] = "Read Vesting.schedules: everything may be free already."
        account: AccountId

    class UnknownSchedule(Error):
        """The account has no two schedules with these positions."""

        remedy: ClassVar[str] = "Read Vesting.schedules; positions begin with 0."
        schedules: U8

    # Calls

    @call(0, weight=weights.vest)
    def vest(self, account: Signed) -> None:
        """Make free what the signer's schedules let go at this height."""
        self._update(account)

    @call(1, weight=weights.claim)
    def claim(self, _sender: Signed, account: AccountId) -> None:
        """The same for another account: a pot has no key, and a fee may be too much for some."""
        self._update(account)

    @call(2, weight=weights.vested_transfer)
    def vested_transfer(
        self, sender: Signed, receiver: AccountId, schedule: VestingSchedule
    ) -> None:
        """Send OPEN that comes free to `receiver` over time."""
        least = self.transfer_min.get()
        if schedule.amount < least:
            raise self.TooLittle(amount=schedule.amount, least=least)
        self.currency.move(sender, receiver, schedule.amount)
        self.grant(receiver, schedule)

    @call(3, weight=weights.merge)
    def merge(self, account: Signed, first: U8, second: U8) -> None:
        """Put one schedule in the place of two: from the later begin to the later end."""
        known = self._running(account)
        if first == second or max(first, second) >= len(known):
            raise self.UnknownSchedule(schedules=len(known))
        others = [each for at, each in enumerate(known) if at not in (first, second)]
        merged = _merged(known[first], known[second], self.block.height)
        self._store(account, (*others, merged))

    # Helpers: for genesis

    def grant(self, account: bytes, schedule: VestingSchedule) -> None:
        """Lock what an account got by a schedule; raises `TooManySchedules`."""
        known = self._running(account)
        if len(known) == SCHEDULES_MAX:
            raise self.TooManySchedules(schedules=len(known))
        self.emit(self.Granted(account, schedule))
        self._store(account, (*known, schedule))

    # Helpers

    def _running(self, account: bytes) -> tuple[VestingSchedule, ...]:
        height = self.block.height
        return tuple([each for each in self.schedules[account] if each.ends_at > height])

    def _update(self, account: bytes) -> None:
        if account not in self.schedules:
            raise self.NotVesting(account=account)
        self._store(account, self._running(account))

    def _store(self, account: bytes, schedules: tuple[VestingSchedule, ...]) -> None:
        if schedules:
            self.schedules[account] = schedules
        elif account in self.schedules:
            del self.schedules[account]
        locked = sum(each.locked_at(self.block.height) for each in schedules)
        self.currency.set_lock(account, locked, VESTING)
        self.emit(self.Updated(account, locked))


def _merged(one: VestingSchedule, other: VestingSchedule, height: int) -> VestingSchedule:
    """What is locked of both, free in a straight line by the time that the later one ends."""
    locked = one.locked_at(height) + other.locked_at(height)
    starts_at = max(height, one.starts_at, other.starts_at)
    ends_at = max(one.ends_at, other.ends_at)
    return VestingSchedule(locked, starts_at, max(1, ends_at - starts_at))
