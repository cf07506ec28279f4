"""What `Inference` stores beside the batches, which are in `runtime.wire.records`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from runtime import (
    AccountId,
    Amount,
    BlockNumber,
    Max,
    Positive,
)

CHARGES_MAX = 256
"""The most users that one batch charges."""

Charges: TypeAlias = Annotated[
    tuple[tuple[AccountId, Positive[Amount]], ...],
    Max(CHARGES_MAX),
]
"""(user, amount), strictly rising by user: what each of them owes for a batch."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a server may still charge a user; exactly this much of the escrow is reserved for it."""

    remaining: Amount = 0
    revoked_at: BlockNumber | None = None
    """When the user asked for the rest back; the server is still paid until `reclaim`."""
