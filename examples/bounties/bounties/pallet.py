"""Bounties: rewards that are promised on the chain, and paid or returned without anybody's favour.

Terms.  A *bounty* is a reward for a task that its title names.  Its *owner* posts it, may raise it,
and *awards* it to whoever did the task.  A bounty that nobody earned *expires* at its end.

Rules that everything below keeps:

- The reward is under a hold of its owner from the first block to the last: it is there when it is
  awarded, and the owner cannot take it back before the end.
- Every bounty is closed once: awarded in full, or returned in full at its end.
- At most `endings_per_block_max` bounties end in one block, so that the hook which returns them has
  bounded work.  Whoever wants another one at that height chooses the next.

Posting costs a fee, which goes to the treasury: an entry on the chain is not free for the others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pallets.pots import TREASURY
from runtime import (
    OPEN,
    U32,
    AccountId,
    Amount,
    BlockNumber,
    Const,
    Error,
    Event,
    InvariantViolation,
    Map,
    Needs,
    Pallet,
    Positive,
    ShortText,
    Signed,
    Value,
    call,
    invariant,
    on_initialize,
)
from runtime.traits import Currency

from bounties import weights
from bounties.types import Bounty

REWARD = "Bounties.reward"
"""Why an owner's balance is held."""


class Bounties(Pallet, index=101):
    """Rewards that wait for whoever earns them."""

    # Needs and constants

    currency: Needs[Currency]
    posting_fee: Const[Amount] = OPEN // 10
    endings_per_block_max: Const[U32] = 16

    # Storage

    next_bounty = Value[U32](0)
    bounties = Map[U32, Bounty]()
    endings = Map[tuple[BlockNumber, U32], U32]()
    """The bounties that end at a height, by their place there; awarded ones stay until then."""
    ending_counts = Map[BlockNumber, U32](0)
    promised = Value[Amount](0)
    """All open rewards together."""
    open_count = Value[U32](0)

    # Events

    class Posted(Event):
        """A bounty is open."""

        bounty: U32
        owner: AccountId
        reward: Amount
        ends_at: BlockNumber

    class Raised(Event):
        """The owner raised the reward."""

        bounty: U32
        reward: Amount

    class Awarded(Event):
        """The reward was paid."""

        bounty: U32
        winner: AccountId
        reward: Amount

    class Expired(Event):
        """Nobody earned the reward, and the owner has it back."""

        bounty: U32
        owner: AccountId
        reward: Amount

    # Errors

    class UnknownBounty(Error):
        """There is no open bounty with this number."""

        remedy: ClassVar[str] = "Read Bounties.bounties; awarded and expired ones are gone."
        bounty: U32

    class NotOwner(Error):
        """The bounty is somebody else's."""

        remedy: ClassVar[str] = "Sign with its owner's key."
        owner: AccountId

    class EndsTooEarly(Error):
        """The bounty would have ended before it began."""

        remedy: ClassVar[str] = "Choose a later height."
        earliest: BlockNumber

    class HeightFull(Error):
        """As many bounties as may end in one block end at this height."""

        remedy: ClassVar[str] = "Choose the next height."
        most: U32

    # Calls

    @call(0, weight=weights.post)
    def post(
        self, owner: Signed, title: ShortText, reward: Positive[Amount], ends_at: BlockNumber
    ) -> None:
        """Promise `reward` (in 10**-18 OPEN) until the height `ends_at`; costs the posting fee."""
        if ends_at <= self.block.height:
            raise self.EndsTooEarly(earliest=self.block.height + 1)
        place = self.ending_counts[ends_at]
        if place >= self.endings_per_block_max:
            raise self.HeightFull(most=self.endings_per_block_max)
        self.currency.move(owner, TREASURY, self.posting_fee)
        self.currency.hold(owner, reward, REWARD)
        bounty = self.next_bounty.get()
        self.next_bounty.put(bounty + 1)
        self.bounties[bounty] = Bounty(owner, title, reward, ends_at)
        self.endings[ends_at, place] = bounty
        self.ending_counts[ends_at] = place + 1
        self.promised.put(self.promised.get() + reward)
        self.open_count.put(self.open_count.get() + 1)
        self.emit(self.Posted(bounty=bounty, owner=owner, reward=reward, ends_at=ends_at))

    @call(1, weight=weights.raise_reward)
    def raise_reward(self, owner: Signed, bounty: U32, amount: Positive[Amount]) -> None:
        """Add `amount` to the reward of the signer's bounty."""
        record = self._owned(owner, bounty)
        self.currency.hold(owner, amount, REWARD)
        reward = record.reward + amount
        self.bounties[bounty] = replace(record, reward=reward)
        self.promised.put(self.promised.get() + amount)
        self.emit(self.Raised(bounty=bounty, reward=reward))

    @call(2, weight=weights.award)
    def award(self, owner: Signed, bounty: U32, winner: AccountId) -> None:
        """Pay the reward of the signer's bounty to `winner`."""
        record = self._owned(owner, bounty)
        self._close(bounty, record)
        self.currency.move_held(owner, record.reward, REWARD, winner)
        self.emit(self.Awarded(bounty=bounty, winner=winner, reward=record.reward))

    # Hooks

    @on_initialize
    def return_what_nobody_earned(self) -> None:
        """Close the bounties that end in this block: at most `endings_per_block_max`."""
        height = self.block.height
        count = self.ending_counts[height]
        for place in range(count):
            bounty = self.endings[height, place]
            del self.endings[height, place]
            record = self.bounties.get(bounty)
            if record is not None:
                self._close(bounty, record)
                self.currency.release(record.owner, record.reward, REWARD)
                self.emit(self.Expired(bounty=bounty, owner=record.owner, reward=record.reward))
        if count:
            del self.ending_counts[height]

    # Invariants

    @invariant
    def only_open_bounties_promise(self) -> None:
        """Something is promised exactly while a bounty is open: no reward is nothing."""
        promised, count = self.promised.get(), self.open_count.get()
        if bool(promised) != bool(count) or promised < count:
            message = f"{count} bounties are open and promise {promised}."
            raise InvariantViolation(message, remedy="This is a bug: report it.")

    # Helpers

    def _owned(self, owner: bytes, bounty: int) -> Bounty:
        record = self.bounties.get(bounty)
        if record is None:
            raise self.UnknownBounty(bounty=bounty)
        if record.owner != owner:
            raise self.NotOwner(owner=record.owner)
        return record

    def _close(self, bounty: int, record: Bounty) -> None:
        del self.bounties[bounty]
        self.promised.put(self.promised.get() - record.reward)
        self.open_count.put(self.open_count.get() - 1)
