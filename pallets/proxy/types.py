"""What `Proxy` stores, and which calls a right includes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Annotated

from runtime import U32, AccountId, BlockNumber, Hash, Max, RuntimeCall, ShortText

PROXIES_MAX = 16
"""The most rights that one account gives."""
ANNOUNCEMENTS_MAX = 16
"""The most calls that one delegate has announced at a time."""
PALLETS_MAX = 8
CALL_BYTES_MAX = 16_384
"""The largest encoded call."""

ProxyCall = Annotated[RuntimeCall, Max(CALL_BYTES_MAX)]


class Kind(IntEnum):
    """What a delegate may do."""

    ANY = 0
    """Everything, rights for others included."""
    NON_TRANSFER = 1
    """Nothing that pays anybody."""
    GOVERNANCE = 2
    STAKING = 3
    PALLETS = 4
    """The calls of pallets that are named."""


_PALLETS: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        Kind.NON_TRANSFER: (
            "Attribution",
            "Governance",
            "Models",
            "Preimage",
            "Session",
            "Staking",
            "System",
            "Utility",
            "Voting",
        ),
        Kind.GOVERNANCE: ("Governance", "Preimage", "Utility", "Voting"),
        Kind.STAKING: ("Session", "Staking", "Utility"),
    }
)
"""The pallets of each kind; what is not here is not included, new pallets among them."""


@dataclass(frozen=True, slots=True)
class Right:
    """What an account lets a delegate do for it."""

    delegate: AccountId
    kind: Kind
    pallets: Annotated[tuple[ShortText, ...], Max(PALLETS_MAX)]
    """For `Kind.PALLETS`, and empty otherwise."""
    delay_blocks: U32
    """So long a call must have been announced; 0: it need not be."""


Rights = Annotated[tuple[Right, ...], Max(PROXIES_MAX)]


@dataclass(frozen=True, slots=True)
class Announcement:
    """A call that a delegate will make for an account."""

    owner: AccountId
    call_hash: Hash
    height: BlockNumber


Announcements = Annotated[tuple[Announcement, ...], Max(ANNOUNCEMENTS_MAX)]


def includes(right: Right, call: RuntimeCall) -> bool:
    """Whether a right includes a call, and every call that this makes for the same account."""
    if right.kind is Kind.ANY:
        return True
    pallets = right.pallets if right.kind is Kind.PALLETS else _PALLETS[right.kind]
    if call.call_definition.pallet not in pallets:
        return False
    if call.call_definition.pallet == "Preimage":
        return True  # what is noted is not made for this account
    return all(includes(right, inner) for inner in calls_inside(call))


def calls_inside(call: RuntimeCall) -> Iterator[RuntimeCall]:
    """The calls that are arguments of a call, or in a tuple of them."""
    for name in call.call_definition.arguments.items:
        value = getattr(call, name)
        items = value if isinstance(value, tuple) else (value,)
        yield from (item for item in items if isinstance(item, RuntimeCall))
