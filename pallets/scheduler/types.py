"""What `Scheduler` stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime import U64, BlockNumber, Hash, Max, RuntimeCall, ShortText

TASKS_MAX = 256
"""The most calls that wait at a time."""
SCHEDULED_BYTES_MAX = 8_192
"""The largest encoded call that `schedule` takes; larger ones are noted as preimages."""

ScheduledCall = Annotated[RuntimeCall, Max(SCHEDULED_BYTES_MAX)]
Queue = Annotated[tuple[tuple[BlockNumber, U64], ...], Max(TASKS_MAX)]
"""Height and number of each task, in this order."""


@dataclass(frozen=True, slots=True)
class Task:
    """A call to be made at a height or, where blocks are full, soon after."""

    height: BlockNumber
    call_hash: Hash
    """The call itself is a requested preimage."""
    track: ShortText | None
    """On whose behalf: a track of governance; None is the chain itself."""
    name: ShortText | None
