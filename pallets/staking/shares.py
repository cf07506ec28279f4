"""The arithmetic of shares: what they are worth, what they earn, and what a slash takes.

Stake and rewards of any number of stakers cost the same, because nothing here looks at them one by
one.  A validator's stake is divided into shares; a slash lowers what all of them are worth.  Its
*index* is what one share has earned since the beginning; a staker's reward is its shares times how
far the index went since its own was counted (prior art: the F1 fee distribution of Cosmos, and
`MasterChef` of SushiSwap).

Every rounding is downwards, against who takes: so the parts never exceed the whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from pallets.staking.types import COMMISSION_PPB, FRACTION_BITS, Backing, Position
from runtime.arithmetic import apply_ppb, mul_div_ceil, split_by_largest_remainder


def worth(shares: int, amount: int, shares_total: int) -> int:
    """Return what so many of all shares of an amount are worth, rounded down."""
    return shares * amount // shares_total if shares else 0


def shares_for(added: int, amount: int, shares_total: int) -> int | None:
    """Return the shares of `added` units that join an amount; None if its shares are worthless."""
    if not shares_total:
        return added
    return added * shares_total // amount if amount else None


def shares_of(taken: int, position: Position, backing: Backing) -> int:
    """Return how many shares it costs to take so much, which the position is worth at least."""
    if taken == worth(position.shares, backing.stake, backing.shares):
        return position.shares
    return mul_div_ceil(taken, backing.shares, backing.stake)


def settle(position: Position, backing: Backing, joined_index: int | None) -> None:
    """Count what a position has earned up to now.

    `joined_index` is where its joining shares begin; None while their session lasts.
    """
    earning = position.shares - position.joining
    position.earned += earning * (backing.index - position.index)
    if joined_index is not None:
        position.earned += position.joining * (backing.index - joined_index)
        position.joining = 0
    position.index = backing.index


def join(position: Position, backing: Backing, amount: int, added: int, *, own: bool) -> None:
    """Add an amount and its shares; they join while the validator's session lasts."""
    if not backing.shares:
        backing.commission_ppb = backing.next_commission_ppb = COMMISSION_PPB
    backing.stake += amount
    backing.shares += added
    backing.own_shares += added if own else 0
    position.shares += added
    position.principal += amount
    if backing.elected:
        backing.joining += added
        position.joining += added


def leave(
    position: Position, backing: Backing, amount: int, shares: int, *, own: bool
) -> tuple[int, int]:
    """Take an amount and its shares, those that joined last first.

    Returns how many of these joined in this session, and what was bonded for all of them.
    """
    principal = worth(shares, position.principal, position.shares)
    joining = min(shares, position.joining)
    backing.stake -= amount
    backing.shares -= shares
    backing.own_shares -= shares if own else 0
    backing.joining -= joining
    position.shares -= shares
    position.principal -= principal
    position.joining -= joining
    return joining, principal


def earning_stake(backing: Backing) -> int:
    """Return the stake that was there when the session began and still is."""
    return worth(backing.shares - backing.joining, backing.stake, backing.shares)


def reward(backing: Backing, amount: int) -> None:
    """Divide a reward among the validator's commission and the shares that earn."""
    commission = apply_ppb(amount, backing.commission_ppb)
    backing.commission += commission
    divided = ((amount - commission) << FRACTION_BITS) + backing.carry
    gained, backing.carry = divmod(divided, backing.shares - backing.joining)
    backing.index += gained


def take_earned(position: Position) -> int:
    """Take whole units out of what a position has earned, and return them."""
    amount = position.earned >> FRACTION_BITS
    position.earned -= amount << FRACTION_BITS
    return amount


def cuts(amount: int, stakes: Sequence[int]) -> list[int]:
    """Return what a slash of up to `amount` takes of each stake, all in the same proportion."""
    taken = min(amount, sum(stakes))
    return split_by_largest_remainder(taken, stakes) if taken else [0] * len(stakes)
