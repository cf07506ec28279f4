"""What `Multisig` stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime import AccountId, Amount, BlockNumber, Max, RuntimeCall

SIGNATORIES_MAX = 16
"""The most signatories of one account."""
CALL_BYTES_MAX = 16_384
"""The largest encoded call."""

Others = Annotated[tuple[AccountId, ...], Max(SIGNATORIES_MAX - 1)]
"""The signatories without the signer, in order."""
MultisigCall = Annotated[RuntimeCall, Max(CALL_BYTES_MAX)]


@dataclass(slots=True)
class Operation:
    """A call that waits for approvals."""

    opener: AccountId
    """Who opened it, and left the deposit."""
    deposit: Amount
    opened_at: BlockNumber
    approvals: Annotated[tuple[AccountId, ...], Max(SIGNATORIES_MAX)]
