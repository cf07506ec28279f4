"""Calls that several accounts make together.

Terms.  A *multisig account* is an account without a key: any `threshold` of its signatories make
calls for it.  It follows from the signatories and the threshold, so it need not be created.  An
*operation* is a call that waits for approvals.

Rules:

- Operations are known by the hash of their call.  The first approval opens one and leaves a
  deposit, which comes back when it is carried out or cancelled.
- The last approval brings the call itself and carries it out; its event says what became of it.
- An operation is named together with the height at which it was opened: an approval never counts
  for a later one of the same call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pallets.multisig import weights
from pallets.multisig.types import SIGNATORIES_MAX, MultisigCall, Operation, Others
from runtime import (
    OPEN,
    U8,
    AccountId,
    Amount,
    Between,
    BlockNumber,
    Error,
    Event,
    Hash,
    Map,
    Needs,
    Pallet,
    Parameter,
    RuntimeCall,
    ShortText,
    Signed,
    Weight,
    call,
)
from runtime.cbor import encode_plain
from runtime.hashing import hash_call, hasher
from runtime.traits import Currency

DEPOSIT = "Multisig.deposit"
"""Why the balance of somebody who opened an operation is held."""
Threshold = Annotated[int, Between(1, SIGNATORIES_MAX)]
_hash_signatories = hasher(b"multisig account")


def multisig_account(signatories: Sequence[bytes], threshold: int) -> bytes:
    """The account that any `threshold` of the signatories act for, 32 bytes."""
    return _hash_signatories(encode_plain((threshold, tuple(sorted(signatories)))))


def weight_of_execute(
    threshold: int, others: Sequence[bytes], opened_at: int | None, call: RuntimeCall
) -> Weight:
    """Return the weight of the last approval: its own, and the call's."""
    return weights.execute(threshold, others, opened_at, call) + call.weight()


class Multisig(Pallet, index=13):
    """Calls that several accounts make together."""

    # Needs

    currency: Needs[Currency]

    # Storage, parameters first

    deposit_base = Parameter[Amount](10 * OPEN, "What opening an operation holds, in 10**-18 OPEN.")
    deposit_per_approval = Parameter[Amount](
        OPEN, "What it holds for each approval that it needs, in 10**-18 OPEN."
    )
    operations = Map[tuple[AccountId, Hash], Operation]()

    # Events

    class Approved(Event):
        """A signatory approved a call of a multisig account."""

        account: AccountId
        call_hash: Hash
        signatory: AccountId
        opened_at: BlockNumber
        approvals: U8

    class Executed(Event):
        """A call was made; `error` is empty, or names why it failed and left no trace."""

        account: AccountId
        call_hash: Hash
        error: ShortText

    class Cancelled(Event):
        """An operation was given up by who opened it."""

        account: AccountId
        call_hash: Hash

    # Errors

    class InvalidSignatories(Error):
        """The other signatories are not in order, or the threshold is more than there are."""

        remedy: ClassVar[str] = "Name each of the others once, sorted by account."
        threshold: U8

    class WrongOperation(Error):
        """The operation was not opened at this height; None means that there is none."""

        remedy: ClassVar[str] = "Read Multisig.operations, and name its height or null."
        opened_at: BlockNumber | None

    class AlreadyApproved(Error):
        """The signer has approved this operation."""

        remedy: ClassVar[str] = "Wait for the other signatories."
        approvals: U8

    class TooFewApprovals(Error):
        """The call needs more approvals before it can be made."""

        remedy: ClassVar[str] = "Call Multisig.approve, and let the last signatory execute."
        approvals: U8
        threshold: U8

    class NotOpener(Error):
        """Somebody else opened the operation."""

        remedy: ClassVar[str] = "Let the account that opened it cancel it."
        opener: AccountId

    # Calls

    @call(0, weight=weights.approve)
    def approve(
        self,
        signatory: Signed,
        threshold: Threshold,
        others: Others,
        opened_at: BlockNumber | None,
        call_hash: Hash,
    ) -> None:
        """Approve a call by its hash; None for `opened_at` opens the operation, for a deposit."""
        account = self._account(signatory, threshold, others)
        known = self._operation(account, call_hash, opened_at)
        if known is None:
            deposit = self.deposit_base.get() + threshold * self.deposit_per_approval.get()
            self.currency.hold(signatory, deposit, DEPOSIT)
            known = Operation(signatory, deposit, self.block.height, (signatory,))
        elif signatory in known.approvals:
            raise self.AlreadyApproved(approvals=len(known.approvals))
        else:
            known.approvals = (*known.approvals, signatory)
        self.operations[account, call_hash] = known
        count = len(known.approvals)
        self.emit(self.Approved(account, call_hash, signatory, known.opened_at, count))

    @call(1, weight=weight_of_execute)
    def execute(
        self,
        signatory: Signed,
        threshold: Threshold,
        others: Others,
        opened_at: BlockNumber | None,
        call: MultisigCall,
    ) -> None:
        """Make a call for the multisig account, as the last signatory that approves it."""
        account = self._account(signatory, threshold, others)
        call_hash = self.hash(hash_call, encode_plain(call.to_plain()))
        known = self._operation(account, call_hash, opened_at)
        approvals = () if known is None else known.approvals
        count = len(approvals) + (signatory not in approvals)
        if count < threshold:
            raise self.TooFewApprovals(approvals=count, threshold=threshold)
        if known is not None:
            self._forget(account, call_hash, known)
        failure = self.attempt(call, account)
        self.emit(self.Executed(account, call_hash, "" if failure is None else failure.error))

    @call(2, weight=weights.cancel)
    def cancel(
        self,
        opener: Signed,
        threshold: Threshold,
        others: Others,
        opened_at: BlockNumber,
        call_hash: Hash,
    ) -> None:
        """Give an operation up that the signer opened; the deposit comes back."""
        account = self._account(opener, threshold, others)
        known = self._operation(account, call_hash, opened_at)
        if known is None or known.opener != opener:
            raise self.NotOpener(opener=opener if known is None else known.opener)
        self._forget(account, call_hash, known)
        self.emit(self.Cancelled(account, call_hash))

    # Helpers

    def _account(self, signatory: bytes, threshold: int, others: tuple[bytes, ...]) -> bytes:
        ordered = list(others) == sorted(dict.fromkeys(others))
        if not ordered or signatory in others or threshold > len(others) + 1:
            raise self.InvalidSignatories(threshold=threshold)
        self.note_hashes(1, 34 * (len(others) + 1) + 4)
        return multisig_account((signatory, *others), threshold)

    def _operation(
        self, account: bytes, call_hash: bytes, opened_at: int | None
    ) -> Operation | None:
        """The operation that was opened at a height, or None where there is none."""
        known = self.operations.get((account, call_hash))
        height = None if known is None else known.opened_at
        if height != opened_at:
            raise self.WrongOperation(opened_at=opened_at)
        return known

    def _forget(self, account: bytes, call_hash: bytes, known: Operation) -> None:
        self.currency.release(known.opener, known.deposit, DEPOSIT)
        del self.operations[account, call_hash]
