"""Contributed rows: commit first, reveal after, reviewed into versions, settled at the end.

Terms.  A *submission* is a contributor's list of rows: first a blinded *commitment* to their Merkle
root, then the root itself and the address of the *blob* with the rows.  The Datanet's owner, its
*curator*, reviews submissions into a version.  The *bond* answers for them until nobody can report
them any more.

Why it is safe:

- The commitment binds its contributor, so whoever replays another's commitment can never reveal
  it.  Rows become visible only in a later block than the one that gave them their number, and equal
  rows are credited to the lowest number: copying what is revealed comes too late.
- A bond pays for the review of what is rejected and for what is never revealed, to the treasury
  and never to the curator, who gains nothing from rejecting.  It covers every byte that is kept;
  what expires leaves no trace.  Every bond has an end: `settle`, or `expire` when it is overdue.
- Nothing is taken before it could be appealed: a rejection costs its bond only when the window for
  reports and appeals (pallet `Reports`) is over.
- A sponsor pays for one submission of an account, exactly the least bond, and loses it for rejected
  rows only: whoever makes many accounts can tie its budget up for a while, and no more.  Panels are
  paid by contributors alone: else jurors would make accounts to be paid by a sponsor.
- Where a panel curates, the owner's counts must agree with the panel's score.

Whether the curator's root holds the accepted rows, anybody can recompute from blobs and validator.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pallets.submissions import bonds, reviewing, weights
from pallets.submissions.bonds import BOND
from pallets.submissions.types import VerdictCounts, VersionRoots
from runtime import (
    OPEN,
    PPB,
    U32,
    AccountId,
    Amount,
    BlockNumber,
    Const,
    Error,
    Event,
    Hash,
    Map,
    Needs,
    Pallet,
    Parameter,
    Positive,
    Signed,
    call,
)
from runtime.hashing import hasher
from runtime.traits import Currency, DatanetRegistry, PanelSource
from runtime.wire.datanets import (
    Curation,
    Offer,
    Submission,
    SubmissionState,
    VersionNotes,
    common_purposes,
)
from runtime.wire.records import DatanetVersion
from runtime.wire.rows import submission_commitment

_hash_case = hasher(b"submission case")
_NUMBER_BYTES = 4


class Submissions(Pallet, index=25):
    """Submissions: their rows, reviews and bonds."""

    # Needs and constants

    currency: Needs[Currency]
    datanets: Needs[DatanetRegistry]
    panels: Needs[PanelSource]
    rows_per_submission_max: Const[U32] = 100_000

    # Storage, parameters first

    reveal_blocks = Parameter[Positive[U32]](
        172_800, "From the commitment to the last block that may reveal it: a day of half seconds."
    )
    review_blocks = Parameter[U32](
        1_209_600, "From then until it may be expired without a review: a week."
    )
    answerable_blocks = Parameter[U32](
        1_209_600, "From the review until the bond may be settled: a week."
    )
    byte_bond = Parameter[Amount](
        OPEN // 1_000_000, "What a bond has for every byte that is kept: 1 OPEN a megabyte."
    )
    score_tolerance_ppb = Parameter[U32](
        PPB // 20, "How far an owner's counts may be from a panel's score."
    )
    next_submission = Map[U32, U32](0)
    submissions = Map[tuple[U32, U32], Submission]()
    commitments = Map[tuple[U32, AccountId, Hash], U32]()
    """The number of a commitment that is not revealed yet."""
    blobs = Map[Hash, U32](0)
    """How many submissions of all Datanets name a blob."""
    leaving = Map[U32, U32](0)
    """How many rows leave a Datanet with its next version."""

    # Events

    class Committed(Event):
        """A contributor committed to rows; the number decides the order of credit."""

        datanet: U32
        submission: U32
        contributor: AccountId
        offer: Offer
        bond: Amount
        sponsored: bool

    class Revealed(Event):
        """The rows of a submission became known; where a panel curates, it has a case."""

        datanet: U32
        submission: U32
        rows_root: Hash
        blob: Hash
        case: U32 | None

    class Reviewed(Event):
        """Notice to the contributor: a submission was reviewed, and until when one may appeal."""

        datanet: U32
        submission: U32
        contributor: AccountId
        accepted: U32
        duplicate: U32
        rejected: U32
        verdicts: Hash
        answerable_until: BlockNumber

    class Settled(Event):
        """What is left of a bond went back to whoever bonded."""

        datanet: U32
        submission: U32
        forfeited: Amount
        returned: Amount

    class Expired(Event):
        """A submission was overdue: not revealed (bond forfeited) or not reviewed (released)."""

        datanet: U32
        submission: U32
        forfeited: Amount

    # Errors

    class UnknownSubmission(Error):
        """The Datanet has no such submission, or it expired."""

        remedy: ClassVar[str] = "Take the number from the event Submissions.Committed."
        datanet: U32
        submission: U32

    class NotContributor(Error):
        """Only the contributor who committed may reveal."""

        remedy: ClassVar[str] = "Sign with the key that committed."
        contributor: AccountId

    class TooManyRows(Error):
        """The submission has more rows than one may have."""

        remedy: ClassVar[str] = "Split the rows into several submissions."
        row_count: U32
        most: U32

    class BondTooLow(Error):
        """The bond is lower than rows, bytes and review ask for."""

        remedy: ClassVar[str] = "Bond at least the amount named."
        bond: Amount
        least: Amount

    class AlreadyCommitted(Error):
        """The same commitment was made before."""

        remedy: ClassVar[str] = "Reveal that submission; commit to the same rows only once."
        submission: U32

    class WrongState(Error):
        """The submission is past the point where this could be done, or not there yet."""

        remedy: ClassVar[str] = "Each step is done once and in order; panels close cases first."
        submission: U32
        state: SubmissionState

    class TooEarly(Error):
        """This must wait for a later block."""

        remedy: ClassVar[str] = "Send it again from the height that is named."
        earliest: BlockNumber

    class TooLate(Error):
        """The deadline for this has passed."""

        remedy: ClassVar[str] = "Commit to the rows anew; `expire` or `settle` ends the old bond."
        latest: BlockNumber

    class WrongCommitment(Error):
        """Contributor, root and salt do not make what was committed to."""

        remedy: ClassVar[str] = "Reveal with the root and the salt of the commitment."
        submission: U32

    class NothingReviewed(Error):
        """A version must review a submission, or leave out rows that were withdrawn."""

        remedy: ClassVar[str] = "Name the submissions that were revealed since the last version."

    class NotInOrder(Error):
        """The reviewed submissions are not in strictly rising order."""

        remedy: ClassVar[str] = "Sort verdict_counts by submission, each once."
        submission: U32

    class WrongCounts(Error):
        """The counts do not add up, or are not what the panel scored."""

        remedy: ClassVar[str] = "Give each row one verdict; count rows as the chain and panel do."
        counted: Amount
        expected: Amount

    class StillReported(Error):
        """The bond answers for reports that are open."""

        remedy: ClassVar[str] = "Settle it when the reports are resolved."
        open_reports: U32

    class NoSuchRows(Error):
        """The submission has fewer rows in the latest version."""

        remedy: ClassVar[str] = "Name rows that were accepted and not withdrawn yet."
        rows: U32
        accepted: U32

    # Calls

    @call(0, weight=weights.commit)
    def commit(
        self,
        contributor: Signed,
        datanet: U32,
        commitment: Hash,
        offer: Offer,
        bond: Amount,
        sponsored: bool,
    ) -> None:
        """Commit to rows, blinded; the bond is the signer's, or the sponsor's."""
        if not 0 < offer.row_count <= self.rows_per_submission_max:
            raise self.TooManyRows(row_count=offer.row_count, most=self.rows_per_submission_max)
        self.datanets.check_offer(datanet, offer)
        known = self.commitments.get((datanet, contributor, commitment))
        if known is not None:
            raise self.AlreadyCommitted(submission=known)
        self.datanets.use_quota(datanet, contributor, offer.size_bytes)
        least = self.least_bond(datanet, offer.row_count, offer.size_bytes, sponsored=sponsored)
        if bond < least:
            raise self.BondTooLow(bond=bond, least=least)
        if sponsored:
            self.datanets.sponsor_bond(datanet, contributor, bond, least)
        else:
            self.currency.hold(contributor, bond, BOND)
        submission = self.next_submission[datanet]
        self.next_submission[datanet] = submission + 1
        self.commitments[datanet, contributor, commitment] = submission
        self.submissions[datanet, submission] = Submission(
            contributor=contributor,
            commitment=commitment,
            offer=offer,
            bond=bond,
            bond_per_row=self.datanets.terms_of(datanet).contributor_bond_per_row,
            sponsored=sponsored,
            committed_at=self.block.height,
            state=SubmissionState.COMMITTED,
        )
        self.emit(
            self.Committed(
                datanet=datanet,
                submission=submission,
                contributor=contributor,
                offer=offer,
                bond=bond,
                sponsored=sponsored,
            )
        )

    @call(1, weight=weights.reveal)
    def reveal(
        self,
        contributor: Signed,
        datanet: U32,
        submission: U32,
        rows_root: Hash,
        salt: Hash,
        blob: Hash,
    ) -> None:
        """Reveal the root of the rows' hashes and the content hash of the blob that lists them.

        Where a panel curates, it is paid for now.
        """
        record = self._in_state(datanet, submission, SubmissionState.COMMITTED)
        if record.contributor != contributor:
            raise self.NotContributor(contributor=record.contributor)
        if self.block.height <= record.committed_at:
            raise self.TooEarly(earliest=record.committed_at + 1)
        if self.block.height > self._reveal_deadline(record):
            raise self.TooLate(latest=self._reveal_deadline(record))
        self.note_hashes(1, len(contributor) + len(rows_root) + len(salt))
        if submission_commitment(contributor, rows_root, salt) != record.commitment:
            raise self.WrongCommitment(submission=submission)
        del self.commitments[datanet, contributor, record.commitment]
        self.blobs[blob] += 1
        record = replace(record, rows_root=rows_root, blob=blob, state=SubmissionState.REVEALED)
        if self.datanets.terms_of(datanet).curation is Curation.PANEL:
            record = self._open_case(datanet, submission, record)
        self.submissions[datanet, submission] = record
        self.emit(
            self.Revealed(
                datanet=datanet,
                submission=submission,
                rows_root=rows_root,
                blob=blob,
                case=record.case,
            )
        )

    @call(2, weight=weights.publish_version)
    def publish_version(
        self,
        curator: Signed,
        datanet: U32,
        roots: VersionRoots,
        row_count: U32,
        reviewed_count: U32,
        verdict_counts: VerdictCounts,
    ) -> None:
        """Review submissions and publish the version of all rows accepted so far.

        Rows that were withdrawn since the last version leave.  The first version is 1.
        """
        self.datanets.require_owner(curator, datanet)
        left = self.leaving[datanet]
        self._require_order(verdict_counts, left)
        row_total, reviewed_total, purposes = self.datanets.totals(datanet)
        version = self.datanets.latest(datanet) + 1
        joined = 0
        for submission, *counts in verdict_counts:
            record = self._review(datanet, submission, version, counts, roots.verdicts)
            joined += record.accepted
            reviewed_total += record.offer.row_count
            if record.accepted:
                purposes = common_purposes(purposes, record.offer.purposes)
        self._require_count(row_count, row_total + joined - left)
        self._require_count(reviewed_count, reviewed_total)
        if left:
            del self.leaving[datanet]
        self.datanets.add_version(
            datanet,
            DatanetVersion(
                rows_root=roots.rows_root,
                row_count=row_count,
                records=roots.records,
                verdicts_root=roots.verdicts_root,
                reviewed_count=reviewed_count,
                published_at=self.block.height,
            ),
            VersionNotes(
                verdicts=roots.verdicts,
                changes_root=roots.changes_root,
                changes=roots.changes,
                joined=joined,
                left=left,
                purposes=purposes,
            ),
        )

    @call(3, weight=weights.expire)
    def expire(self, _origin: Signed, datanet: U32, submission: U32) -> None:
        """End an overdue submission, whoever asks; nothing of it is kept.

        What was not revealed in time loses its bond to the treasury, what was not reviewed in time
        does not; nor does a sponsor's bond, which deters nobody.
        """
        record = self.submission(datanet, submission)
        latest = self._reveal_deadline(record)
        if record.state is SubmissionState.REVEALED:
            latest += self.review_blocks.get()
            forfeited = 0
        else:
            record = self._in_state(datanet, submission, SubmissionState.COMMITTED)
            forfeited = 0 if record.sponsored else record.bond
        if self.block.height <= latest:
            raise self.TooEarly(earliest=latest + 1)
        if record.blob is None:
            del self.commitments[datanet, record.contributor, record.commitment]
        else:
            self._drop(record.blob)
        bonds.pay_out(self.currency, self.datanets, (datanet, record), forfeited)
        del self.submissions[datanet, submission]
        self.emit(self.Expired(datanet=datanet, submission=submission, forfeited=forfeited))

    @call(4, weight=weights.settle)
    def settle(self, _origin: Signed, datanet: U32, submission: U32) -> None:
        """End the bond of a reviewed submission, whoever asks, once nobody can report it.

        The bond of every rejected row goes to the treasury, the rest back to whoever bonded.
        """
        record = self._in_state(datanet, submission, SubmissionState.REVIEWED)
        if record.open_reports:
            raise self.StillReported(open_reports=record.open_reports)
        if self.block.height < record.answerable_until:
            raise self.TooEarly(earliest=record.answerable_until)
        forfeited = min(record.rejected * record.bond_per_row, record.bond)
        bonds.pay_out(self.currency, self.datanets, (datanet, record), forfeited)
        self.submissions[datanet, submission] = replace(
            record, bond=0, state=SubmissionState.SETTLED
        )
        self.emit(
            self.Settled(
                datanet=datanet,
                submission=submission,
                forfeited=forfeited,
                returned=record.bond - forfeited,
            )
        )

    # Helpers: `SubmissionLedger` for withdrawals and reports

    def submission(self, datanet: int, submission: int) -> Submission:
        """The record; raises `UnknownSubmission`."""
        record = self.submissions.get((datanet, submission))
        if record is None:
            raise self.UnknownSubmission(datanet=datanet, submission=submission)
        return record

    def take_rows(self, datanet: int, submission: int, count: int) -> int:
        """Rows leave with the next version; returns the retirement to wait for."""
        record = self.submission(datanet, submission)
        if count > record.accepted or not count:
            raise self.NoSuchRows(rows=count, accepted=record.accepted)
        self.submissions[datanet, submission] = replace(record, accepted=record.accepted - count)
        self.leaving[datanet] += count
        self.datanets.change_rows(datanet, record.contributor, -count)
        return self.datanets.retire(datanet, record.version)

    def set_blob(self, datanet: int, submission: int, blob: bytes | None) -> bool:
        """Name the blob that has what is left; returns whether nobody names the old one now."""
        record = self.submission(datanet, submission)
        self.submissions[datanet, submission] = replace(record, blob=blob)
        if blob is not None:
            self.blobs[blob] += 1
        return record.blob is not None and self._drop(record.blob)

    def open_report(self, datanet: int, submission: int) -> None:
        """Keep the bond until `close_report`."""
        record = self._in_state(datanet, submission, SubmissionState.REVIEWED)
        if self.block.height >= record.answerable_until:
            raise self.TooLate(latest=record.answerable_until - 1)
        count = record.open_reports + 1
        self.submissions[datanet, submission] = replace(record, open_reports=count)

    def close_report(self, datanet: int, submission: int) -> None:
        """The bond may be settled as far as this report goes."""
        record = self.submission(datanet, submission)
        count = record.open_reports - 1
        self.submissions[datanet, submission] = replace(record, open_reports=count)

    def slash(self, datanet: int, submission: int, amount: int, receiver: bytes) -> None:
        """Pay a part of the bond to somebody else; no more than there is."""
        record = self.submission(datanet, submission)
        bonds.move(self.currency, self.datanets, (datanet, record), amount, receiver)
        self.submissions[datanet, submission] = replace(record, bond=record.bond - amount)

    def pardon(self, datanet: int, submission: int, rows: int) -> None:
        """So many rejected rows cost nothing after all."""
        record = self.submission(datanet, submission)
        left = max(0, record.rejected - rows)
        self.submissions[datanet, submission] = replace(record, rejected=left)

    # Helpers

    def least_bond(
        self, datanet: int, row_count: int, size_bytes: int, *, sponsored: bool = False
    ) -> int:
        """The least bond of a submission, in units of 10**-18 OPEN; raises `UnknownDatanet`.

        A sponsor's has no fee for a panel: the contributor pays that when it reveals.
        """
        terms = self.datanets.terms_of(datanet)
        has_fee = terms.curation is Curation.PANEL and not sponsored
        fee = self.panels.case_fee() if has_fee else 0
        row_bond, byte_bond = terms.contributor_bond_per_row, self.byte_bond.get()
        return bonds.least(row_count, row_bond, size_bytes, byte_bond) + fee

    def _open_case(self, datanet: int, submission: int, record: Submission) -> Submission:
        """Have a panel score the submission; the contributor pays it, mostly out of its bond."""
        bond, contributor = record.bond, record.contributor
        if record.sponsored:
            fee = self.panels.case_fee()
            self.currency.hold(contributor, fee, BOND)
        else:
            fee = min(self.panels.case_fee(), bond)
            bond -= fee
        place = datanet.to_bytes(_NUMBER_BYTES, "big") + submission.to_bytes(_NUMBER_BYTES, "big")
        case = self.panels.open_case(self.hash(_hash_case, place), contributor, BOND, fee)
        return replace(record, case=case, bond=bond)

    def _review(
        self, datanet: int, submission: int, version: int, counts: list[int], verdicts: bytes
    ) -> Submission:
        record = self._in_state(datanet, submission, SubmissionState.REVEALED)
        accepted, duplicate, rejected = counts
        self._require_count(accepted + duplicate + rejected, record.offer.row_count)
        if record.case is not None:
            self._require_panel(submission, record.case, record, accepted + duplicate)
        until = self.block.height + self.answerable_blocks.get()
        reviewed = reviewing.reviewed(record, counts, version, until)
        self.submissions[datanet, submission] = reviewed
        if accepted:
            self.datanets.change_rows(datanet, record.contributor, accepted)
        self.emit(
            self.Reviewed(
                datanet=datanet,
                submission=submission,
                contributor=record.contributor,
                accepted=accepted,
                duplicate=duplicate,
                rejected=rejected,
                verdicts=verdicts,
                answerable_until=until,
            )
        )
        return reviewed

    def _require_panel(self, submission: int, case: int, record: Submission, usable: int) -> None:
        """The share of rows that is not rejected is what the panel scored, if it could."""
        if not self.panels.is_closed(case):
            raise self.WrongState(submission=submission, state=record.state)
        score = self.panels.score_of(case)
        if score is None:
            return
        row_count, tolerance = record.offer.row_count, self.score_tolerance_ppb.get()
        if not reviewing.is_as_scored(usable, row_count, score, tolerance):
            raise self.WrongCounts(counted=usable, expected=score * row_count // PPB)

    def _require_order(self, verdict_counts: VerdictCounts, left: int) -> None:
        if not verdict_counts and not left:
            raise self.NothingReviewed
        misplaced = reviewing.first_out_of_order(verdict_counts)
        if misplaced is not None:
            raise self.NotInOrder(submission=misplaced)

    def _require_count(self, counted: int, expected: int) -> None:
        if counted != expected:
            raise self.WrongCounts(counted=counted, expected=expected)

    def _in_state(self, datanet: int, submission: int, expected: SubmissionState) -> Submission:
        record = self.submission(datanet, submission)
        if record.state is not expected:
            raise self.WrongState(submission=submission, state=record.state)
        return record

    def _reveal_deadline(self, record: Submission) -> int:
        """The last height at which the submission may be revealed."""
        return record.committed_at + self.reveal_blocks.get()

    def _drop(self, blob: bytes) -> bool:
        """One submission less names a blob; returns whether it was the last."""
        count = self.blobs[blob] - 1
        if count:
            self.blobs[blob] = count
        else:
            del self.blobs[blob]
        return not count
