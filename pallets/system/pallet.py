"""The fate of extrinsics, which version the storage has, and remarks.

The runtime tells here when a call failed, and keeps here how far an upgrade of the storage is
(`runtime.upgrade`).  Parameters are declared by every pallet and changed here, for all of them.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pallets.system import weights
from runtime import (
    U16,
    U32,
    AccountId,
    Error,
    Event,
    Hash,
    LongText,
    Map,
    Max,
    Pallet,
    ParametersTrack,
    Root,
    ShortText,
    Signed,
    Value,
    call,
)
from runtime.errors import DecodeError
from runtime.hashing import hash_text
from runtime.parameters import PARAMETER_BYTES_MAX
from runtime.upgrade import MigrationState

REMARK_BYTES_MAX = 4_096
"""The longest remark, in bytes."""
EncodedParameter = Annotated[bytes, Max(PARAMETER_BYTES_MAX)]
"""The value of a parameter in canonical CBOR."""


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

    class ParameterSet(Event):
        """A parameter has another value from now on; both are in canonical CBOR."""

        pallet: ShortText
        name: ShortText
        before: EncodedParameter
        after: EncodedParameter

    class Remarked(Event):
        """An account left a remark; its bytes are in the extrinsic."""

        sender: AccountId
        remark: Hash

    # Errors

    class UnknownParameter(Error):
        """No pallet of the chain has a parameter of this name."""

        remedy: ClassVar[str] = "Take the name from docs/reference/parameters.md."
        pallet: ShortText
        name: ShortText

    class ParameterGuarded(Error):
        """The parameter decides about all else, and no track but root may change it."""

        remedy: ClassVar[str] = "Propose System.set_guarded_parameter on the root track."
        pallet: ShortText
        name: ShortText

    class ParameterRefused(Error):
        """The parameter may not have this value."""

        remedy: ClassVar[str] = "Read the parameter's type and bounds in the metadata."
        name: ShortText
        problem: LongText

    # Calls

    @call(0, weight=weights.remark)
    def remark(self, sender: Signed, data: Annotated[bytes, Max(REMARK_BYTES_MAX)]) -> None:
        """Put bytes on record; they change no state."""
        self.emit(self.Remarked(sender=sender, remark=self.hash(hash_text, data)))

    @call(1, weight=weights.set_parameter, operational=True)
    def set_parameter(
        self, _origin: ParametersTrack, pallet: ShortText, name: ShortText, value: EncodedParameter
    ) -> None:
        """Give a parameter of any pallet another value, in canonical CBOR."""
        parameter = self.parameters.get((pallet, name))
        if parameter is not None and parameter.declaration.guarded:
            raise self.ParameterGuarded(pallet=pallet, name=name)
        self._set(pallet, name, value)

    @call(2, weight=weights.set_guarded_parameter, operational=True)
    def set_guarded_parameter(
        self, _origin: Root, pallet: ShortText, name: ShortText, value: EncodedParameter
    ) -> None:
        """Give any parameter another value, one that decides about all else as well."""
        self._set(pallet, name, value)

    # Helpers

    def _set(self, pallet: str, name: str, value: bytes) -> None:
        parameter = self.parameters.get((pallet, name))
        if parameter is None:
            raise self.UnknownParameter(pallet=pallet, name=name)
        try:
            before = parameter.replace(value)
        except DecodeError as error:
            raise self.ParameterRefused(name=name, problem=error.message) from error
        self.emit(self.ParameterSet(pallet=pallet, name=name, before=before, after=value))
