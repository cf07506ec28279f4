"""Contributed rows: commit first, reveal after, reviewed into versions.

Terms.  A *Datanet* collects rows of one kind under one licence; its owner is its *curator*.  A
*submission* is a contributor's list of rows: first a blinded *commitment* to their Merkle root,
then the root itself and the address of the *blob* with the rows.  A *version* is the Merkle root
of all rows accepted so far, which training jobs name.

Why it is safe:

- The commitment binds its contributor, so whoever replays another's commitment can never reveal
  it. Rows become visible only in a later block than the one that gave them their number, and equal
  rows are credited to the lowest number: copying what is revealed comes too late.
- A bond pays for the review of what is rejected and for what is never revealed, to the treasury
  and never to the curator, who gains nothing from rejecting.  Every bond has an end: the review,
  or `expire` once the reveal or the review is overdue.
- A sponsor pays for one submission of an account, exactly the least bond, out of the budget that it
  set aside, and loses it for rejected rows only: whoever makes many accounts can tie the budget up
  for a while, and cost it the review of what they reveal, and no more.

What the chain cannot see is whether the curator's root holds the accepted rows; anybody can
recompute it from the revealed blobs and the published validator.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pallets.datanets import weights
from pallets.datanets.types import (
    Datanet,
    Submission,
    SubmissionState,
    VerdictCounts,
)
from pallets.pots import TREASURY
from runtime import (
    U32,
    AccountId,
    Amount,
    BlockNumber,
    Const,
    Error,
    Event,
    Hash,
    LongText,
    Map,
    Needs,
    Pallet,
    Parameter,
    Positive,
    ShortText,
    Signed,
    Value,
    call,
)
from runtime.hashing import hasher
from runtime.traits import Currency
from runtime.wire.records import DatanetVersion
from runtime.wire.rows import submission_commitment

BOND = "Datanets.bond"
"""Why a contributor's balance is held."""
SPONSOR = "Datanets.sponsor"
"""Why an owner's balance is held: budgets, and the bonds drawn from them."""
_SEED_BYTES = 4
_hash_minhash_seed = hasher(b"minhash seed")


class Datanets(Pallet, index=20):
    """Datanets, submissions and versions."""

    # Needs and constants

    currency: Needs[Currency]
    rows_per_submission_max: Const[U32] = 100_000

    # Storage, parameters first

    reveal_blocks = Parameter[U32](
        172_800, "From the commitment to the last block that may reveal it: a day of half seconds."
    )
    review_blocks = Parameter[U32](
        1_209_600,
        "From that block until a submission may be expired without a review: a week.",
    )
    next_datanet = Value[U32](0)
    datanets = Map[U32, Datanet]()
    sponsor_budgets = Map[U32, Amount](0)
    sponsored = Map[tuple[U32, AccountId], bool](False)
    next_submission = Map[U32, U32](0)
    submissions = Map[tuple[U32, U32], Submission]()
    commitments = Map[tuple[U32, AccountId, Hash], U32]()
    latest_version = Map[U32, U32](0)
    versions = Map[tuple[U32, U32], DatanetVersion]()

    # Events

    class Created(Event):
        """A Datanet was opened."""

        datanet: U32
        owner: AccountId

    class SponsorBudgetSet(Event):
        """The owner set what is left to sponsor first bonds with."""

        datanet: U32
        budget: Amount

    class Committed(Event):
        """A contributor committed to rows; the number decides the order of credit."""

        datanet: U32
        submission: U32
        contributor: AccountId
        row_count: U32
        bond: Amount
        sponsored: bool

    class Revealed(Event):
        """The rows of a submission became known."""

        datanet: U32
        submission: U32
        rows_root: Hash
        blob: Hash

    class Reviewed(Event):
        """A submission was reviewed, and what is left of its bond released."""

        datanet: U32
        submission: U32
        accepted: U32
        duplicate: U32
        rejected: U32
        forfeited: Amount

    class VersionPublished(Event):
        """A version can be trained on."""

        datanet: U32
        version: U32
        rows_root: Hash
        row_count: U32

    class Expired(Event):
        """A submission was overdue: not revealed (bond forfeited) or not reviewed (released)."""

        datanet: U32
        submission: U32
        forfeited: Amount

    # Errors

    class UnknownDatanet(Error):
        """There is no such Datanet."""

        remedy: ClassVar[str] = "Take the number from the event Datanets.Created."
        datanet: U32

    class UnknownSubmission(Error):
        """The Datanet has no such submission."""

        remedy: ClassVar[str] = "Take the number from the event Datanets.Committed."
        datanet: U32
        submission: U32

    class UnknownVersion(Error):
        """The Datanet has no such version."""

        remedy: ClassVar[str] = "Read Datanets.latest_version; versions are numbered from 1."
        datanet: U32
        version: U32

    class NotOwner(Error):
        """Only the Datanet's owner may do this."""

        remedy: ClassVar[str] = "Sign with the owner's key."
        owner: AccountId

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
        """The bond is lower than the Datanet's bond per row asks for."""

        remedy: ClassVar[str] = "Bond at least contributor_bond_per_row for every row."
        bond: Amount
        least: Amount

    class BondNotSponsored(Error):
        """A sponsor pays the least bond, exactly."""

        remedy: ClassVar[str] = "Give the least bond, or pay your own with sponsored=false."
        bond: Amount
        least: Amount

    class AlreadySponsored(Error):
        """The Datanet has sponsored a submission of this account already."""

        remedy: ClassVar[str] = "Pay the bond yourself: sponsored=false."
        contributor: AccountId

    class SponsorBudgetTooLow(Error):
        """The Datanet's sponsor budget does not cover this bond."""

        remedy: ClassVar[str] = "Pay the bond yourself, or ask the owner to raise the budget."
        budget: Amount
        needed: Amount

    class AlreadyCommitted(Error):
        """The same commitment was made before."""

        remedy: ClassVar[str] = "Reveal that submission; commit to the same rows only once."
        submission: U32

    class WrongState(Error):
        """The submission is past the point where this could be done."""

        remedy: ClassVar[str] = "Read Datanets.submissions: each step is done once and in order."
        submission: U32
        state: SubmissionState

    class TooEarly(Error):
        """This must wait for a later block."""

        remedy: ClassVar[str] = "Send it again from the height that is named."
        earliest: BlockNumber

    class TooLate(Error):
        """The deadline for this has passed."""

        remedy: ClassVar[str] = "Commit to the rows anew; `expire` settles the old bond."
        latest: BlockNumber

    class WrongCommitment(Error):
        """Contributor, root and salt do not make what was committed to."""

        remedy: ClassVar[str] = "Reveal with the root and the salt of the commitment."
        submission: U32

    class NothingReviewed(Error):
        """A version must review at least one submission."""

        remedy: ClassVar[str] = "Name the submissions that were revealed since the last version."

    class NotInOrder(Error):
        """The reviewed submissions are not in strictly rising order."""

        remedy: ClassVar[str] = "Sort verdict_counts by submission, each once."
        submission: U32

    class WrongVerdictCount(Error):
        """The verdicts on a submission are not as many as its rows."""

        remedy: ClassVar[str] = "Give every row exactly one verdict."
        submission: U32
        verdicts: Amount
        row_count: U32

    class WrongRowCount(Error):
        """A version has the rows of the one before and those accepted now, no more and no fewer."""

        remedy: ClassVar[str] = "Build the version from all accepted rows."
        row_count: U32
        expected: Amount

    class WrongReviewedCount(Error):
        """The verdicts root does not cover exactly the rows reviewed so far."""

        remedy: ClassVar[str] = "List the verdicts of the versions before, then the new ones."
        reviewed_count: U32
        expected: Amount

    # Calls

    @call(0, weight=weights.create)
    def create(
        self,
        owner: Signed,
        name: ShortText,
        description: LongText,
        licence: ShortText,
        contributor_bond_per_row: Amount,
        sponsor_budget: Amount,
    ) -> None:
        """Open a Datanet; `sponsor_budget` of the signer pays first bonds of other accounts."""
        datanet = self.next_datanet.get()
        self.next_datanet.put(datanet + 1)
        self.datanets[datanet] = Datanet(
            owner=owner,
            name=name,
            description=description,
            licence=licence,
            contributor_bond_per_row=contributor_bond_per_row,
            minhash_seed=self._draw_seed(datanet),
            created_at=self.block.height,
        )
        self.emit(self.Created(datanet=datanet, owner=owner))
        if sponsor_budget:
            self._set_budget(datanet, owner, sponsor_budget)

    @call(1, weight=weights.set_sponsor_budget)
    def set_sponsor_budget(self, owner: Signed, datanet: U32, budget: Amount) -> None:
        """Set what is left for sponsoring; the difference is held, or released, at the owner's."""
        self._require_owner(owner, datanet)
        self._set_budget(datanet, owner, budget)

    @call(2, weight=weights.commit)
    def commit(
        self,
        contributor: Signed,
        datanet: U32,
        commitment: Hash,
        row_count: Positive[U32],
        bond: Amount,
        sponsored: bool,
    ) -> None:
        """Commit to `row_count` rows, blinded; the bond is the signer's, or the sponsor's."""
        record = self._datanet(datanet)
        if row_count > self.rows_per_submission_max:
            raise self.TooManyRows(row_count=row_count, most=self.rows_per_submission_max)
        known = self.commitments.get((datanet, contributor, commitment))
        if known is not None:
            raise self.AlreadyCommitted(submission=known)
        least = row_count * record.contributor_bond_per_row
        if bond < least:
            raise self.BondTooLow(bond=bond, least=least)
        if sponsored:
            self._sponsor(datanet, contributor, bond, least)
        else:
            self.currency.hold(contributor, bond, BOND)
        submission = self.next_submission[datanet]
        self.next_submission[datanet] = submission + 1
        self.commitments[datanet, contributor, commitment] = submission
        self.submissions[datanet, submission] = Submission(
            contributor=contributor,
            commitment=commitment,
            row_count=row_count,
            bond=bond,
            sponsored=sponsored,
            committed_at=self.block.height,
            rows_root=None,
            blob=None,
            state=SubmissionState.COMMITTED,
        )
        self.emit(
            self.Committed(
                datanet=datanet,
                submission=submission,
                contributor=contributor,
                row_count=row_count,
                bond=bond,
                sponsored=sponsored,
            )
        )

    @call(3, weight=weights.reveal)
    def reveal(
        self,
        contributor: Signed,
        datanet: U32,
        submission: U32,
        rows_root: Hash,
        salt: Hash,
        blob: Hash,
    ) -> None:
        """Reveal the root of the rows' hashes and the content hash of the blob that lists them."""
        record = self._submission(datanet, submission)
        if record.contributor != contributor:
            raise self.NotContributor(contributor=record.contributor)
        self._require_state(submission, record, SubmissionState.COMMITTED)
        if self.block.height <= record.committed_at:
            raise self.TooEarly(earliest=record.committed_at + 1)
        if self.block.height > self._reveal_deadline(record):
            raise self.TooLate(latest=self._reveal_deadline(record))
        self.note_hashes(1, len(contributor) + len(rows_root) + len(salt))
        if submission_commitment(contributor, rows_root, salt) != record.commitment:
            raise self.WrongCommitment(submission=submission)
        self.submissions[datanet, submission] = replace(
            record, rows_root=rows_root, blob=blob, state=SubmissionState.REVEALED
        )
        self.emit(
            self.Revealed(datanet=datanet, submission=submission, rows_root=rows_root, blob=blob)
        )

    @call(4, weight=weights.publish_version)
    def publish_version(
        self,
        curator: Signed,
        datanet: U32,
        rows_root: Hash,
        row_count: U32,
        records: Hash,
        verdicts_root: Hash,
        reviewed_count: U32,
        verdict_counts: VerdictCounts,
    ) -> None:
        """Review submissions and publish the version of all rows accepted so far.

        Bonds are released, less the Datanet's bond for every rejected row.  The first version is 1.
        """
        owner = self._require_owner(curator, datanet).owner
        version = self.latest_version[datanet] + 1
        row_total, reviewed_total = self._totals(datanet, version - 1)
        self._require_order(verdict_counts)
        for submission, accepted, duplicate, rejected in verdict_counts:
            self._review(datanet, owner, submission, accepted, duplicate, rejected)
            row_total += accepted
            reviewed_total += accepted + duplicate + rejected
        if row_count != row_total:
            raise self.WrongRowCount(row_count=row_count, expected=row_total)
        if reviewed_count != reviewed_total:
            raise self.WrongReviewedCount(reviewed_count=reviewed_count, expected=reviewed_total)
        self.latest_version[datanet] = version
        self.versions[datanet, version] = DatanetVersion(
            rows_root=rows_root,
            row_count=row_count,
            records=records,
            verdicts_root=verdicts_root,
            reviewed_count=reviewed_count,
            published_at=self.block.height,
        )
        self.emit(
            self.VersionPublished(
                datanet=datanet, version=version, rows_root=rows_root, row_count=row_count
            )
        )

    @call(5, weight=weights.expire)
    def expire(self, _origin: Signed, datanet: U32, submission: U32) -> None:
        """End an overdue submission, whoever asks.

        What was not revealed in time loses its bond to the treasury; what was not reviewed in time
        gets it back.  A sponsor's bond comes back either way: it deters nobody, and review cost
        nothing yet.
        """
        record = self._submission(datanet, submission)
        owner = self._datanet(datanet).owner
        latest = self._reveal_deadline(record)
        forfeited = 0 if record.sponsored else record.bond
        if record.state is SubmissionState.REVEALED:
            latest += self.review_blocks.get()
            forfeited = 0
        else:
            self._require_state(submission, record, SubmissionState.COMMITTED)
        if self.block.height <= latest:
            raise self.TooEarly(earliest=latest + 1)
        self._settle_bond(datanet, owner, record, forfeited)
        self.submissions[datanet, submission] = replace(record, state=SubmissionState.EXPIRED)
        self.emit(self.Expired(datanet=datanet, submission=submission, forfeited=forfeited))

    # Helpers: `DatanetSource` for other pallets

    def published_version(self, datanet: int, version: int) -> DatanetVersion:
        """The version's record; raises `UnknownVersion`."""
        record = self.versions.get((datanet, version))
        if record is None:
            raise self.UnknownVersion(datanet=datanet, version=version)
        return record

    def minhash_seed(self, datanet: int) -> int:
        """The seed of the near-duplicate search, drawn when the Datanet was created; 32 bits."""
        return self._datanet(datanet).minhash_seed

    # Helpers

    def _draw_seed(self, datanet: int) -> int:
        block = self.block
        number = datanet.to_bytes(_SEED_BYTES, "big")
        drawn = self.hash(_hash_minhash_seed, block.beacon + block.parent_hash + number)
        return int.from_bytes(drawn[:_SEED_BYTES], "big")

    def _datanet(self, datanet: int) -> Datanet:
        record = self.datanets.get(datanet)
        if record is None:
            raise self.UnknownDatanet(datanet=datanet)
        return record

    def _require_owner(self, account: bytes, datanet: int) -> Datanet:
        record = self._datanet(datanet)
        if record.owner != account:
            raise self.NotOwner(owner=record.owner)
        return record

    def _submission(self, datanet: int, submission: int) -> Submission:
        record = self.submissions.get((datanet, submission))
        if record is None:
            raise self.UnknownSubmission(datanet=datanet, submission=submission)
        return record

    def _require_state(
        self, submission: int, record: Submission, expected: SubmissionState
    ) -> None:
        if record.state is not expected:
            raise self.WrongState(submission=submission, state=record.state)

    def _reveal_deadline(self, record: Submission) -> int:
        """The last height at which the submission may be revealed."""
        return record.committed_at + self.reveal_blocks.get()

    def _set_budget(self, datanet: int, owner: bytes, budget: int) -> None:
        before = self.sponsor_budgets[datanet]
        if budget > before:
            self.currency.hold(owner, budget - before, SPONSOR)
        else:
            self.currency.release(owner, before - budget, SPONSOR)
        self.sponsor_budgets[datanet] = budget
        self.emit(self.SponsorBudgetSet(datanet=datanet, budget=budget))

    def _sponsor(self, datanet: int, contributor: bytes, bond: int, least: int) -> None:
        """Draw a bond from the budget; the balance stays held at the owner's."""
        if bond != least:
            raise self.BondNotSponsored(bond=bond, least=least)
        if self.sponsored[datanet, contributor]:
            raise self.AlreadySponsored(contributor=contributor)
        budget = self.sponsor_budgets[datanet]
        if budget < bond:
            raise self.SponsorBudgetTooLow(budget=budget, needed=bond)
        self.sponsored[datanet, contributor] = True
        self.sponsor_budgets[datanet] = budget - bond

    def _totals(self, datanet: int, version: int) -> tuple[int, int]:
        """Rows accepted and rows reviewed up to a version; none up to version 0."""
        if not version:
            return 0, 0
        record = self.published_version(datanet, version)
        return record.row_count, record.reviewed_count

    def _require_order(self, verdict_counts: VerdictCounts) -> None:
        if not verdict_counts:
            raise self.NothingReviewed
        last = -1
        for submission, *_ in verdict_counts:
            if submission <= last:
                raise self.NotInOrder(submission=submission)
            last = submission

    def _review(
        self,
        datanet: int,
        owner: bytes,
        submission: int,
        accepted: int,
        duplicate: int,
        rejected: int,
    ) -> None:
        record = self._submission(datanet, submission)
        self._require_state(submission, record, SubmissionState.REVEALED)
        verdicts = accepted + duplicate + rejected
        if verdicts != record.row_count:
            raise self.WrongVerdictCount(
                submission=submission, verdicts=verdicts, row_count=record.row_count
            )
        forfeited = rejected * self._datanet(datanet).contributor_bond_per_row
        self._settle_bond(datanet, owner, record, forfeited)
        self.submissions[datanet, submission] = replace(record, state=SubmissionState.REVIEWED)
        self.emit(
            self.Reviewed(
                datanet=datanet,
                submission=submission,
                accepted=accepted,
                duplicate=duplicate,
                rejected=rejected,
                forfeited=forfeited,
            )
        )

    def _settle_bond(self, datanet: int, owner: bytes, record: Submission, forfeited: int) -> None:
        """Pay `forfeited` of a bond to the treasury and give the rest back to whoever bonded."""
        rest = record.bond - forfeited
        if record.sponsored:
            self.currency.move_held(owner, forfeited, SPONSOR, TREASURY)
            self.sponsor_budgets[datanet] += rest
        else:
            self.currency.move_held(record.contributor, forfeited, BOND, TREASURY)
            self.currency.release(record.contributor, rest, BOND)
