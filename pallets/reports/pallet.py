"""Reports: typed evidence on contributed rows, answered, judged by a panel, then paid for.

Terms.  A *report* names rows of a reviewed submission and evidence that anybody can check: that
they are duplicates, break the schema, harm models or were not the contributor's to give.  An
*appeal* is the contributor's own report: rows were rejected that the published validator accepts.
Either is possible as long as the bond answers for the submission (`answerable_until`).

Why it is safe:

- Nothing moves before the accused could answer and a panel decided; an undecided panel changes
  nothing, and the deposit goes back.
- Rows that are found guilty leave the Datanet and cost their bond.  The reporter gets a capped part
  of it, of a sponsor's bond at most the panel's fee, and the rest is the treasury's: reporting
  oneself is a way to lose money, and so is being paid to report.  A report that a panel does not
  follow costs its deposit, so a flood of reports is paid by who sends it, and delays one bond only.
- A panel's score is the share of the named rows for which the evidence holds: who overstates is
  paid for what is true, and below one half for nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from pallets.pots import TREASURY
from pallets.reports import weights
from pallets.reports.types import EvidenceKind, Report, ReportState
from runtime import (
    OPEN,
    PPB,
    U32,
    AccountId,
    Amount,
    BlockNumber,
    Error,
    Event,
    Hash,
    Map,
    Needs,
    Pallet,
    Parameter,
    Positive,
    Signed,
    Value,
    call,
)
from runtime.hashing import hasher
from runtime.traits import Currency, DatanetRegistry, PanelSource, SubmissionLedger
from runtime.types import Between
from runtime.wire.datanets import Submission

DEPOSIT = "Reports.deposit"
"""Why a reporter's balance is held."""
_NUMBER_BYTES = 4
_hash_report = hasher(b"report case")


class Reports(Pallet, index=27):
    """Evidence on submissions, and what came of it."""

    # Needs

    currency: Needs[Currency]
    datanets: Needs[DatanetRegistry]
    submissions: Needs[SubmissionLedger]
    panels: Needs[PanelSource]

    # Storage, parameters first

    deposit = Parameter[Amount](
        10 * OPEN,
        "What a report costs if a panel does not follow it; the panel's fee comes on top.",
    )
    answer_blocks = Parameter[Positive[U32]](
        172_800, "How long the accused may answer: a day of half seconds."
    )
    bounty_ppb = Parameter[Annotated[int, Between(0, PPB // 2)]](
        PPB // 10, "The reporter's part of what is slashed."
    )
    bounty_max = Parameter[Amount](100 * OPEN, "The most that a reporter gets, in 10**-18 OPEN.")
    next_report = Value[U32](0)
    reports = Map[U32, Report]()

    # Events

    class Reported(Event):
        """Notice to the contributor: somebody reported rows, and until when one may answer."""

        report: U32
        datanet: U32
        submission: U32
        kind: EvidenceKind
        rows: U32
        evidence: Hash
        answer_until: BlockNumber

    class Answered(Event):
        """The accused answered."""

        report: U32
        answer: Hash

    class Convened(Event):
        """A panel decides on a report."""

        report: U32
        case: U32

    class Resolved(Event):
        """A report is over: for how many rows it held, and who was paid what of the bond."""

        report: U32
        rows: U32
        slashed: Amount
        bounty: Amount

    # Errors

    class UnknownReport(Error):
        """There is no such report."""

        remedy: ClassVar[str] = "Take the number from the event Reports.Reported."
        report: U32

    class WrongRows(Error):
        """The submission has not so many accepted rows to report, or rejected rows to appeal."""

        remedy: ClassVar[str] = "Name at least one row and at most as many as there are."
        rows: U32
        most: U32

    class NotAccused(Error):
        """Only the accused may do this: the contributor, or the owner for an appeal."""

        remedy: ClassVar[str] = "Sign with the key of the accused; only contributors appeal."
        accused: AccountId

    class WrongState(Error):
        """This is not what the report waits for."""

        remedy: ClassVar[str] = "Read Reports.reports: answered once, convened, then resolved."
        report: U32
        state: ReportState

    class TooEarly(Error):
        """This must wait for a later block."""

        remedy: ClassVar[str] = "Send it again from the height that is named."
        earliest: BlockNumber

    class TooLate(Error):
        """The time to answer is over."""

        remedy: ClassVar[str] = "The panel reads the evidence alone."
        latest: BlockNumber

    class Undecided(Error):
        """The panel has not closed the report's case."""

        remedy: ClassVar[str] = "Wait for it: `Panels.close`."
        report: U32

    # Calls

    @call(0, weight=weights.report)
    def report(
        self,
        reporter: Signed,
        datanet: U32,
        submission: U32,
        kind: EvidenceKind,
        rows: U32,
        evidence: Hash,
    ) -> None:
        """Report rows, or appeal; holds the deposit and the panel's fee."""
        record = self.submissions.submission(datanet, submission)
        is_appeal = kind is EvidenceKind.APPEAL
        if is_appeal and record.contributor != reporter:
            raise self.NotAccused(accused=record.contributor)
        most = record.rejected if is_appeal else record.accepted
        if not 0 < rows <= most:
            raise self.WrongRows(rows=rows, most=most)
        self.submissions.open_report(datanet, submission)
        deposit = self.deposit.get() + self.panels.case_fee()
        self.currency.hold(reporter, deposit, DEPOSIT)
        number = self.next_report.get()
        self.next_report.put(number + 1)
        self.reports[number] = Report(
            reporter=reporter,
            datanet=datanet,
            submission=submission,
            kind=kind,
            rows=rows,
            evidence=evidence,
            deposit=deposit,
            reported_at=self.block.height,
            state=ReportState.OPEN,
        )
        self.emit(
            self.Reported(
                report=number,
                datanet=datanet,
                submission=submission,
                kind=kind,
                rows=rows,
                evidence=evidence,
                answer_until=self.block.height + self.answer_blocks.get(),
            )
        )

    @call(1, weight=weights.answer)
    def answer(self, accused: Signed, report: U32, answer: Hash) -> None:
        """Answer with a blob that the panel reads beside the evidence; once."""
        record = self._report(report, ReportState.OPEN)
        latest = record.reported_at + self.answer_blocks.get()
        if self.block.height > latest:
            raise self.TooLate(latest=latest)
        if record.answer is not None:
            raise self.WrongState(report=report, state=record.state)
        expected = self._accused(record)
        if accused != expected:
            raise self.NotAccused(accused=expected)
        self.reports[report] = replace(record, answer=answer)
        self.emit(self.Answered(report=report, answer=answer))

    @call(2, weight=weights.convene)
    def convene(self, _origin: Signed, report: U32) -> None:
        """Open the panel's case, whoever asks: when it was answered, or may be no more."""
        record = self._report(report, ReportState.OPEN)
        earliest = record.reported_at + self.answer_blocks.get() + 1
        if record.answer is None and self.block.height < earliest:
            raise self.TooEarly(earliest=earliest)
        fee = min(self.panels.case_fee(), record.deposit)
        subject = self.hash(_hash_report, report.to_bytes(_NUMBER_BYTES, "big") + record.evidence)
        case = self.panels.open_case(subject, record.reporter, DEPOSIT, fee)
        self.reports[report] = replace(
            record, state=ReportState.CONVENED, case=case, deposit=record.deposit - fee
        )
        self.emit(self.Convened(report=report, case=case))

    @call(3, weight=weights.resolve)
    def resolve(self, _origin: Signed, report: U32) -> None:
        """Do what the panel decided, whoever asks."""
        record = self._report(report, ReportState.CONVENED)
        if record.case is None or not self.panels.is_closed(record.case):
            raise self.Undecided(report=report)
        score = self.panels.score_of(record.case)
        rows = slashed = bounty = 0
        if score is not None and 2 * score >= PPB:
            rows = -(-record.rows * score // PPB)
            if record.kind is EvidenceKind.APPEAL:
                self.submissions.pardon(record.datanet, record.submission, rows)
            else:
                rows, slashed, bounty = self._convict(record, rows)
        if score is None or rows:
            self.currency.release(record.reporter, record.deposit, DEPOSIT)
        else:
            self.currency.move_held(record.reporter, record.deposit, DEPOSIT, TREASURY)
        self.submissions.close_report(record.datanet, record.submission)
        self.reports[report] = replace(record, state=ReportState.RESOLVED, deposit=0)
        self.emit(self.Resolved(report=report, rows=rows, slashed=slashed, bounty=bounty))

    # Helpers

    def _convict(self, report: Report, rows: int) -> tuple[int, int, int]:
        """Rows leave and cost their bond; returns them, what they cost, and the reporter's part."""
        submission = self.submissions.submission(report.datanet, report.submission)
        rows = min(rows, submission.accepted)  # some may have left since
        if not rows:
            return 0, 0, 0
        self.submissions.take_rows(report.datanet, report.submission, rows)
        spoken_for = submission.rejected * submission.bond_per_row
        slashed = max(0, min(rows * submission.bond_per_row, submission.bond - spoken_for))
        bounty = self._bounty(submission, slashed)
        place = (report.datanet, report.submission)
        self.submissions.slash(*place, bounty, report.reporter)
        self.submissions.slash(*place, slashed - bounty, TREASURY)
        return rows, slashed, bounty

    def _bounty(self, submission: Submission, slashed: int) -> int:
        """The reporter's part of what is slashed.

        Of a sponsor's bond it is no more than the report cost: else whoever lets an account of its
        own contribute, and reports it, would be paid by the sponsor.
        """
        bounty = min(slashed * self.bounty_ppb.get() // PPB, self.bounty_max.get())
        return min(bounty, self.panels.case_fee()) if submission.sponsored else bounty

    def _accused(self, report: Report) -> bytes:
        if report.kind is EvidenceKind.APPEAL:
            return self.datanets.datanet(report.datanet).owner
        return self.submissions.submission(report.datanet, report.submission).contributor

    def _report(self, report: int, expected: ReportState) -> Report:
        record = self.reports.get(report)
        if record is None:
            raise self.UnknownReport(report=report)
        if record.state is not expected:
            raise self.WrongState(report=report, state=record.state)
        return record
