"""Who is elected, and how much of the weight may change at once.

A light client, and a node that was offline, trust a new set because enough of the old one is in it.
So an election changes a set in steps: at most a part of the weight that decided leaves, and at most
that part of the weight that decides then is new.  Where more would change, the smallest leave
first, the largest come first, the last of them with a part of its weight, and the next election
goes on from there (prior art: Ethereum's churn
limit).  Weight whose stake is gone leaves at once: the staking pallet limits how much that can be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runtime.arithmetic import apply_ppb
from runtime.types import PPB


def elect(
    ranked: Sequence[tuple[bytes, int]],
    current: Mapping[bytes, int],
    able: Mapping[bytes, int],
    most: int,
    change_ppb: int,
) -> dict[bytes, int]:
    """Return the weights of the next set by account.

    `ranked` are the candidates and their weights, in the order in which they are elected; `current`
    the weights that decide now, `able` what is left of the stake behind these; `most` members are
    elected, and `change_ppb` billionths of the weight may leave or come.  Empty without candidates.
    """
    wanted = ranked[:most]
    if not wanted:
        return {}
    weights = {account: min(weight, able[account]) for account, weight in current.items()}
    kept = _after_leaving(weights, wanted, sum(current.values()), change_ppb)
    room = _room(sum(kept.values()), change_ppb)
    for account, weight in wanted:
        if account not in kept and len(kept) >= most:
            continue
        have = kept.get(account, 0)
        gained = max(0, weight - have if room is None else min(weight - have, room))
        if have + gained:
            kept[account] = have + gained
        room = None if room is None else room - gained
    return kept


def _after_leaving(
    weights: Mapping[bytes, int],
    wanted: Sequence[tuple[bytes, int]],
    decided: int,
    change_ppb: int,
) -> dict[bytes, int]:
    """What is left when as many as may be have gone of those who are not wanted."""
    may_leave = apply_ppb(decided, change_ppb) - (decided - sum(weights.values()))
    stay = dict(wanted)
    kept = {account: weight for account, weight in weights.items() if weight}
    leavers = [(weight, account) for account, weight in kept.items() if account not in stay]
    for weight, account in sorted(leavers):
        leaves = min(weight, max(0, may_leave))
        may_leave -= leaves
        kept[account] -= leaves
    return {account: weight for account, weight in kept.items() if weight}


def _room(kept: int, change_ppb: int) -> int | None:
    """How much may come so that it is at most the part of the new whole; None: any amount."""
    if not kept or change_ppb == PPB:
        return None
    return kept * change_ppb // (PPB - change_ppb)
