"""What `Offences` stores of offenders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime import BlockNumber, Max
from runtime.wire.offences import OffenceKind

PUNISHMENTS_MAX = 64
"""The most offences of one account that are remembered."""


@dataclass(frozen=True, slots=True)
class Punishment:
    """What an account was punished for."""

    height: BlockNumber
    kind: OffenceKind


Punishments = Annotated[tuple[Punishment, ...], Max(PUNISHMENTS_MAX)]
