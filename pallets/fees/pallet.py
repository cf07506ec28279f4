"""What extrinsics cost, and who receives it.

Terms.  An extrinsic pays a *fee* for its length and for the weight it declares, and whatever *tip*
its signer adds.  The *multiplier* scales the price of weight with how full blocks are: each block
moves it by up to an eighth, up when the block was fuller than the target and down when it was
emptier (EIP-1559, with the target at a quarter of a block as in Substrate).

Rules:

- Fees are charged before the call and kept when it fails.
- Fees are divided among proposer, treasury and nobody (they are burned) by largest remainder; all
  tips go to the proposer.  What of fees is whose is governed.
- The multiplier stays between 1 and 1,000, so that a chain at rest costs what genesis says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pallets.pots import TREASURY
from runtime import OPEN, PPB, U64, AccountId, Amount, Between, Event, Pallet, Parameter, Value
from runtime.arithmetic import apply_ppb, split_by_largest_remainder
from runtime.block import BLOCK_UNITS_MAX
from runtime.fees import FeeSchedule
from runtime.wire.records import ShareInPpb

TARGET_UNITS = BLOCK_UNITS_MAX // 4
"""Weight units of a block that leave the multiplier as it is."""
ADJUSTMENT_DIVISOR = 8
"""A block of twice the target raises the multiplier by this part of it."""
MULTIPLIER_MAX = 1_000 * PPB
"""The largest multiplier, in billionths."""


@dataclass(frozen=True, slots=True)
class FeeShares:
    """How fees are divided, in billionths that add up to one."""

    author_ppb: ShareInPpb
    treasury_ppb: ShareInPpb
    burned_ppb: ShareInPpb


def _fault_of(shares: FeeShares) -> str | None:
    """What is wrong with shares of the fees, or None."""
    total = shares.author_ppb + shares.treasury_ppb + shares.burned_ppb
    return None if total == PPB else f"The shares add up to {total}, not to {PPB}."


class Fees(Pallet, index=3):
    """The fees of extrinsics."""

    # Storage

    base_price = Parameter[Annotated[Amount, Between(0, OPEN)]](
        OPEN // 100_000, "What every extrinsic pays, in 10**-18 OPEN."
    )
    byte_price = Parameter[Annotated[Amount, Between(0, OPEN // 1_000)]](
        OPEN // 10_000_000, "What a byte of an extrinsic costs, in 10**-18 OPEN."
    )
    unit_price = Parameter[Annotated[Amount, Between(0, OPEN // 1_000_000)]](
        OPEN // 10_000_000_000, "What a weight unit costs at the multiplier 1, in 10**-18 OPEN."
    )
    shares = Parameter[FeeShares](
        FeeShares(author_ppb=200_000_000, treasury_ppb=0, burned_ppb=800_000_000),
        "What of the fees goes to the proposer and to the treasury, and what is burned.",
        check=_fault_of,
    )
    multiplier_ppb = Value[U64](PPB)
    """The multiplier of the next block, in billionths."""

    # Events

    class Collected(Event):
        """The fees and tips of a block were shared out; the multiplier was this one's."""

        fees: Amount
        tips: Amount
        proposer: AccountId
        reward: Amount
        """Its part of the fees, and the tips."""
        treasury: Amount
        burned: Amount
        multiplier_ppb: U64

    # Helpers: `FeePolicy` for the runtime

    def schedule(self) -> FeeSchedule:
        """The prices of this block."""
        per_unit = apply_ppb(self.unit_price.get(), self.multiplier_ppb.get())
        return FeeSchedule(self.base_price.get(), self.byte_price.get(), per_unit)

    def settle(self, fees: int, tips: int, units: int) -> Sequence[tuple[bytes, int]]:
        """Who is paid what of the block's charges; also sets the multiplier of the next block."""
        multiplier = self.multiplier_ppb.get()
        following = next_multiplier(multiplier, units)
        if following != multiplier:
            self.multiplier_ppb.put(following)
        if not fees and not tips:
            return ()
        shares = self.shares.get()
        author, treasury, burned = split_by_largest_remainder(
            fees, (shares.author_ppb, shares.treasury_ppb, shares.burned_ppb)
        )
        proposer, reward = self.block.proposer, author + tips
        self.emit(self.Collected(fees, tips, proposer, reward, treasury, burned, multiplier))
        return ((proposer, reward), (TREASURY, treasury))


def next_multiplier(multiplier_ppb: int, units: int) -> int:
    """Return the multiplier after a block of `units`, in billionths."""
    change = multiplier_ppb * (units - TARGET_UNITS) // (TARGET_UNITS * ADJUSTMENT_DIVISOR)
    return min(max(multiplier_ppb + change, PPB), MULTIPLIER_MAX)
