"""Carrying out calls: origins, rollback, and what becomes of an error.

`DispatchError` and any other typed error of ours that input can cause fails the call.  Errors that
say that this machine or this code is wrong halt the node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from runtime.calls import CallDefinition
from runtime.errors import (
    DefinitionError,
    DispatchError,
    InvalidBlock,
    InvariantViolation,
    OpenLedgerError,
    StoreError,
)
from runtime.types import Marker, Track
from runtime.weights import Weight

TEXT_BYTES_MAX = 1_024
NAME_BYTES_MAX = 64

HALTING = (InvariantViolation, StoreError, DefinitionError, InvalidBlock)
"""Errors that no call may fail with: the block stops."""

CallOrigin = bytes | Marker | Track
"""Who makes a call: an account that signed, `Marker.ROOT`, or a track of governance."""


class BadOrigin(DispatchError):
    """A call inside another is made by somebody who may not make it."""


class CallFailure(NamedTuple):
    """Why a call failed, as texts of bounded length."""

    error: str
    """In 64 bytes of UTF-8 at most."""
    message: str
    """In 1,024, as the remedy."""
    remedy: str


class ExtrinsicResult(NamedTuple):
    """What became of an included extrinsic."""

    extrinsic_hash: bytes
    failure: CallFailure | None
    """Why the call failed, if it did."""
    fee: int
    """Paid beside the tip, in 10**-18 OPEN."""
    weight: Weight
    """As declared."""
    metered: tuple[int, int, int, int]
    """What the properties from `reads` on say."""

    @property
    def ok(self) -> bool:
        """Whether the call did not fail."""
        return self.failure is None

    @property
    def error(self) -> str:
        """The error's name, e.g. `Balances.Insufficient`; empty if `ok`."""
        return "" if self.failure is None else self.failure.error

    @property
    def message(self) -> str:
        """What is wrong; empty if `ok`."""
        return "" if self.failure is None else self.failure.message

    @property
    def remedy(self) -> str:
        """What to do about it; empty if `ok`."""
        return "" if self.failure is None else self.failure.remedy

    @property
    def reads(self) -> int:
        """Distinct storage keys the call read."""
        return self.metered[0]

    @property
    def writes(self) -> int:
        """Distinct storage keys the call wrote."""
        return self.metered[1]

    @property
    def hashes(self) -> int:
        """How many hashes the call computed."""
        return self.metered[2]

    @property
    def hashed_bytes(self) -> int:
        """How many bytes it hashed."""
        return self.metered[3]


def failure_of(error: OpenLedgerError) -> CallFailure:
    """Return what users read of an error."""
    return CallFailure(
        _truncate(_name_of(error), NAME_BYTES_MAX),
        _truncate(error.message, TEXT_BYTES_MAX),
        _truncate(error.remedy, TEXT_BYTES_MAX),
    )


def bug(where: str, error: Exception) -> InvariantViolation:
    """The error that halts the node when a pallet's code fails in a way nobody declared."""
    message = f"{where} stopped with {type(error).__name__}: {error}"
    return InvariantViolation(message, remedy="This is a bug: report it with the block.")


def run_call(
    definition: CallDefinition, pallet: Any, origin: CallOrigin, arguments: Sequence[Any]
) -> None:
    """Call the pallet's method on behalf of `origin`; raises what it raises, and `BadOrigin`."""
    require_origin(definition, origin)
    signer = origin if isinstance(origin, bytes) else None
    definition.function(pallet, signer, *arguments)


def require_origin(definition: CallDefinition, origin: CallOrigin) -> None:
    """Raise `BadOrigin` for a call that `origin` may not make."""
    wanted = definition.origin
    if wanted is Marker.SIGNED:
        allowed = isinstance(origin, bytes)
    else:
        allowed = origin is Marker.ROOT or origin == wanted
    if not allowed:
        message = f"{definition} is a call for the origin {wanted.value}."
        raise BadOrigin(message, remedy="Let the right origin make it.")


def _name_of(error: OpenLedgerError) -> str:
    return type(error).__qualname__.rsplit("<locals>.", 1)[-1]


def _truncate(text: str, bytes_max: int) -> str:
    return text.encode(errors="replace")[:bytes_max].decode(errors="ignore")
