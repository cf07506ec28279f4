"""Panels: drawn, bonded, and paid for agreeing with what an honest majority recomputes.

Terms.  A *panelist* enrols a stake.  A *case* is a question that another pallet opens and pays for;
its *panel* is drawn seat by seat in proportion to stake, from a beacon that nobody knew when the
case was opened.  A *juror* has one or several seats.  Scores are committed to first and revealed
after, so nobody can copy another's work.

Why it is safe:

- What is asked can be recomputed by everybody (the published validator, a transcript, a licence's
  text), so honest jurors agree; the score is their seat-weighted median (`scoring.py`).
- Whoever is off by more than the tolerance, or does not reveal, is not paid and loses a part of its
  stake to the treasury.  Colluders with less than half of the revealed seats move nothing and pay.
- Splitting a stake over accounts buys no seats: draws are by stake, not by head.
- A panel that reveals no more than half of its seats decides nothing; the fee goes back, and the
  absent pay all the same.

The list of panelists is bounded, and the smallest stake makes room for a larger one, so that nobody
can fill it with dust.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Annotated, ClassVar

from pallets.panels import weights
from pallets.panels.scoring import consensus, shares
from pallets.panels.types import (
    PANELISTS_MAX,
    SEATS_MAX,
    Ballot,
    Case,
    CaseState,
    Juror,
    Panelist,
    Panelists,
    Score,
)
from pallets.pots import TREASURY
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
    InvariantViolation,
    Map,
    Needs,
    Pallet,
    Parameter,
    Positive,
    Signed,
    Value,
    call,
    invariant,
)
from runtime.hashing import hasher
from runtime.traits import Currency, Randomness
from runtime.types import Between
from runtime.wire.panels import score_commitment

STAKE = "Panels.stake"
"""Why a panelist's balance is held."""
REOPEN_BLOCKS = 200
"""How old a case may be when its panel is drawn: beacons are forgotten."""
_NUMBER_BYTES = 4
_hash_seat = hasher(b"panel seat")


class Panels(Pallet, index=26):
    """Panelists, cases and ballots."""

    # Needs

    currency: Needs[Currency]
    randomness: Needs[Randomness]

    # Storage, parameters first

    stake_min = Parameter[Positive[Amount]](1_000 * OPEN, "The least stake of a panelist.")
    fee = Parameter[Amount](OPEN, "What a case costs; it is divided among the jurors who agree.")
    seats = Parameter[Annotated[int, Between(1, SEATS_MAX)]](48, "The seats of a panel.")
    commit_blocks = Parameter[Positive[U32]](
        57_600, "From the draw, how long scores are committed: eight hours of half seconds."
    )
    open_blocks = Parameter[Positive[U32]](57_600, "From then, how long they are revealed.")
    kappa_ppb = Parameter[Score](PPB // 2, "The share of revealed seats that must support a score.")
    tolerance_ppb = Parameter[Score](PPB // 20, "How far from the consensus a score is still paid.")
    penalty_ppb = Parameter[Score](
        PPB // 50, "The part of its stake that an absent or deviating juror loses."
    )
    panelists = Value[Panelists](())
    """In the order of their accounts."""
    next_case = Value[U32](0)
    cases = Map[U32, Case]()
    ballots = Map[tuple[U32, AccountId], Ballot]()
    owed = Value[Amount](0)
    """The fees of the cases that are not closed."""

    # Events

    class Enrolled(Event):
        """A panelist can be drawn, with this stake."""

        account: AccountId
        stake: Amount

    class Left(Event):
        """A panelist can no longer be drawn, and has its stake back."""

        account: AccountId
        stake: Amount

    class CaseOpened(Event):
        """A case waits for its panel."""

        case: U32
        subject: Hash
        fee: Amount

    class Seated(Event):
        """A panel was drawn."""

        case: U32
        jurors: U32
        commit_until: BlockNumber
        reveal_until: BlockNumber

    class ScoreCommitted(Event):
        """A juror committed to a score."""

        case: U32
        juror: AccountId

    class ScoreRevealed(Event):
        """A juror revealed its score."""

        case: U32
        juror: AccountId
        score: Score

    class JurorJudged(Event):
        """A juror was paid for agreeing, or fined for being absent or off."""

        case: U32
        juror: AccountId
        paid: Amount
        fined: Amount

    class Closed(Event):
        """A case is over; without a score nothing was decided."""

        case: U32
        score: Score | None

    # Errors

    class StakeTooLow(Error):
        """The stake is lower than a panelist's must be, or than everybody else's on a full list."""

        remedy: ClassVar[str] = "Enrol with at least the stake named."
        stake: Amount
        least: Amount

    class AlreadyEnrolled(Error):
        """The account is a panelist."""

        remedy: ClassVar[str] = "Leave first, to enrol with another stake."
        stake: Amount

    class NotPanelist(Error):
        """The account is not a panelist."""

        remedy: ClassVar[str] = "Enrol with `Panels.enrol`."
        account: AccountId

    class OnDuty(Error):
        """The panelist is a juror of cases that are not closed."""

        remedy: ClassVar[str] = "Finish the cases: reveal, and call `Panels.close`."
        cases: U32

    class UnknownCase(Error):
        """There is no such case."""

        remedy: ClassVar[str] = "Take the number from the event Panels.CaseOpened."
        case: U32

    class WrongState(Error):
        """This is not what the case waits for."""

        remedy: ClassVar[str] = "Read Panels.cases: a case is seated, then scored, then closed."
        case: U32
        state: CaseState

    class NotJuror(Error):
        """The account has no seat, or has done this already, or committed to nothing."""

        remedy: ClassVar[str] = "Read the jury in Panels.cases; commit once, then reveal once."
        case: U32

    class TooEarly(Error):
        """This must wait for a later block."""

        remedy: ClassVar[str] = "Send it again from the height that is named."
        earliest: BlockNumber

    class TooLate(Error):
        """The deadline for this has passed."""

        remedy: ClassVar[str] = "Anybody can go on with the case now."
        latest: BlockNumber

    class WrongCommitment(Error):
        """Juror, case, score and salt do not make what was committed to."""

        remedy: ClassVar[str] = "Reveal with the score and the salt of the commitment."
        case: U32

    # Calls

    @call(0, weight=weights.enrol)
    def enrol(self, account: Signed, stake: Amount) -> None:
        """Stake, and be drawn from now on; on a full list the smallest stake makes room."""
        known = self._panelist(account)
        if known is not None:
            raise self.AlreadyEnrolled(stake=known.stake)
        panelists = self.panelists.get()
        least = self.stake_min.get()
        smallest = min(panelists, key=lambda each: each.stake, default=None)
        if smallest is not None and len(panelists) == PANELISTS_MAX:
            least = max(least, smallest.stake + 1)
        if stake < least:
            raise self.StakeTooLow(stake=stake, least=least)
        if smallest is not None and len(panelists) == PANELISTS_MAX:
            self._dismiss(smallest)
        self.currency.hold(account, stake, STAKE)
        self._put_panelists((*self.panelists.get(), Panelist(account, stake)))
        self.emit(self.Enrolled(account=account, stake=stake))

    @call(1, weight=weights.leave)
    def leave(self, account: Signed) -> None:
        """Take the stake back, once no open case has the signer as a juror."""
        known = self._panelist(account)
        if known is None:
            raise self.NotPanelist(account=account)
        self._dismiss(known)

    @call(2, weight=weights.seat)
    def seat(self, _origin: Signed, case: U32) -> None:
        """Draw the panel of a case, whoever asks.

        A case that waited too long for it is opened again; one that finds no panelists is closed.
        """
        record = self._case(case, CaseState.OPEN)
        height = self.block.height
        if height > record.opened_at + REOPEN_BLOCKS:
            self.cases[case] = replace(record, opened_at=height)
            self.emit(self.CaseOpened(case=case, subject=record.subject, fee=record.fee))
            return
        if not self.panelists.get():
            self._close(case, record, None, record.fee)
            return
        jury = self._draw(case, self.randomness.beacon_after(record.opened_at))
        self._change_duties(jury, 1)
        self.cases[case] = replace(
            record, state=CaseState.SEATED, jury=tuple(jury), seated_at=height
        )
        commit_until = height + self.commit_blocks.get()
        self.emit(
            self.Seated(
                case=case,
                jurors=len(jury),
                commit_until=commit_until,
                reveal_until=commit_until + self.open_blocks.get(),
            )
        )

    @call(3, weight=weights.commit)
    def commit(self, juror: Signed, case: U32, commitment: Hash) -> None:
        """Commit to a score (`runtime.wire.panels.score_commitment`); once."""
        record = self._case(case, CaseState.SEATED)
        latest = record.seated_at + self.commit_blocks.get()
        if self.block.height > latest:
            raise self.TooLate(latest=latest)
        seated = any(each.account == juror for each in record.jury)
        if not seated or (case, juror) in self.ballots:
            raise self.NotJuror(case=case)
        self.ballots[case, juror] = Ballot(commitment)
        self.emit(self.ScoreCommitted(case=case, juror=juror))

    @call(4, weight=weights.reveal)
    def reveal(self, juror: Signed, case: U32, score: Score, salt: Hash) -> None:
        """Reveal the score, when nobody can commit any more."""
        record = self._case(case, CaseState.SEATED)
        commit_until = record.seated_at + self.commit_blocks.get()
        latest = commit_until + self.open_blocks.get()
        if self.block.height <= commit_until:
            raise self.TooEarly(earliest=commit_until + 1)
        if self.block.height > latest:
            raise self.TooLate(latest=latest)
        ballot = self.ballots.get((case, juror))
        if ballot is None or ballot.score is not None:
            raise self.NotJuror(case=case)
        self.note_hashes(1, len(juror) + len(salt) + 2 * _NUMBER_BYTES)
        if score_commitment(juror, case, score, salt) != ballot.commitment:
            raise self.WrongCommitment(case=case)
        self.ballots[case, juror] = replace(ballot, score=score)
        self.emit(self.ScoreRevealed(case=case, juror=juror, score=score))

    @call(5, weight=weights.close)
    def close(self, _origin: Signed, case: U32) -> None:
        """Count the ballots, pay and fine the jurors, whoever asks."""
        record = self._case(case, CaseState.SEATED)
        reveal_until = record.seated_at + self.commit_blocks.get() + self.open_blocks.get()
        if self.block.height <= reveal_until:
            raise self.TooEarly(earliest=reveal_until + 1)
        self._change_duties(record.jury, -1)
        scores = [self._take_ballot(case, juror) for juror in record.jury]
        pairs = zip(record.jury, scores, strict=True)
        ballots = [(juror.seats, score) for juror, score in pairs if score is not None]
        revealed = sum(seats for seats, _ in ballots)
        all_seats = sum(juror.seats for juror in record.jury)
        decided = 2 * revealed > all_seats
        score = consensus(ballots, self.kappa_ppb.get()) if decided else None
        paid = self._judge(case, record, scores, score)
        self._close(case, record, score, record.fee - paid)

    # Invariants

    @invariant
    def covers_what_it_owes(self) -> None:
        """The pallet's account has at least the fees of all cases that are not closed."""
        balance, owed = self.currency.free_balance(self.account), self.owed.get()
        if balance < owed:
            message = f"The panels' account has {balance} and owes {owed}."
            raise InvariantViolation(message, remedy="This is a bug: report it.")

    # Helpers: `PanelSource` for other pallets

    def case_fee(self) -> int:
        """What a case costs, in units of 10**-18 OPEN."""
        return self.fee.get()

    def open_case(self, subject: bytes, payer: bytes, reason: str, fee: int) -> int:
        """Open a case on a 32-byte subject, paid from the payer's hold; returns its number."""
        self.currency.move_held(payer, fee, reason, self.account)
        self.owed.put(self.owed.get() + fee)
        case = self.next_case.get()
        self.next_case.put(case + 1)
        self.cases[case] = Case(subject, payer, fee, self.block.height, CaseState.OPEN)
        self.emit(self.CaseOpened(case=case, subject=subject, fee=fee))
        return case

    def score_of(self, case: int) -> int | None:
        """The panel's score; None while the case is open, or undecided."""
        return self._known_case(case).score

    def is_closed(self, case: int) -> bool:
        """Whether the case is over, decided or not."""
        return self._known_case(case).state is CaseState.CLOSED

    # Helpers

    def _known_case(self, case: int) -> Case:
        record = self.cases.get(case)
        if record is None:
            raise self.UnknownCase(case=case)
        return record

    def _case(self, case: int, expected: CaseState) -> Case:
        record = self._known_case(case)
        if record.state is not expected:
            raise self.WrongState(case=case, state=record.state)
        return record

    def _panelist(self, account: bytes) -> Panelist | None:
        return next((each for each in self.panelists.get() if each.account == account), None)

    def _put_panelists(self, panelists: Panelists) -> None:
        self.panelists.put(tuple(sorted(panelists, key=lambda each: each.account)))

    def _change_duties(self, jury: Sequence[Juror], change: int) -> None:
        jurors = [juror.account for juror in jury]
        self.panelists.put(
            tuple(
                replace(each, duties=each.duties + change) if each.account in jurors else each
                for each in self.panelists.get()
            )
        )

    def _dismiss(self, panelist: Panelist) -> None:
        if panelist.duties:
            raise self.OnDuty(cases=panelist.duties)
        self._put_panelists(tuple(each for each in self.panelists.get() if each != panelist))
        self.currency.release(panelist.account, panelist.stake, STAKE)
        self.emit(self.Left(account=panelist.account, stake=panelist.stake))

    def _draw(self, case: int, beacon: bytes) -> list[Juror]:
        """The jurors in the order of their accounts, each with the seats drawn for it."""
        panelists = self.panelists.get()
        ends = list(accumulate(each.stake for each in panelists))
        drawn = [0] * len(panelists)
        for seat in range(self.seats.get()):
            place = case.to_bytes(_NUMBER_BYTES, "big") + seat.to_bytes(_NUMBER_BYTES, "big")
            # 256 bits over at most 90 bits of stake: no account is favoured measurably.
            ticket = int.from_bytes(self.hash(_hash_seat, beacon + place), "big") % ends[-1]
            drawn[next(index for index, end in enumerate(ends) if ticket < end)] += 1
        return [
            Juror(each.account, seats)
            for each, seats in zip(panelists, drawn, strict=True)
            if seats
        ]

    def _take_ballot(self, case: int, juror: Juror) -> int | None:
        """The juror's revealed score, if any; its ballot is forgotten."""
        ballot = self.ballots.get((case, juror.account))
        if ballot is None:
            return None
        del self.ballots[case, juror.account]
        return ballot.score

    def _judge(self, case: int, record: Case, scores: list[int | None], score: int | None) -> int:
        """Pay who agrees with the score and fine who does not; returns what was paid."""
        good = [given is not None and self._agrees(given, score) for given in scores]
        seats = [juror.seats if each else 0 for juror, each in zip(record.jury, good, strict=True)]
        # Without a score there is nothing to be paid for, and the payer gets the fee back.
        payments = shares(seats, record.fee if score is not None else 0)
        stakes = {each.account: each.stake for each in self.panelists.get()}
        for juror, is_good, payment in zip(record.jury, good, payments, strict=True):
            fine = 0 if is_good else stakes[juror.account] * self.penalty_ppb.get() // PPB
            if payment:
                self.currency.move(self.account, juror.account, payment)
            if fine:
                self.currency.move_held(juror.account, fine, STAKE, TREASURY)
                stakes[juror.account] -= fine
            self.emit(self.JurorJudged(case=case, juror=juror.account, paid=payment, fined=fine))
        self.panelists.put(
            tuple(replace(each, stake=stakes[each.account]) for each in self.panelists.get())
        )
        return sum(payments)

    def _agrees(self, given: int, score: int | None) -> bool:
        return score is None or abs(given - score) <= self.tolerance_ppb.get()

    def _close(self, case: int, record: Case, score: int | None, rest: int) -> None:
        """End a case; what nobody was paid goes to the payer, or as dust to the treasury."""
        self.owed.put(self.owed.get() - record.fee)
        self.currency.move(self.account, record.payer if score is None else TREASURY, rest)
        # Neither fee nor jury is needed any more: what stays is the subject and the score.
        self.cases[case] = replace(record, state=CaseState.CLOSED, jury=(), score=score, fee=0)
        self.emit(self.Closed(case=case, score=score))
