"""Every error of the runtime; the tree on top, the families' fates beside it.

OpenLedgerError           carries `remedy`: what to do about it
 |- DispatchError         expected: call rolled back, fee kept, told to the user; pallets: `Error`
 |- InvalidTransaction    may not enter a block (signature, nonce, era, spec version)
 |- InvalidBlock          a block whose header, roots or extrinsics do not hold
 |- DecodeError           bytes that are not the canonical encoding of the expected type
 |- InvalidProof          a Merkle, state or receipt proof that does not hold
 |- StoreError            the database cannot be opened or is damaged
 |- DefinitionError       a pallet class that breaks a rule; raised when the class is created
 |- WrongSpecVersion      the installed version may not execute this height: stop, install another
 `- InvariantViolation    a bug: halt, never continue
"""

from __future__ import annotations


class OpenLedgerError(Exception):
    """The root of all our errors: a sentence that says what is wrong, and a remedy."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        """Keep the sentence and what to do about it."""
        super().__init__(message)
        self.message = message
        self._remedy = remedy

    @property
    def remedy(self) -> str:
        """What to do about it; pallets' errors override it with a class attribute."""
        return self._remedy

    def __str__(self) -> str:
        """The sentence, then the remedy."""
        return f"{self.message} {self.remedy}".strip()


class DispatchError(OpenLedgerError):
    """A call failed in an expected way: its effects are rolled back and the user is told."""


class InvalidTransaction(OpenLedgerError):
    """An extrinsic that may not enter a block."""


class InvalidBlock(OpenLedgerError):
    """A block whose header, roots or extrinsics do not hold."""


class DecodeError(OpenLedgerError):
    """Bytes that are not the canonical encoding of the expected type."""


class InvalidProof(OpenLedgerError):
    """A proof that does not lead to the root it claims."""


class StoreError(OpenLedgerError):
    """The database cannot be opened, is in use, or is damaged."""


class DefinitionError(OpenLedgerError):
    """A pallet class breaks a rule of the framework; raised when the class is created."""


class WrongSpecVersion(OpenLedgerError):
    """A height is for another spec version than the installed one; the node stops before it."""


class InvariantViolation(OpenLedgerError):
    """The state contradicts an invariant: a bug; the node halts."""
