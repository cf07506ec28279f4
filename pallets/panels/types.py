"""What `Panels` stores."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, TypeAlias

from runtime import PPB, U32, AccountId, Amount, BlockNumber, Hash, Max
from runtime.types import Between

PANELISTS_MAX = 128
"""The most panelists that are enrolled at once."""
SEATS_MAX = 64
"""The most seats of a panel."""
Score: TypeAlias = Annotated[int, Between(0, PPB)]
"""A share in parts per billion: of the rows that are acceptable, or of the claim that is proven."""


class CaseState(IntEnum):
    """The life of a case."""

    OPEN = 0
    """Its panel is not drawn yet."""
    SEATED = 1
    CLOSED = 2


@dataclass(frozen=True, slots=True)
class Panelist:
    """Somebody who can be drawn, with a chance in proportion to the stake."""

    account: AccountId
    stake: Amount
    duties: U32 = 0
    """In how many seated cases it is a juror."""


Panelists: TypeAlias = Annotated[tuple[Panelist, ...], Max(PANELISTS_MAX)]


@dataclass(frozen=True, slots=True)
class Juror:
    """A drawn panelist and how many seats were drawn for it: its vote's weight."""

    account: AccountId
    seats: U32


@dataclass(frozen=True, slots=True)
class Case:
    """A question for a panel."""

    subject: Hash
    payer: AccountId
    """Who paid the fee, and gets it back where nothing is decided."""
    fee: Amount
    opened_at: BlockNumber
    state: CaseState
    jury: Annotated[tuple[Juror, ...], Max(SEATS_MAX)] = ()
    seated_at: BlockNumber = 0
    score: Score | None = None


@dataclass(frozen=True, slots=True)
class Ballot:
    """What a juror committed to, and then revealed."""

    commitment: Hash
    score: Score | None = None
