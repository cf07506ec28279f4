"""What is done with rows after they were accepted: withdrawn and erased, or opened to readers.

Terms.  A *withdrawal* takes rows out of the next version; no job can name the versions that have
them any more.  An *erasure* follows when every job and epoch that was under way is over: nodes
delete the content, and the commitment stays as a *tombstone*, which later audits name.  A *content
key* encrypts the blob of a submission to an encrypted Datanet; it is shared in a libsodium sealed
box to the account key of a reader.

Why it is safe:

- Only a contributor withdraws its rows, and a single row only with the Merkle path that shows it in
  the latest version under its name.  Each withdrawal counts as a file of the day's quota: nobody
  can keep a Datanet out of training by withdrawing row after row.
- Nothing that a payment or a dispute depends on is erased under it, and nobody can put an erasure
  off for ever: uses that begin after the withdrawal do not count (`Datanets`).
- A blob is deleted only when no submission of any Datanet names it: nobody can have another's rows
  deleted by contributing a copy of them elsewhere and withdrawing it.
- The chain sees sealed boxes only.  Whoever had a key can keep what it read; revoking ends access
  to what comes later.
"""

from __future__ import annotations

from typing import ClassVar

from pallets.data_rights import weights
from pallets.data_rights.types import SealedKey, SharedKey, Withdrawal
from runtime import (
    OPEN,
    U32,
    AccountId,
    Amount,
    Error,
    Event,
    Hash,
    LongText,
    Map,
    Needs,
    Pallet,
    Parameter,
    Signed,
    call,
)
from runtime.errors import InvalidProof
from runtime.merkle import verify_list
from runtime.traits import Currency, DatanetRegistry, SubmissionLedger
from runtime.wire.datanets import Purpose
from runtime.wire.receipts import ListPath
from runtime.wire.rows import RowRecord

KEY = "DataRights.key"
"""Why a balance is held: deposits for sealed keys on chain."""
_NODE_BYTES = 65
"""Hashed for each sibling of a path, at most."""
_LEAF_BYTES = 128


class DataRights(Pallet, index=28):
    """Withdrawals, erasures, members and content keys."""

    # Needs

    currency: Needs[Currency]
    datanets: Needs[DatanetRegistry]
    submissions: Needs[SubmissionLedger]

    # Storage, parameters first

    key_deposit = Parameter[Amount](OPEN // 100, "Held for every sealed key that is on chain.")
    withdrawals = Map[tuple[U32, U32], Withdrawal]()
    tombstones = Map[tuple[U32, U32, U32], U32 | None]()
    """Rows that were withdrawn one by one; the value is the submission that replaces them."""
    keys = Map[tuple[U32, U32, AccountId], SharedKey]()
    """The content keys of submissions, each sealed to a reader."""

    # Events

    class Withdrawn(Event):
        """Rows of a submission leave with the next version."""

        datanet: U32
        submission: U32
        rows: U32
        index: U32 | None
        replacement: U32 | None

    class Erased(Event):
        """Nodes delete the blob if nobody else names it; `redacted` is what is left of it."""

        datanet: U32
        submission: U32
        blob: Hash
        is_last: bool
        redacted: Hash | None

    class AccessRequested(Event):
        """Notice to the owner: somebody asks to be admitted."""

        datanet: U32
        account: AccountId
        purpose: Purpose
        reason: LongText

    class MemberSet(Event):
        """An account may train on the Datanet, or no longer."""

        datanet: U32
        account: AccountId
        admitted: bool

    class KeyShared(Event):
        """A reader can open the content of a submission."""

        datanet: U32
        submission: U32
        reader: AccountId

    class KeyRemoved(Event):
        """A sealed key is not on chain any more."""

        datanet: U32
        submission: U32
        reader: AccountId

    # Errors

    class NotContributor(Error):
        """Only the contributor of the rows may do this."""

        remedy: ClassVar[str] = "Sign with the key that contributed them."
        contributor: AccountId

    class NotInVersion(Error):
        """The path does not show the row in the latest version."""

        remedy: ClassVar[str] = "Take the record and its path from the latest version's records."
        version: U32

    class AlreadyWithdrawn(Error):
        """The row was withdrawn before."""

        remedy: ClassVar[str] = "It leaves with the next version; nothing else is needed."
        submission: U32
        index: U32

    class NothingWithdrawn(Error):
        """Nothing of the submission waits for being erased."""

        remedy: ClassVar[str] = "Withdraw rows first: `withdraw` or `withdraw_row`."
        submission: U32

    class InUse(Error):
        """A job or an unsettled epoch that began before the withdrawal needs the rows."""

        remedy: ClassVar[str] = "Send it again when those are settled; they have deadlines."
        withdrawal_rows: U32

    class WrongReplacement(Error):
        """A row is replaced by a later submission of the same contributor to the Datanet."""

        remedy: ClassVar[str] = "Commit to the new row first, then name that submission."
        replacement: U32

    class WrongRedaction(Error):
        """A whole submission leaves nothing; a part of one leaves a blob without the rows."""

        remedy: ClassVar[str] = "Give the redacted blob if, and only if, rows are left."
        is_whole: bool

    class UnknownKey(Error):
        """The signer shared no such key."""

        remedy: ClassVar[str] = "Name the submission and the reader as in DataRights.KeyShared."
        reader: AccountId

    # Calls

    @call(0, weight=weights.withdraw)
    def withdraw(self, contributor: Signed, datanet: U32, submission: U32) -> None:
        """Withdraw everything that is left of a submission of the signer."""
        record = self.submissions.submission(datanet, submission)
        if record.contributor != contributor:
            raise self.NotContributor(contributor=record.contributor)
        self.datanets.use_quota(datanet, contributor, 0)
        self._withdraw(datanet, submission, record.accepted, is_whole=True)
        self.emit(
            self.Withdrawn(
                datanet=datanet,
                submission=submission,
                rows=record.accepted,
                index=None,
                replacement=None,
            )
        )

    @call(1, weight=weights.withdraw_row)
    def withdraw_row(
        self,
        contributor: Signed,
        datanet: U32,
        row: RowRecord,
        path: ListPath,
        replacement: U32 | None,
    ) -> None:
        """Withdraw one row of the signer; a later submission may replace it.

        The path leads to the rows root of the latest version.
        """
        if row.owner != contributor:
            raise self.NotContributor(contributor=row.owner)
        version = self.datanets.latest(datanet)
        siblings = len(path.siblings)
        self.note_hashes(siblings + 2, siblings * _NODE_BYTES + 2 * _LEAF_BYTES)
        try:
            root = self.datanets.published_version(datanet, version).rows_root
            verify_list(root, row.encode(), path)
        except InvalidProof as error:
            raise self.NotInVersion(version=version) from error
        place = (datanet, row.submission, row.index)
        if place in self.tombstones:
            raise self.AlreadyWithdrawn(submission=row.submission, index=row.index)
        if replacement is not None:
            self._check_replacement(datanet, contributor, row.submission, replacement)
        self.datanets.use_quota(datanet, contributor, 0)
        self.tombstones[place] = replacement
        self._withdraw(datanet, row.submission, 1, is_whole=False)
        self.emit(
            self.Withdrawn(
                datanet=datanet,
                submission=row.submission,
                rows=1,
                index=row.index,
                replacement=replacement,
            )
        )

    @call(2, weight=weights.erase)
    def erase(self, signer: Signed, datanet: U32, submission: U32, redacted: Hash | None) -> None:
        """Have the nodes delete withdrawn content, once nothing that was under way needs it.

        Whoever asks, where nothing of the submission is left; otherwise the Datanet's owner, who
        names the blob with hashes in place of the withdrawn rows: anybody can recompute it.
        """
        withdrawal = self.withdrawals.get((datanet, submission))
        if withdrawal is None or withdrawal.is_erased:
            raise self.NothingWithdrawn(submission=submission)
        if withdrawal.is_whole != (redacted is None):
            raise self.WrongRedaction(is_whole=withdrawal.is_whole)
        if redacted is not None:
            self.datanets.require_owner(signer, datanet)
        if not self.datanets.is_unused(datanet, withdrawal.retirement):
            raise self.InUse(withdrawal_rows=withdrawal.rows)
        blob = self.submissions.submission(datanet, submission).blob
        if blob is None:
            raise self.NothingWithdrawn(submission=submission)
        is_last = self.submissions.set_blob(datanet, submission, redacted)
        self.withdrawals[datanet, submission] = Withdrawal(
            rows=withdrawal.rows,
            is_whole=withdrawal.is_whole,
            retirement=withdrawal.retirement,
            withdrawn_at=withdrawal.withdrawn_at,
            is_erased=True,
        )
        self.emit(
            self.Erased(
                datanet=datanet,
                submission=submission,
                blob=blob,
                is_last=is_last,
                redacted=redacted,
            )
        )

    @call(3, weight=weights.request_access)
    def request_access(
        self, account: Signed, datanet: U32, purpose: Purpose, reason: LongText
    ) -> None:
        """Ask the owner of a Datanet to be admitted; an event, nothing is stored."""
        self.datanets.datanet(datanet)
        self.emit(
            self.AccessRequested(datanet=datanet, account=account, purpose=purpose, reason=reason)
        )

    @call(4, weight=weights.set_member)
    def set_member(self, owner: Signed, datanet: U32, account: AccountId, admitted: bool) -> None:
        """Admit an account to a Datanet that is not public, or no longer."""
        self.datanets.require_owner(owner, datanet)
        self.datanets.set_member(datanet, account, admitted)
        self.emit(self.MemberSet(datanet=datanet, account=account, admitted=admitted))

    @call(5, weight=weights.share_key)
    def share_key(
        self,
        signer: Signed,
        datanet: U32,
        submission: U32,
        reader: AccountId,
        sealed_key: SealedKey,
    ) -> None:
        """Share the content key of a submission of the signer with a reader; holds a deposit."""
        record = self.submissions.submission(datanet, submission)
        if record.contributor != signer:
            raise self.NotContributor(contributor=record.contributor)
        place = (datanet, submission, reader)
        if place in self.keys:
            self._remove_key(place)
        deposit = self.key_deposit.get()
        self.currency.hold(signer, deposit, KEY)
        self.keys[place] = SharedKey(signer, deposit, sealed_key)
        self.emit(self.KeyShared(datanet=datanet, submission=submission, reader=reader))

    @call(6, weight=weights.remove_key)
    def remove_key(self, signer: Signed, datanet: U32, submission: U32, reader: AccountId) -> None:
        """Take a sealed key off the chain again; the deposit comes back."""
        place = (datanet, submission, reader)
        known = self.keys.get(place)
        if known is None or known.granter != signer:
            raise self.UnknownKey(reader=reader)
        self._remove_key(place)
        self.emit(self.KeyRemoved(datanet=datanet, submission=submission, reader=reader))

    # Helpers

    def _withdraw(self, datanet: int, submission: int, rows: int, *, is_whole: bool) -> None:
        before = self.withdrawals.get((datanet, submission))
        self.withdrawals[datanet, submission] = Withdrawal(
            rows=rows + (before.rows if before is not None else 0),
            is_whole=is_whole,
            retirement=self.submissions.take_rows(datanet, submission, rows),
            withdrawn_at=self.block.height,
        )

    def _check_replacement(
        self, datanet: int, contributor: bytes, submission: int, replacement: int
    ) -> None:
        record = self.submissions.submission(datanet, replacement)
        if record.contributor != contributor or replacement <= submission:
            raise self.WrongReplacement(replacement=replacement)

    def _remove_key(self, place: tuple[int, int, bytes]) -> None:
        known = self.keys[place]
        del self.keys[place]
        self.currency.release(known.granter, known.deposit, KEY)
