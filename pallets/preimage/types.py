"""What `Preimage` stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime import U32, AccountId, Amount, Max, RuntimeCall

PREIMAGE_BYTES_MAX = 32_768
"""The largest encoded call."""

PreimageCall = Annotated[RuntimeCall, Max(PREIMAGE_BYTES_MAX)]


@dataclass(slots=True)
class Status:
    """Who noted a preimage, and who needs it."""

    owner: AccountId | None = None
    """None: the chain itself, without a deposit."""
    deposit: Amount = 0
    requests: U32 = 0
    """How many referenda and scheduled tasks need it."""
