"""What `Offences` stores of offenders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime import AccountId, Amount, BlockNumber, Max
from runtime.wire.offences import OffenceKind

PUNISHMENTS_MAX = 64
"""The most offences of one account that are remembered."""


@dataclass(frozen=True, slots=True)
class Punishment:
    """What an account was punished for."""

    height: BlockNumber
    kind: OffenceKind


@dataclass(frozen=True, slots=True)
class Slash:
    """What an account's stake will lose, unless the chain cancels it."""

    account: AccountId
    amount: Amount
    offence_height: BlockNumber
    """Stake that left before does not pay."""
    due_at: BlockNumber
    """The first height that may take it; later, when many are due."""
    reporter: AccountId | None
    """Who gets a part; None if the proposer of a block showed the evidence."""


Punishments = Annotated[tuple[Punishment, ...], Max(PUNISHMENTS_MAX)]
