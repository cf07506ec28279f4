"""What belongs to the chain, and how it is spent.

Terms.  A *pot* is an account without a key.  The treasury's own is `pallets.pots.TREASURY`, which
gets dust, slashes, platform fees, forfeited bonds and what nobody claimed; genesis names others,
such as the community's part of the supply.

Rules:

- Pots are spent by referendum alone: up to a limit each time on the tracks of spenders, without one
  on the root track.
- A spend moves free balance: what is still vesting in a pot stays there.
- What was spent of each pot is counted for ever.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pallets.pots import TREASURY
from pallets.treasury import weights
from runtime import (
    OPEN,
    AccountId,
    Amount,
    Error,
    Event,
    Map,
    Needs,
    Pallet,
    Parameter,
    Positive,
    Root,
    ShortText,
    Track,
    call,
)
from runtime.traits import Currency

MAIN_POT = "treasury"
"""The name of the treasury's own pot."""

SmallSpender = Annotated[None, Track("small_spender")]
LargeSpender = Annotated[None, Track("large_spender")]


class Treasury(Pallet, index=11):
    """What belongs to the chain, and how it is spent."""

    # Needs

    currency: Needs[Currency]

    # Storage, parameters first

    small_spend_max = Parameter[Amount](
        10_000 * OPEN, "The most that one small spend moves, in 10**-18 OPEN.", guarded=True
    )
    large_spend_max = Parameter[Amount](
        1_000_000 * OPEN, "The most that one large spend moves, in 10**-18 OPEN.", guarded=True
    )
    pots = Map[ShortText, AccountId]()
    """The accounts without a key that spends may be from, beside the treasury's own."""
    spent = Map[ShortText, Amount](0)

    # Events

    class Spent(Event):
        """OPEN of a pot went to an account."""

        pot: ShortText
        receiver: AccountId
        amount: Amount

    class PotNamed(Event):
        """Spends may be from this account."""

        pot: ShortText
        account: AccountId

    # Errors

    class UnknownPot(Error):
        """There is no pot of this name."""

        remedy: ClassVar[str] = "Write treasury, or a name of Treasury.pots."
        pot: ShortText

    class MoreThanTrack(Error):
        """A referendum of this track may not spend so much at once."""

        remedy: ClassVar[str] = "Propose it on the track of larger spends, or on the root track."
        amount: Amount
        most: Amount

    # Calls

    @call(0, weight=weights.spend_small, operational=True)
    def spend_small(
        self, _origin: SmallSpender, pot: ShortText, receiver: AccountId, amount: Positive[Amount]
    ) -> None:
        """Move up to `small_spend_max` of a pot to an account."""
        self._spend(pot, receiver, amount, self.small_spend_max.get())

    @call(1, weight=weights.spend_large, operational=True)
    def spend_large(
        self, _origin: LargeSpender, pot: ShortText, receiver: AccountId, amount: Positive[Amount]
    ) -> None:
        """Move up to `large_spend_max` of a pot to an account."""
        self._spend(pot, receiver, amount, self.large_spend_max.get())

    @call(2, weight=weights.spend, operational=True)
    def spend(
        self, _origin: Root, pot: ShortText, receiver: AccountId, amount: Positive[Amount]
    ) -> None:
        """Move any amount of a pot to an account."""
        self._spend(pot, receiver, amount, amount)

    # Helpers

    def name_pot(self, name: str, account: bytes) -> None:
        """Let spends be from an account without a key: at genesis."""
        self.pots[name] = account
        self.emit(self.PotNamed(name, account))

    def _spend(self, pot: str, receiver: bytes, amount: int, most: int) -> None:
        if amount > most:
            raise self.MoreThanTrack(amount=amount, most=most)
        account = TREASURY if pot == MAIN_POT else self.pots.get(pot)
        if account is None:
            raise self.UnknownPot(pot=pot)
        self.currency.move(account, receiver, amount)
        self.spent[pot] += amount
        self.emit(self.Spent(pot, receiver, amount))
