"""The fate of extrinsics, which version the storage has, and remarks.

The runtime tells here when a call failed, and keeps here how far an upgrade of the storage is
(`runtime.upgrade`).
"""

from __future__ import annotations

from typing import Annotated

from pallets.system import weights
from runtime import (
    U16,
    U32,
    AccountId,
    Event,
    Hash,
    LongText,
    Map,
    Max,
    Pallet,
    ShortText,
    Signed,
    Value,
    call,
)
from runtime.hashing import hash_text
from runtime.upgrade import MigrationState

REMARK_BYTES_MAX = 4_096
"""The longest remark, in bytes."""


class System(Pallet, index=0):
    """What every extrinsic needs, whatever it calls."""

    # Storage

    spec_version = Value[U32](0)
    """The spec version whose storage the state has."""
    storage_versions = Map[ShortText, U16]()
    """The version of each pallet's storage, by the pallet's name."""
    migration = Value[MigrationState | None](None)
    """The migration in progress."""

    # Events

    class ExtrinsicFailed(Event):
        """The call of an extrinsic failed and was rolled back; nonce, fee and tip stay."""

        error: ShortText
        message: LongText
        remedy: LongText

    class Upgraded(Event):
        """All storage is that of this spec version from now on."""

        spec_version: U32

    class Remarked(Event):
        """An account left a remark; its bytes are in the extrinsic."""

        sender: AccountId
        remark: Hash

    # Calls

    @call(0, weight=weights.remark)
    def remark(self, sender: Signed, data: Annotated[bytes, Max(REMARK_BYTES_MAX)]) -> None:
        """Put bytes on record; they change no state."""
        self.emit(self.Remarked(sender=sender, remark=self.hash(hash_text, data)))
