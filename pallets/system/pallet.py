"""Nonces of accounts, the fate of extrinsics, and remarks.

The runtime admits an extrinsic only with its signer's next nonce, so each enters one block at
most; it counts nonces here, and tells here when a call failed.
"""

from __future__ import annotations

from typing import Annotated

from runtime import (
    U64,
    AccountId,
    Event,
    Hash,
    LongText,
    Map,
    Max,
    Pallet,
    ShortText,
    Signed,
    Weight,
    call,
)
from runtime.hashing import hash_text

REMARK_BYTES_MAX = 4_096
"""The longest remark, in bytes."""


class System(Pallet, index=0):
    """What every extrinsic needs, whatever it calls."""

    # Storage

    nonces = Map[AccountId, U64](0)

    # Events

    class ExtrinsicFailed(Event):
        """The call of an extrinsic failed and was rolled back; nonce and tip stay."""

        error: ShortText
        message: LongText
        remedy: LongText

    class Remarked(Event):
        """An account left a remark; its bytes are in the extrinsic."""

        sender: AccountId
        remark: Hash

    # Calls

    @call(0, weight=Weight(reads=0, writes=0, hashes=1, bytes=REMARK_BYTES_MAX))
    def remark(self, sender: Signed, data: Annotated[bytes, Max(REMARK_BYTES_MAX)]) -> None:
        """Put bytes on record; they change no state."""
        self.emit(self.Remarked(sender=sender, remark=hash_text(data)))
