"""What pages ask of staking."""

from __future__ import annotations

from collections.abc import Sequence

from studio.chain.state import State


async def staked(state: State, accounts: Sequence[bytes]) -> list[int]:
    """What each account has put behind validators, in 10**-18 OPEN, leaving parts not included."""
    targets = await state.read_many("Staking", "targets", [(each,) for each in accounts])
    places = [
        (account, target)
        for account, found in zip(accounts, targets, strict=True)
        for target in found or ()
    ]
    positions = await state.read_many("Staking", "positions", places)
    amounts = dict.fromkeys(accounts, 0)
    for (account, _target), position in zip(places, positions, strict=True):
        amounts[account] += position.principal
    return list(amounts.values())
