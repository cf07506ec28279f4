"""Referenda on tracks: how the owners of OPEN change anything about the chain.

Terms.  A *referendum* asks whether the chain shall make a call, which is noted as a preimage.  Its
*track* says on whose behalf the call is made, and how hard the referendum is to win (`tracks.py`).
*Approval* is the part of the votes that is for it, with conviction; *support* the part of all OPEN
that can vote which is for it or abstains.

The way of a referendum:

    submitted -> prepared, and its decision deposit placed -> decided -> confirmed -> carried out
                                                                      -> rejected

- It is decided when it was prepared and its track has a place; those that wait come first.
- While it is decided, both thresholds fall in straight lines.  It passes when approval and support
  reach theirs, and is approved when it has passed without a break for the track's time.
- It is rejected when its time is over and it does not pass.
- The call is then scheduled.  Whatever becomes of it, both deposits come back, except from a
  referendum that was killed.

Nothing walks over voters: a vote changes the tally when it is given (`pallets/voting`), and a
referendum is looked at when somebody votes and when time alone can change something: that height is
its alarm.

Prior art: OpenGov of Polkadot (gavofyork, 2022), whose words these are; unlike there, alarms are
exact, because thresholds are straight lines, and deposits come back without being asked for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from pallets.governance import decision, tracks, weights
from pallets.governance.types import (
    INACTIVE_MAX,
    REFERENDA_PER_TRACK_MAX,
    Alarms,
    Outcome,
    Referendum,
    Result,
    TrackTerms,
    Waiting,
)
from pallets.pots import TREASURY
from runtime import (
    OPEN,
    U16,
    U32,
    AccountId,
    Amount,
    Between,
    BlockNumber,
    Error,
    Event,
    Hash,
    InvariantViolation,
    Map,
    Max,
    Needs,
    Pallet,
    Parameter,
    Positive,
    Signed,
    Track,
    Value,
    call,
    invariant,
    on_initialize,
)
from runtime.traits import CallScheduler, LockableCurrency, Preimages
from runtime.wire.votes import PollEnd, TrackName, VoteSum

SUBMISSION = "Governance.submission"
DECISION = "Governance.decision"
ALARMS_PER_BLOCK_MAX = 16
"""The most referenda that one block looks at; later ones follow in the next."""
DEPOSIT_MOST = 100_000 * OPEN
"""A submission never costs so much that nobody can undo what was decided."""


Canceller = Annotated[None, Track("canceller")]
Killer = Annotated[None, Track("killer")]


def _terms(default: TrackTerms, documentation: str) -> Parameter[TrackTerms]:
    """How a track decides: what decides about all else is for the root track to change."""
    return Parameter[TrackTerms](default, documentation, check=tracks.terms_problem, guarded=True)


class Governance(Pallet, index=10):
    """Referenda on tracks, which carry any call."""

    # Needs

    currency: Needs[LockableCurrency]
    preimages: Needs[Preimages]
    scheduler: Needs[CallScheduler]

    # Storage, parameters first

    root_terms = _terms(tracks.ROOT_TERMS, "How referenda on any call are decided.")
    parameters_terms = _terms(tracks.PARAMETERS_TERMS, "How referenda on parameters are decided.")
    small_spender_terms = _terms(
        tracks.SMALL_SPENDER_TERMS, "How referenda on small spends of the treasury are decided."
    )
    large_spender_terms = _terms(
        tracks.LARGE_SPENDER_TERMS, "How referenda on large spends of the treasury are decided."
    )
    canceller_terms = _terms(
        tracks.CANCELLER_TERMS, "How referenda that cancel another one are decided."
    )
    killer_terms = _terms(
        tracks.KILLER_TERMS,
        "How referenda that cancel another one and slash its deposits are decided.",
    )
    submission_deposit = Parameter[Annotated[Amount, Between(0, DEPOSIT_MOST)]](
        10_000 * OPEN,
        "What submitting a referendum holds until it is over, in 10**-18 OPEN.",
        guarded=True,
    )
    undecided_blocks = Parameter[Positive[U32]](
        2 * tracks.BLOCKS_PER_WEEK, "How long a referendum waits for its decision deposit."
    )
    inactive = Parameter[Annotated[tuple[AccountId, ...], Max(INACTIVE_MAX)]](
        (), "Accounts without a voter, whose OPEN counts for no quorum.", guarded=True
    )
    next_referendum = Value[U32](0)
    referenda = Map[U32, Referendum]()
    outcomes = Map[U32, Outcome]()
    alarms = Value[Alarms](())
    open_count = Map[TrackName, U16](0)
    """Referenda of a track that are not over."""
    deciding_count = Map[TrackName, U16](0)
    waiting = Map[TrackName, Waiting](())

    # Events

    class Submitted(Event):
        """A referendum asks whether the chain shall make a call."""

        referendum: U32
        track: TrackName
        call_hash: Hash
        submitter: AccountId
        deposit: Amount

    class DecisionDepositPlaced(Event):
        """Somebody left what it takes to decide a referendum."""

        referendum: U32
        depositor: AccountId
        deposit: Amount

    class DecisionStarted(Event):
        """A referendum is decided from now on."""

        referendum: U32

    class ConfirmStarted(Event):
        """A referendum passes, and will be approved at the height that is named unless it stops."""

        referendum: U32
        approved_at: BlockNumber

    class ConfirmAborted(Event):
        """A referendum does not pass any more."""

        referendum: U32

    class Ended(Event):
        """A referendum is over."""

        referendum: U32
        result: Result
        tally: VoteSum
        enacted_at: BlockNumber | None
        """When its call is made."""

    class DepositSlashed(Event):
        """The deposit of a killed referendum went to the treasury."""

        referendum: U32
        depositor: AccountId
        amount: Amount

    # Errors

    class TooManyReferenda(Error):
        """The track has as many referenda that are not over as may be."""

        remedy: ClassVar[str] = "Wait until one is over, or choose another track."
        track: TrackName

    class NotOngoing(Error):
        """There is no such referendum, or it is over."""

        remedy: ClassVar[str] = "Read Governance.outcomes for what became of it."
        referendum: U32

    class NotCancellable(Error):
        """The referendum is over, and its call is made or will not be."""

        remedy: ClassVar[str] = "Propose a call that undoes it."
        referendum: U32

    class DepositThere(Error):
        """Somebody left the decision deposit already."""

        remedy: ClassVar[str] = "Wait until the referendum was prepared."
        referendum: U32

    # Calls

    @call(0, weight=weights.submit)
    def submit(
        self, submitter: Signed, track: TrackName, call_hash: Hash, enactment_blocks: U32
    ) -> None:
        """Ask whether the chain shall make a noted call, `enactment_blocks` after the approval."""
        self.scheduler.require_schedulable(call_hash, tracks.ORIGINS[track])
        count = self.open_count[track]
        if count == REFERENDA_PER_TRACK_MAX:
            raise self.TooManyReferenda(track=track)
        self.open_count[track] = count + 1
        deposit = self.submission_deposit.get()
        self.currency.hold(submitter, deposit, SUBMISSION)
        self.preimages.request(call_hash)
        number = self.next_referendum.get()
        self.next_referendum.put(number + 1)
        height = self.block.height
        referendum = Referendum(track, call_hash, submitter, deposit, enactment_blocks, height)
        self._set_alarm(number, referendum, height + self.undecided_blocks.get())
        self.referenda[number] = referendum
        self.emit(self.Submitted(number, track, call_hash, submitter, deposit))

    @call(1, weight=weights.place_decision_deposit)
    def place_decision_deposit(self, depositor: Signed, referendum: U32) -> None:
        """Leave what it takes to decide a referendum; it comes back when that is over."""
        asked = self._ongoing(referendum)
        if asked.depositor is not None:
            raise self.DepositThere(referendum=referendum)
        terms = self.terms(asked.track)
        self.currency.hold(depositor, terms.decision_deposit, DECISION)
        asked.depositor = depositor
        asked.decision_deposit = terms.decision_deposit
        prepared_at = asked.submitted_at + terms.prepare_blocks
        self._set_alarm(referendum, asked, max(prepared_at, self.block.height + 1))
        self.referenda[referendum] = asked
        self.emit(self.DecisionDepositPlaced(referendum, depositor, terms.decision_deposit))

    @call(2, weight=weights.cancel, operational=True)
    def cancel(self, _origin: Canceller, referendum: U32) -> None:
        """End a referendum, or give the call of an approved one up; the deposits come back."""
        asked = self.referenda.get(referendum)
        if asked is not None:
            self._end(referendum, asked, Result.CANCELLED)
            return
        ended = self.outcomes.get(referendum)
        if ended is None or ended.result is not Result.APPROVED:
            raise self.NotCancellable(referendum=referendum)
        self.scheduler.cancel_named(task_name(referendum))
        self.outcomes[referendum] = replace(ended, result=Result.CANCELLED)
        self.emit(self.Ended(referendum, Result.CANCELLED, ended.tally, None))

    @call(3, weight=weights.kill, operational=True)
    def kill(self, _origin: Killer, referendum: U32) -> None:
        """End a referendum, and slash its deposits."""
        self._end(referendum, self._ongoing(referendum), Result.KILLED)

    # Hooks

    @on_initialize
    def look_at_referenda(self) -> None:
        """Do what is due: begin decisions, approve, reject, and give up waiting."""
        height = self.block.height
        due = [number for at, number in self.alarms.get()[:ALARMS_PER_BLOCK_MAX] if at <= height]
        if not due:
            return
        electorate = self.electorate()
        for number in due:
            asked = self.referenda.get(number)
            if asked is not None:  # another one may have been carried out, and cancelled it
                self._look_at(number, asked, electorate)

    # Invariants

    @invariant
    def referenda_are_counted(self) -> None:
        """Every alarm is a referendum's; counts and waiting lists are what the referenda say."""
        alarms = self.alarms.get()
        if list(alarms) != sorted(alarms):
            raise _wrong_books("Governance.alarms are not in order")
        waiting = [number for track in TrackName for number in self.waiting[track]]
        numbers = [number for _, number in alarms] + waiting
        found = [(number, self.referenda[number]) for number in numbers]
        for track in TrackName:
            ours = [each for _, each in found if each.track is track]
            deciding = sum(each.deciding_since is not None for each in ours)
            if (len(ours), deciding) != (self.open_count[track], self.deciding_count[track]):
                raise _wrong_books(f"The counts of the track {track.name} are wrong")
        for number, each in found:
            if (each.alarm, number) not in alarms and each.alarm is not None:
                raise _wrong_books(f"The alarm of referendum {number} is wrong")

    # Helpers: what clients and other pallets may ask

    def terms(self, track: TrackName) -> TrackTerms:
        """How the referenda of a track are decided."""
        by_track = {
            TrackName.ROOT: self.root_terms,
            TrackName.PARAMETERS: self.parameters_terms,
            TrackName.SMALL_SPENDER: self.small_spender_terms,
            TrackName.LARGE_SPENDER: self.large_spender_terms,
            TrackName.CANCELLER: self.canceller_terms,
            TrackName.KILLER: self.killer_terms,
        }
        return by_track[track].get()

    def electorate(self) -> int:
        """All OPEN that can vote, in 10**-18: what is issued, without the inactive accounts."""
        inactive = sum(map(self.currency.lockable_balance, self.inactive.get()))
        return self.currency.total_issuance() - inactive

    # Helpers: `Polls` for Voting

    def open_track(self, poll: int) -> TrackName | None:
        """The track of a referendum that is not over, or None."""
        asked = self.referenda.get(poll)
        return None if asked is None else asked.track

    def poll_end(self, poll: int) -> PollEnd | None:
        """How a referendum ended, or None."""
        ended = self.outcomes.get(poll)
        if ended is None:
            return None
        approved = {Result.APPROVED: True, Result.REJECTED: False}.get(ended.result)
        return PollEnd(ended.track, ended.ended_at, approved)

    def recount(self, poll: int, before: VoteSum, after: VoteSum) -> None:
        """Replace a part of the tally of a referendum; raises `NotOngoing`."""
        asked = self._ongoing(poll)
        asked.tally = asked.tally.replacing(before, after)
        self._assess(poll, asked, self.electorate())

    # Helpers

    def _ongoing(self, number: int) -> Referendum:
        asked = self.referenda.get(number)
        if asked is None:
            raise self.NotOngoing(referendum=number)
        return asked

    def _set_alarm(self, number: int, asked: Referendum, alarm: int | None) -> None:
        """Let time look at a referendum at a height, which the caller stores."""
        if asked.alarm == alarm:
            return
        others = [each for each in self.alarms.get() if each[1] != number]
        added = [] if alarm is None else [(alarm, number)]
        self.alarms.put(tuple(sorted([*others, *added])))
        asked.alarm = alarm

    def _look_at(self, number: int, asked: Referendum, electorate: int) -> None:
        """Do what time does to a referendum whose alarm rings."""
        if asked.depositor is None:
            self._end(number, asked, Result.TIMED_OUT)
            return
        if asked.deciding_since is None:
            terms = self.terms(asked.track)
            deciding = self.deciding_count[asked.track]
            if deciding >= terms.deciding_max:
                self.waiting[asked.track] = (*self.waiting[asked.track], number)
                self._set_alarm(number, asked, None)
                self.referenda[number] = asked
                return
            self.deciding_count[asked.track] = deciding + 1
            asked.deciding_since = self.block.height
            self.emit(self.DecisionStarted(number))
        self._assess(number, asked, electorate)
        if asked.confirming_since is not None:
            if self._confirmed_at(asked) <= self.block.height and self.scheduler.has_room():
                self._end(number, asked, Result.APPROVED)
        elif asked.deciding_since + self.terms(asked.track).decision_blocks <= self.block.height:
            self._end(number, asked, Result.REJECTED)

    def _assess(self, number: int, asked: Referendum, electorate: int) -> None:
        """Note whether a referendum passes, when time can change that, and store it."""
        if asked.deciding_since is not None:
            terms = self.terms(asked.track)
            elapsed = self.block.height - asked.deciding_since
            standing = decision.standing_of(asked.tally, terms, electorate, elapsed)
            if standing.passing:
                if asked.confirming_since is None:
                    asked.confirming_since = self.block.height
                    self.emit(self.ConfirmStarted(number, self._confirmed_at(asked)))
                alarm = self._confirmed_at(asked)
            else:
                if asked.confirming_since is not None:
                    asked.confirming_since = None
                    self.emit(self.ConfirmAborted(number))
                until = terms.decision_blocks
                if standing.passes_after is not None:
                    until = min(until, standing.passes_after)
                alarm = asked.deciding_since + until
            self._set_alarm(number, asked, max(alarm, self.block.height + 1))
        self.referenda[number] = asked

    def _confirmed_at(self, asked: Referendum) -> int:
        """When a referendum that passes is approved."""
        since = asked.confirming_since or 0
        return since + self.terms(asked.track).confirm_blocks

    def _end(self, number: int, asked: Referendum, result: Result) -> None:
        """Forget a referendum but for its outcome, and give its place and its deposits back."""
        self._set_alarm(number, asked, None)
        del self.referenda[number]
        track, height = asked.track, self.block.height
        self.open_count[track] -= 1
        waiting = self.waiting[track]
        if asked.deciding_since is not None:
            self.deciding_count[track] -= 1
            if waiting:
                self._call_up(waiting[0])
                self.waiting[track] = waiting[1:]
        elif number in waiting:
            self.waiting[track] = tuple([each for each in waiting if each != number])
        self._settle_deposit(number, asked.submitter, asked.submission_deposit, SUBMISSION, result)
        if asked.depositor is not None:
            self._settle_deposit(number, asked.depositor, asked.decision_deposit, DECISION, result)
        enacted_at = None
        if result is Result.APPROVED:
            delay = max(1, asked.enactment_blocks, self.terms(track).enactment_blocks)
            enacted_at = height + delay
            self.scheduler.schedule_named(
                task_name(number), enacted_at, asked.call_hash, tracks.ORIGINS[track]
            )
        self.preimages.unrequest(asked.call_hash)
        self.outcomes[number] = Outcome(track, asked.call_hash, result, height, asked.tally)
        self.emit(self.Ended(number, result, asked.tally, enacted_at))

    def _call_up(self, number: int) -> None:
        """Let a referendum that waits be decided from the next block on."""
        waiting = self.referenda[number]
        self._set_alarm(number, waiting, self.block.height + 1)
        self.referenda[number] = waiting

    def _settle_deposit(
        self, number: int, owner: bytes, amount: int, reason: str, result: Result
    ) -> None:
        if result is not Result.KILLED:
            self.currency.release(owner, amount, reason)
            return
        self.currency.move_held(owner, amount, reason, TREASURY)
        self.emit(self.DepositSlashed(number, owner, amount))


def task_name(referendum: int) -> str:
    """The name of the scheduled task that makes an approved referendum's call."""
    return f"Governance.{referendum}"


def _wrong_books(problem: str) -> InvariantViolation:
    return InvariantViolation(f"{problem}.", remedy="This is a bug: report it.")
