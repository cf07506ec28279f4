"""What extrinsics cost, and who receives it.

Terms.  An extrinsic pays a *fee* for its length and for the weight it declares, and whatever *tip*
its signer adds.  The *multiplier* scales the price of weight with how full blocks are: each block
moves it by up to an eighth, up when the block was fuller than the target and down when it was
emptier (EIP-1559, with the target at a quarter of a block as in Substrate).

Rules:

- Fees are charged before the call and kept when it fails.
- `author_share_ppb` of the fees and all tips go to the proposer; the rest of the fees is burned.
- The multiplier stays between 1 and 1,000, so that a chain at rest costs what genesis says.
"""

from __future__ import annotations

from typing import Annotated

from runtime import OPEN, PPB, U64, Amount, Between, Event, Pallet, Parameter, Value
from runtime.arithmetic import apply_ppb
from runtime.block import BLOCK_UNITS_MAX
from runtime.fees import FeeSchedule

TARGET_UNITS = BLOCK_UNITS_MAX // 4
"""Weight units of a block that leave the multiplier as it is."""
ADJUSTMENT_DIVISOR = 8
"""A block of twice the target raises the multiplier by this part of it."""
MULTIPLIER_MAX = 1_000 * PPB
"""The largest multiplier, in billionths."""


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
    author_share_ppb = Parameter[Annotated[int, Between(0, PPB)]](
        200_000_000, "Which part of the fees goes to the proposer, in billionths."
    )
    multiplier_ppb = Value[U64](PPB)
    """The multiplier of the next block, in billionths."""

    # Events

    class Collected(Event):
        """The fees and tips of a block were shared out; the multiplier was this one's."""

        fees: Amount
        tips: Amount
        reward: Amount
        multiplier_ppb: U64

    # Helpers: `FeePolicy` for the runtime

    def schedule(self) -> FeeSchedule:
        """The prices of this block."""
        per_unit = apply_ppb(self.unit_price.get(), self.multiplier_ppb.get())
        return FeeSchedule(self.base_price.get(), self.byte_price.get(), per_unit)

    def settle(self, fees: int, tips: int, units: int) -> int:
        """The proposer's reward, in 10**-18 OPEN; also sets the multiplier of the next block."""
        multiplier = self.multiplier_ppb.get()
        reward = apply_ppb(fees, self.author_share_ppb.get()) + tips
        if fees or tips:
            self.emit(self.Collected(fees, tips, reward, multiplier))
        following = next_multiplier(multiplier, units)
        if following != multiplier:
            self.multiplier_ppb.put(following)
        return reward


def next_multiplier(multiplier_ppb: int, units: int) -> int:
    """Return the multiplier after a block of `units`, in billionths."""
    change = multiplier_ppb * (units - TARGET_UNITS) // (TARGET_UNITS * ADJUSTMENT_DIVISOR)
    return min(max(multiplier_ppb + change, PPB), MULTIPLIER_MAX)
