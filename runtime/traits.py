"""The small protocols by which pallets know each other, and nothing more.

They are injected where `genesis/` composes the runtime: `Models(currency=balances)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from runtime.calls import RuntimeCall
from runtime.wire.datanets import Datanet, Offer, Purpose, Purposes, Submission, Terms, VersionNotes
from runtime.wire.exams import Exam, ExamFigures
from runtime.wire.offences import Offence
from runtime.wire.records import DatanetVersion, Finding, Job, JobOrder, Model, Panel
from runtime.wire.validators import ValidatorSet
from runtime.wire.votes import PollEnd, TrackName, VoteSum
from runtime.wire.work import ModelShape


class Currency(Protocol):
    """The native token, as other pallets may use it; `Balances` is the implementation."""

    def free_balance(self, account: bytes) -> int:
        """What `account` may spend, in units of 10**-18 OPEN: neither held nor locked."""

    def move(self, sender: bytes, receiver: bytes, amount: int) -> None:
        """Move free balance; raises `Balances.Insufficient`."""

    def hold(self, account: bytes, amount: int, reason: str) -> None:
        """Move free balance of `account` under a hold; raises `Balances.Insufficient`."""

    def release(self, account: bytes, amount: int, reason: str) -> None:
        """Give a hold, or a part of it, back to its account."""

    def move_held(self, account: bytes, amount: int, reason: str, receiver: bytes) -> None:
        """Pay a hold, or a part of it, to somebody else: a spent escrow or a slashed bond."""

    def held(self, account: bytes, reason: str) -> int:
        """How much of `account` is held for `reason`."""

    def destroy(self, account: bytes, amount: int) -> None:
        """Burn free balance for ever; raises `Balances.Insufficient`."""


class BondCurrency(Currency, Protocol):
    """A token that owners bond in a pallet's account; `Balances` is the implementation."""

    def bond(self, account: bytes, amount: int, pot: bytes) -> None:
        """Move balance to a pallet's account, where it still backs the locks of its owner.

        Raises `Balances.Insufficient`; what is locked can be bonded.
        """

    def return_bond(self, pot: bytes, account: bytes, amount: int, bonded: int) -> None:
        """Pay `amount` out of a pallet's account, for what was `bonded` and backs locks no more.

        It is less where a bond was slashed.
        """


class LockableCurrency(Currency, Protocol):
    """A token whose owners can promise to keep it; `Balances` is the implementation."""

    def total_issuance(self) -> int:
        """All OPEN there is, in units of 10**-18."""

    def lockable_balance(self, account: bytes) -> int:
        """How much `account` can promise to keep: its free balance and its bonds."""

    def set_lock(self, account: bytes, amount: int, reason: str) -> None:
        """Let `account` keep at least `amount` for `reason`, in place of what was; 0 ends it.

        The largest lock counts.  Raises `Balances.TooManyLocks`.
        """


class Preimages(Protocol):
    """Calls by their hashes; `Preimage` is the implementation."""

    def call_of(self, call_hash: bytes) -> RuntimeCall:
        """The call of a hash; raises `Preimage.Unknown`."""

    def keep(self, call: RuntimeCall) -> bytes:
        """Request a call, which need not be noted; returns its hash."""

    def request(self, call_hash: bytes) -> None:
        """Let a call stay until `unrequest`; raises `Preimage.Unknown`."""

    def unrequest(self, call_hash: bytes) -> None:
        """Take a request back."""


class CallScheduler(Protocol):
    """What makes calls at a height; `Scheduler` is the implementation."""

    def require_schedulable(self, call_hash: bytes, track: str | None) -> None:
        """Raise what says that a call cannot be made, on behalf of a track or of the chain."""

    def has_room(self) -> bool:
        """Whether one more call can wait."""

    def schedule_named(self, name: str, height: int, call_hash: bytes, track: str | None) -> None:
        """Make a call at `height` or soon after; None: on behalf of the chain.

        Raises `Scheduler.Full`.
        """

    def cancel_named(self, name: str) -> None:
        """Give a call up that is not made yet; raises `Scheduler.UnknownTask`."""

    def destroy(self, account: bytes, amount: int) -> None:
        """Burn free balance for ever; raises `Balances.Insufficient`."""


class Polls(Protocol):
    """What can be voted about; `Governance` is the implementation."""

    def open_track(self, poll: int) -> TrackName | None:
        """The track of a poll that is not over, or None."""

    def poll_end(self, poll: int) -> PollEnd | None:
        """How a poll ended, or None."""

    def recount(self, poll: int, before: VoteSum, after: VoteSum) -> None:
        """Replace a part of the tally of an open poll."""


class DatanetSource(Protocol):
    """What jobs and payouts ask of Datanets and tell them; `Datanets` is the implementation."""

    def published_version(self, datanet: int, version: int) -> DatanetVersion:
        """The version's record; raises `Datanets.UnknownVersion`."""

    def terms_of(self, datanet: int) -> Terms:
        """The terms of this moment; raises `Datanets.UnknownDatanet`."""

    def permits(self, datanet: int, version: int, purpose: Purpose, builder: bytes) -> bool:
        """Whether `builder` may train on the version for a purpose: licence, access, withdrawals.

        Raises `Datanets.UnknownVersion`.
        """

    def begin_use(self, datanet: int, version: int, use: bytes) -> None:
        """Keep the version's rows from being erased until `end_use`; `use` names the use."""

    def end_use(self, datanet: int, use: bytes) -> None:
        """The use is over; ending one that is unknown, or over, does nothing."""

    def rows_min(self, datanet: int) -> int:
        """Rows of a version below which what its models earn waits."""

    def note_earned(self, datanet: int, account: bytes, amount: int) -> None:
        """Note that rows of `account` in the Datanet earned `amount`, in units of 10**-18 OPEN."""


class DatanetRegistry(Protocol):
    """What the pallets around Datanets share of them; `Datanets` is the implementation."""

    def datanet(self, datanet: int) -> Datanet:
        """What was fixed at its creation; raises `Datanets.UnknownDatanet`."""

    def terms_of(self, datanet: int) -> Terms:
        """The terms of this moment; raises `Datanets.UnknownDatanet`."""

    def check_terms(self, terms: Terms) -> None:
        """Raise `Datanets.InvalidTerms` for terms that no Datanet can have."""

    def set_terms(self, datanet: int, terms: Terms) -> None:
        """Change the terms; raises `Datanets.InvalidTerms`."""

    def require_owner(self, account: bytes, datanet: int) -> None:
        """Raise `Datanets.NotOwner` unless the Datanet is the account's."""

    def published_version(self, datanet: int, version: int) -> DatanetVersion:
        """The version's record; raises `Datanets.UnknownVersion`."""

    def totals(self, datanet: int) -> tuple[int, int, Purposes]:
        """Rows and reviewed rows of the latest version, and what it may be used for."""

    def latest(self, datanet: int) -> int:
        """The number of the latest version; 0 before the first."""

    def add_version(self, datanet: int, version: DatanetVersion, notes: VersionNotes) -> int:
        """Publish a version; returns its number, the first is 1."""

    def check_offer(self, datanet: int, offer: Offer) -> None:
        """Raise `Datanets.LicenceTooNarrow` or `WrongLanguage` for what is not taken."""

    def use_quota(self, datanet: int, account: bytes, size_bytes: int) -> None:
        """Count one file of the account today; raises `Datanets.QuotaExceeded`."""

    def sponsor_bond(self, datanet: int, contributor: bytes, bond: int, least: int) -> None:
        """Draw a bond from the owner's budget; raises an error that says why it does not."""

    def sponsor_of(self, datanet: int) -> tuple[bytes, str]:
        """Whose balance holds sponsored bonds, and for what reason."""

    def return_to_sponsor(self, datanet: int, amount: int) -> None:
        """What is left of a sponsored bond is budget again."""

    def earned_by(self, datanet: int, account: bytes) -> int:
        """What rows of the account earned so far, in units of 10**-18 OPEN."""

    def change_rows(self, datanet: int, account: bytes, change: int) -> None:
        """Note that rows of an account joined the Datanet, or left it."""

    def rows_of(self, datanet: int, account: bytes) -> int:
        """How many accepted rows of the account the Datanet has."""

    def retire(self, datanet: int, first: int) -> int:
        """Rows leave that are in the versions since `first`; returns what `is_unused` wants."""

    def is_unused(self, datanet: int, retirement: int) -> bool:
        """Whether every use that began before the retirement is over."""

    def set_member(self, datanet: int, account: bytes, admitted: bool) -> None:
        """Admit an account to a Datanet that is not public, or no longer."""


class SubmissionLedger(Protocol):
    """What withdrawals and reports ask of submissions; `Submissions` is the implementation."""

    def submission(self, datanet: int, submission: int) -> Submission:
        """The record; raises `Submissions.UnknownSubmission`."""

    def take_rows(self, datanet: int, submission: int, count: int) -> int:
        """Rows of a submission leave with the next version; returns the retirement to wait for.

        Raises `Submissions.NoSuchRows`.
        """

    def set_blob(self, datanet: int, submission: int, blob: bytes | None) -> bool:
        """Name the blob that has what is left; returns whether nobody names the old one now."""

    def open_report(self, datanet: int, submission: int) -> None:
        """Keep the bond until `close_report`; raises `WrongState`, `TooLate`."""

    def close_report(self, datanet: int, submission: int) -> None:
        """The bond may be settled as far as this report goes."""

    def slash(self, datanet: int, submission: int, amount: int, receiver: bytes) -> None:
        """Pay a part of the bond to somebody else."""

    def pardon(self, datanet: int, submission: int, rows: int) -> None:
        """So many rejected rows cost nothing after all."""


class PanelSource(Protocol):
    """Where curation and reports get verdicts from; `Panels` is the implementation."""

    def case_fee(self) -> int:
        """What a case costs, in units of 10**-18 OPEN."""

    def open_case(self, subject: bytes, payer: bytes, reason: str, fee: int) -> int:
        """Open a case on a 32-byte subject; the fee, paid from the payer's hold, may be lower.

        Returns its number.
        """

    def score_of(self, case: int) -> int | None:
        """The panel's score in parts per billion; None while it is open, or undecided.

        Raises `Panels.UnknownCase`.
        """

    def is_closed(self, case: int) -> bool:
        """Whether the case is over, decided or not; raises `Panels.UnknownCase`."""


class ModelRegistry(Protocol):
    """Where settled training jobs register adapters; `Models` is the implementation."""

    def admitted_shape(self, base_model: bytes) -> ModelShape | None:
        """The dimensions of a base model that jobs may name; None for any other."""

    def register_adapter(
        self, adapter: bytes, owner: bytes, base_model: bytes, job: int, datanet: int, version: int
    ) -> None:
        """Register a private adapter; a known hash is left as it is."""

    def model(self, adapter: bytes) -> Model:
        """The adapter's record; raises `Models.UnknownModel`."""

    def may_use(self, adapter: bytes, record: Model, account: bytes) -> bool:
        """Whether the model answers an account's questions, or did before it was retired."""


class Examiner(Protocol):
    """Held-out rows that evaluate jobs read; `Exams` is the implementation."""

    def shown_exam(self, exam: int) -> Exam:
        """An exam whose rows are shown; raises `Exams.UnknownExam` or `NotShown`."""

    def require_held_out(self, exam: int, ordered_at: int) -> None:
        """Raise `Exams.NotHeldOut` unless the rows were secret when a training was ordered."""

    def record_result(self, model: bytes, exam: int, job: int, figures: ExamFigures) -> None:
        """What a settled job found."""


class WorkerRegistry(Protocol):
    """Who may work, and what of whose bond is at stake; `Workers` is the implementation."""

    def free_bond(self, worker: bytes) -> int:
        """What of the bond is not locked; 0 for who takes no new work."""

    def lock(self, worker: bytes, amount: int) -> None:
        """Put a part of a bond at stake; raises `Workers.NotBonded`, `BondTooLow`, `BondLocked`."""

    def unlock(self, worker: bytes, amount: int) -> None:
        """Put a part of a bond at stake no longer."""

    def forfeit(self, worker: bytes, amount: int, receiver: bytes) -> None:
        """Pay a part of a bond, which was locked, to somebody else."""

    def clean_jobs(self, worker: bytes) -> int:
        """How many jobs of a worker were settled since it bonded, or was last convicted."""

    def note_clean(self, worker: bytes) -> None:
        """A job of the worker was settled."""

    def note_convicted(self, worker: bytes) -> None:
        """The worker is trusted as little as a new one."""

    def worker_count(self) -> int:
        """How many workers are bonded."""

    def worker_at(self, seat: int) -> bytes:
        """The worker in a seat, from 0 up to the number of workers."""


class Auditing(Protocol):
    """Who computes results again; `Audits` is the implementation."""

    def schedule(self, job: int, worker: bytes, fee: int, panel: Panel) -> int:
        """Have a result's auditors drawn, or its panel; returns when the auditors are due.

        Raises `Audits.DrawsFull`.
        """

    def note_revealed(self, job: int, root: bytes) -> None:
        """The worker reveals; raises `Audits.NotDrawn`, or `AuditorsAtWork` before it may."""

    def panel_finding(self, job: int) -> Finding:
        """What the majority of the job's panel says of the result."""

    def close(self, job: int, finding: Finding) -> None:
        """The job ends: pay or punish its auditors."""

    def levy_account(self) -> bytes:
        """The account from which audits are paid."""

    def panel_pay(self, fee: int, members: int) -> int:
        """What the panel of a job costs its owner beside the fee."""


class CheckedWork(Protocol):
    """Results that can be disputed step by step; `Compute` is the implementation."""

    def disputable(self, work: int) -> Job:
        """The work, revealed and within its window; raises an error that says why it is not."""

    def begin_dispute(self, work: int) -> None:
        """Keep the work from being settled."""

    def uphold(self, work: int) -> None:
        """The dispute is over and the result stands: its window begins anew."""

    def convict(self, work: int, receiver: bytes) -> int:
        """The result is wrong: pay what its worker forfeits to `receiver`; returns how much."""

    def other_leaf(self, work: int, index: int) -> int | None:
        """The leaf beside the one before `index` on whose state that leaf depends, if any."""

    def uncertified_root(self, work: int) -> bytes:
        """The root of a revealed result; raises an error if there is none, or it is certified."""

    def certify(self, work: int) -> None:
        """The validators hold what it takes to check the result."""

    def job(self, number: int) -> Job:
        """The work as it is; raises an error if there is none."""


class JobBoard(Protocol):
    """Where other pallets order computations; `Compute` is the implementation."""

    def job(self, number: int) -> Job:
        """A job as it is; raises `Compute.UnknownJob`."""

    def price_of(self, order: JobOrder, panel: Panel) -> tuple[int, int]:
        """The least fee of an order in 10**-18 OPEN, and that with what its panel is paid."""

    def post(
        self, owner: bytes, order: JobOrder, fee: int, value_at_risk: int, panel: Panel
    ) -> int:
        """Hold what a job costs of `owner`, and let workers claim it; returns its number."""


class ContributorPool(Protocol):
    """Where `Inference` puts the contributors' share; `Attribution` is the implementation."""

    def pool_account(self) -> bytes:
        """The account that keeps the unpaid contributor share."""

    def epoch_at(self, height: int) -> int:
        """The epoch of a height: those of one epoch are attributed together."""

    def fund(self, model: bytes, epoch: int, amount: int) -> None:
        """Note `amount`, already moved to `pool_account`, as the model's pool of the epoch."""


class Stakes(Protocol):
    """The stake behind validators; `Staking` is the implementation."""

    def stake_of(self, account: bytes) -> int:
        """All stake behind a validator, its own and others', in 10**-18 OPEN."""

    def may_validate(self, account: bytes) -> bool:
        """Whether an account has bonded enough itself."""

    def end_session(self) -> None:
        """Share out the rewards of a session that ends."""

    def begin_session(self, ends_at: int, elected: Sequence[bytes], leaving_most: int) -> None:
        """The stake of this moment was elected, and decides up to the height `ends_at`.

        Of the stake behind the elected at most `leaving_most` may leave before.
        """

    def dismiss(self, account: bytes) -> None:
        """A validator was taken out of the set: its stakers earn nothing in this session."""

    def answerable_blocks(self) -> int:
        """How long the stake behind a vote can be slashed: no older evidence counts."""

    def freeze(self, account: bytes, offence_height: int) -> bool:
        """Keep what was behind a validator at an offence, for a slash; False: too many wait."""

    def thaw(self, account: bytes, offence_height: int) -> None:
        """The slash for which `freeze` kept the stake was taken, or will not be."""

    def slash(self, account: bytes, amount: int, offence_height: int, receiver: bytes) -> int:
        """Pay up to `amount` of what was staked at an offence to `receiver`; returns how much."""


class ValidatorSets(Protocol):
    """Who decides which height; `Session` is the implementation."""

    def known_set(self, validators_hash: bytes) -> ValidatorSet | None:
        """A set that decided heights not long ago; None for any other."""

    def hash_at(self, height: int) -> bytes | None:
        """The hash of the set that decides a height, if nothing changes before; None: forgotten."""

    def validator_count(self) -> int:
        """How many validators decide the next height."""

    def jail(self, accounts: Sequence[bytes], until: int) -> None:
        """Take accounts out of the set that decides the next height, and of elections.

        They may come back from the height `until` on.
        """

    def release(self, account: bytes) -> None:
        """Let a jailed account come back from now on."""


class Randomness(Protocol):
    """Beacons of the last heights; `Session` is the implementation."""

    def beacon_after(self, height: int) -> bytes:
        """What nobody knew at a height, 32 bytes; raises `Session.BeaconUnknown`."""


class BlsVerifier(Protocol):
    """The BLS12-381 signatures of validators; a backend of `consensus.bls` is one."""

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Whether a signature (96 bytes) of a key (48 bytes) holds; never raises."""

    def verify_possession(self, public_key: bytes, proof: bytes) -> bool:
        """Whether the proof shows that somebody has the secret of the key; never raises."""


class EvidenceVerifier(Protocol):
    """What can tell whether a validator broke the rules of consensus."""

    def __call__(
        self,
        evidence: bytes,
        genesis_hash: bytes,
        known_set: Callable[[bytes], ValidatorSet | None],
    ) -> Offence | None:
        """The offence that the bytes prove under a set that `known_set` finds by its hash."""
