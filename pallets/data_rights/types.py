"""What `DataRights` stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from runtime import U32, AccountId, Amount, BlockNumber, Max

SEALED_KEY_BYTES_MAX = 80
SealedKey: TypeAlias = Annotated[bytes, Max(SEALED_KEY_BYTES_MAX)]
"""A 32-byte content key in a libsodium sealed box for the reader's account key."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """The tombstone of a submission's rows that were withdrawn."""

    rows: U32
    is_whole: bool
    """Nothing of the submission is left."""
    retirement: U32
    """The uses that must be over before the content is erased."""
    withdrawn_at: BlockNumber
    is_erased: bool = False


@dataclass(frozen=True, slots=True)
class SharedKey:
    """The content key of a submission for one reader."""

    granter: AccountId
    deposit: Amount
    sealed_key: SealedKey
