"""Jobs: what is computed for whom, by when, and who is paid.

A job's life, with the one deadline that counts in each state, is in endings.py; what each end costs
whom, in README.md.  How a dispute goes is another pallet's matter (`CheckedWork`).

A transcript that ends early, with a fault or after `abort`, is paid by its leaves; nobody audits an
aborted one, as only its worker knows where it stops.  Over private rows a panel decides.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from pallets.compute import orders, weights
from pallets.compute.endings import Ending, audits_part, convicted, ending_of, refunded
from pallets.compute.results import conclusion_fault, figures_of, is_whole, weight_of_reveal
from runtime import (
    OPEN,
    PPB,
    U32,
    AccountId,
    Amount,
    Between,
    BlockNumber,
    Error,
    Event,
    Hash,
    LongText,
    Map,
    Needs,
    Pallet,
    Parameter,
    ShortText,
    Signed,
    Value,
    Weight,
    call,
)
from runtime.hashing import ZERO_HASH
from runtime.traits import (
    Auditing,
    Currency,
    DatanetSource,
    Examiner,
    ModelRegistry,
    WorkerRegistry,
)
from runtime.wire.attribution import other_leaf_of
from runtime.wire.records import (
    PANEL_MAX,
    UNFINISHED,
    Finding,
    Job,
    JobKind,
    JobOrder,
    JobState,
    Panel,
    TrainingOutcome,
)
from runtime.wire.training_parameters import SOURCES_MAX
from runtime.wire.transcripts import BLINDING_BYTES, LeafOpening, blinded_root
from runtime.wire.work import least_fee

FEE = "Compute.fee"
"""Why a job owner's balance is held."""
FEE_MOST = 1_000_000 * OPEN
_NODE_BYTES = 64
_SOURCES = Weight(reads=SOURCES_MAX * (9 + PANEL_MAX), writes=2 * SOURCES_MAX)
"""Of looking up every source for all who need it, and telling it that it is used, or not."""

Clock = Annotated[int, Between(1, 2**32)]
Count = Annotated[int, Between(1, 1_000)]


class Compute(Pallet, index=22):
    """Jobs and their results."""

    # Needs

    currency: Needs[Currency]
    datanets: Needs[DatanetSource]
    models: Needs[ModelRegistry]
    workers: Needs[WorkerRegistry]
    audits: Needs[Auditing]
    examiner: Needs[Examiner]

    # Storage, parameters first

    fee_min = Parameter[Annotated[int, Between(1, FEE_MOST)]](
        OPEN, "The least fee of a job, in 10**-18 OPEN; the work it asks for comes on top."
    )
    work_price = Parameter[Annotated[int, Between(0, FEE_MOST)]](
        OPEN // 1_000, "What 10**9 multiply-adds of a job's work cost at least, in 10**-18 OPEN."
    )
    bond_factor = Parameter[Count](10, "How many fees a claim locks of a bond, at least.")
    lapse_ppb = Parameter[Annotated[int, Between(0, PPB)]](
        100_000_000, "Which part of the fee an unanswered claim costs, in billionths; it is burnt."
    )
    levy_ppb = Parameter[Annotated[int, Between(0, PPB // 2)]](
        50_000_000, "Which part of what a worker is paid goes to the account that pays audits."
    )
    panel_min = Parameter[Annotated[int, Between(1, PANEL_MAX)]](
        4, "The fewest auditors of a job over private rows."
    )
    open_jobs_max = Parameter[Count](4, "Jobs that one worker may have claimed at a time.")
    claim_blocks = Parameter[Clock](
        172_800, "From the order to the deadline for a claim: a day of half seconds."
    )
    commit_blocks = Parameter[Clock](172_800, "From the claim to the deadline for a commitment.")
    reveal_blocks = Parameter[Clock](
        7_200,
        "From when its auditors are due, how long a worker has to reveal: an hour of half seconds.",
    )
    certify_blocks = Parameter[Clock](
        7_200, "From when a result is revealed, how long validators have to certify it."
    )
    window_blocks = Parameter[Clock](7_200, "How long a certified result can be challenged.")
    abort_blocks = Parameter[Clock](
        7_200, "How long a worker has to commit to what it did before its job was aborted."
    )
    next_job = Value[U32](0)
    jobs = Map[U32, Job]()
    claims = Map[AccountId, U32](0)
    """How many jobs a worker has claimed that have not ended."""

    # Events

    class Submitted(Event):
        """A job waits for a worker."""

        job: U32
        kind: JobKind
        owner: AccountId
        fee: Amount

    class Claimed(Event):
        """A worker took the job and must commit before the deadline."""

        job: U32
        worker: AccountId
        deadline: BlockNumber

    class Aborted(Event):
        """The owner wants no more of the job than its worker has done."""

        job: U32
        deadline: BlockNumber

    class Committed(Event):
        """The worker committed to a blinded root; auditors are drawn."""

        job: U32
        worker: AccountId
        blinded: Hash

    class Revealed(Event):
        """The result is known, and can be challenged."""

        job: U32
        root: Hash

    class Certified(Event):
        """The validators hold what it takes to check the result; the window has begun."""

        job: U32
        deadline: BlockNumber

    class Settled(Event):
        """The worker was paid; `levy` went to the account that pays audits."""

        job: U32
        worker: AccountId
        paid: Amount
        levy: Amount

    class Refunded(Event):
        """The job came to nothing; its owner has everything back, its worker paid the price."""

        job: U32
        owner: AccountId
        price: Amount

    class Convicted(Event):
        """The result was wrong or withheld: the worker forfeited what was locked for it."""

        job: U32
        worker: AccountId
        bond: Amount

    # Errors

    class UnknownJob(Error):
        """There is no such job."""

        remedy: ClassVar[str] = "Take the number from the event Compute.Submitted."
        job: U32

    class RowsNotUsable(Error):
        """A Datanet version has no rows, or does not permit this use by this account."""

        remedy: ClassVar[str] = "Choose another version or purpose, or ask to be admitted."
        datanet: U32
        version: U32
        account: AccountId

    class InvalidParameter(Error):
        """A parameter of the job is one that no worker works with."""

        remedy: ClassVar[str] = "Change the parameter as the problem says."
        parameter: ShortText
        problem: LongText

    class InvalidPanel(Error):
        """A panel has too few members, names one twice, or one that is not a bonded worker."""

        remedy: ClassVar[str] = "Name enough bonded workers who hold the keys, in order, once each."
        members: U32
        least: U32

    class FeeTooLow(Error):
        """The fee is lower than the work costs."""

        remedy: ClassVar[str] = "Offer at least the least fee, or order less work."
        fee: Amount
        least: Amount

    class TooManyJobs(Error):
        """The worker has claimed as many jobs as it may at a time."""

        remedy: ClassVar[str] = "Commit and settle one first."
        open_jobs: U32

    class NotYours(Error):
        """The job is not the signer's to do this with."""

        remedy: ClassVar[str] = "Its owner aborts it, its worker works on it, its panel does not."
        job: U32

    class WrongState(Error):
        """The job is not in a state where this can be done."""

        remedy: ClassVar[str] = "Read Compute.jobs: each step is done once and in order."
        job: U32
        state: JobState

    class TooEarly(Error):
        """This must wait for the height that is named."""

        remedy: ClassVar[str] = "Send it again from that height on."
        deadline: BlockNumber

    class TooLate(Error):
        """The deadline for this has passed."""

        remedy: ClassVar[str] = "The job can only be ended now, with Compute.settle."
        deadline: BlockNumber

    class WrongBlinding(Error):
        """Root, account and salt are not what was committed to."""

        remedy: ClassVar[str] = "Reveal what was committed to, with its salt."
        blinded: Hash

    class WrongResult(Error):
        """The result is not what its transcript says, or not what the job asks for."""

        remedy: ClassVar[str] = "Reveal what the first and the last leaf of the transcript say."
        problem: LongText

    class InDispute(Error):
        """The result is being disputed."""

        remedy: ClassVar[str] = "Wait until the dispute is over."
        job: U32

    class PanelDecides(Error):
        """A result over private rows is its panel's to judge."""

        remedy: ClassVar[str] = "Look at Audits.plans for what the panel says."
        job: U32

    # Calls

    @call(0, weight=weights.submit_job + _SOURCES)
    def submit_job(
        self,
        owner: Signed,
        order: JobOrder,
        fee: Amount,
        value_at_risk: Amount = 0,
        panel: Panel = (),
    ) -> None:
        """Order a computation, for which `fee` of the signer is held.

        The worker's bond covers `value_at_risk`; `panel` judges a job over private rows.
        """
        self._check_order(owner, order)
        self._check_panel(order, panel)
        least, _ = self.price_of(order, panel)
        if fee < least:
            raise self.FeeTooLow(fee=fee, least=least)
        self.post(owner, order, fee, value_at_risk, panel)

    @call(1, weight=weights.claim + _SOURCES)
    def claim(self, worker: Signed, job: U32) -> None:
        """Take an open job: lock a part of the signer's bond, which must commit in time."""
        record = self._job(job, JobState.OPEN)
        self._require_before(record.deadline)
        if worker in record.panel:
            raise self.NotYours(job=job)
        self._require_usable(record.order, worker)
        open_jobs = self.claims[worker]
        if open_jobs >= self.open_jobs_max.get():
            raise self.TooManyJobs(open_jobs=open_jobs)
        self.workers.lock(worker, record.bond)
        self.claims[worker] = open_jobs + 1
        height = self.block.height
        deadline = height + self.commit_blocks.get()
        record = replace(record, worker=worker, claimed_at=height, deadline=deadline)
        self.jobs[job] = replace(record, state=JobState.CLAIMED)
        self.emit(self.Claimed(job=job, worker=worker, deadline=deadline))

    @call(2, weight=weights.abort + _SOURCES)
    def abort(self, owner: Signed, job: U32) -> None:
        """Stop a job: at once while nobody has claimed it; later what is done is still paid."""
        record = self._job(job, JobState.OPEN, JobState.CLAIMED)
        if owner != record.owner:
            raise self.NotYours(job=job)
        if record.state is JobState.OPEN:
            self._end(job, record, refunded(), self.account)
            return
        if record.panel:
            raise self.WrongState(job=job, state=record.state)
        deadline = min(record.deadline, self.block.height + self.abort_blocks.get())
        self.jobs[job] = replace(record, aborted=True, deadline=deadline)
        self.emit(self.Aborted(job=job, deadline=deadline))

    @call(3, weight=weights.commit)
    def commit(self, worker: Signed, job: U32, blinded: Hash) -> None:
        """Commit to the result's blinded root; two blocks later the beacon draws auditors."""
        record = self._job(job, JobState.CLAIMED)
        if record.worker != worker:
            raise self.NotYours(job=job)
        self._require_before(record.deadline)
        due = self.block.height
        if not record.aborted:
            due = self.audits.schedule(job, worker, record.fee, record.panel)
        record = replace(record, blinded=blinded, deadline=due + self.reveal_blocks.get())
        self.jobs[job] = replace(record, state=JobState.COMMITTED)
        self.emit(self.Committed(job=job, worker=worker, blinded=blinded))

    @call(4, weight=weight_of_reveal)
    def reveal(
        self,
        worker: Signed,
        job: U32,
        outcome: TrainingOutcome,
        salt: Hash,
        first: LeafOpening,
        last: LeafOpening,
    ) -> None:
        """Tell the result behind the blinded root, once the auditors have committed to theirs.

        `first` and `last` open the transcript's ends, from which the figures of `outcome` are.
        """
        record = self._job(job, JobState.COMMITTED)
        if record.worker != worker:
            raise self.NotYours(job=job)
        self._require_before(record.deadline)
        self.note_hashes(1, BLINDING_BYTES)
        if blinded_root(outcome.transcript_root, worker, salt) != record.blinded:
            raise self.WrongBlinding(blinded=record.blinded or ZERO_HASH)
        siblings = len(first.path.siblings) + len(last.path.siblings)
        leaves_bytes = len(first.leaf) + len(last.leaf)
        self.note_hashes(siblings + 4, _NODE_BYTES * (siblings + 2) + leaves_bytes)
        if problem := conclusion_fault(record, outcome, first, last):
            raise self.WrongResult(problem=problem)
        if not record.aborted:
            self.audits.note_revealed(job, outcome.transcript_root)
        figures = figures_of(record, last)
        record = replace(record, state=JobState.REVEALED, result=outcome, figures=figures)
        self.emit(self.Revealed(job=job, root=outcome.transcript_root))
        self._begin_window(job, record)

    @call(5, weight=weights.settle + _SOURCES)
    def settle(self, _origin: Signed, job: U32) -> None:
        """End a job whose deadline has passed, as its state says, whoever asks."""
        record = self._job(job, *UNFINISHED)
        if record.disputed:
            raise self.InDispute(job=job)
        self._require_from(record.deadline)
        has_verdict = record.panel and record.result is not None
        finding = self.audits.panel_finding(job) if has_verdict else Finding.STANDS
        ending = ending_of(record, finding, self.lapse_ppb.get(), self.levy_ppb.get())
        self._end(job, record, ending, self.account)
        if ending.forfeited:
            self.currency.destroy(self.account, ending.forfeited)

    # Helpers: `CheckedWork` for other pallets

    def disputable(self, work: int) -> Job:
        """The job, revealed and within its window.

        Raises `UnknownJob`, `WrongState`, `TooLate`, `InDispute` or `PanelDecides`.
        """
        record = self._job(work, JobState.REVEALED)
        if record.panel:
            raise self.PanelDecides(job=work)
        if record.disputed:
            raise self.InDispute(job=work)
        self._require_before(record.deadline)
        return record

    def begin_dispute(self, work: int) -> None:
        """Keep the job from being settled."""
        self.jobs[work] = replace(self.jobs[work], disputed=True)

    def uphold(self, work: int) -> None:
        """The dispute is over and the result stands: its window begins anew."""
        self._begin_window(work, replace(self.jobs[work], disputed=False))

    def convict(self, work: int, receiver: bytes) -> int:
        """The result is wrong: what its worker forfeits goes to `receiver`; returns how much."""
        record = self.jobs[work]
        self._end(work, record, convicted(record, Finding.WRONG), receiver)
        return record.bond

    def other_leaf(self, work: int, index: int) -> int | None:
        """The leaf beside the one before `index` on whose state that leaf depends, if any."""
        order = self.jobs[work].order
        training = self._training_of(order)
        return None if training is None else other_leaf_of(training, order, index)

    def uncertified_root(self, work: int) -> bytes:
        """The root of a revealed result that is not certified yet; raises `WrongState`."""
        record = self._job(work, JobState.REVEALED)
        if record.certified or record.result is None:
            raise self.WrongState(job=work, state=record.state)
        return record.result.transcript_root

    def certify(self, work: int) -> None:
        """The validators hold what it takes to check the result: its window begins."""
        deadline = self._begin_window(work, replace(self.jobs[work], certified=True))
        self.emit(self.Certified(job=work, deadline=deadline))

    # Helpers: `JobBoard` for other pallets

    def job(self, number: int) -> Job:
        """A job as it is; raises `UnknownJob`."""
        return self._job(number, *JobState)

    def price_of(self, order: JobOrder, panel: Panel) -> tuple[int, int]:
        """The least fee of an order, and that with what its panel is paid."""
        training = self._training_of(order)
        work = orders.work_of(self.models, self.datanets, self.examiner, order, training)
        fee = least_fee(work, self.fee_min.get(), self.work_price.get())
        return fee, fee + self.audits.panel_pay(fee, len(panel))

    def post(
        self, owner: bytes, order: JobOrder, fee: int, value_at_risk: int, panel: Panel
    ) -> int:
        """Hold what a job costs, and let workers claim it; returns its number."""
        panel_pay = self.audits.panel_pay(fee, len(panel))
        self.currency.hold(owner, fee + panel_pay, FEE)
        job = self.next_job.get()
        self.next_job.put(job + 1)
        self.jobs[job] = Job(
            owner=owner,
            order=order,
            fee=fee,
            bond=max(value_at_risk, self.bond_factor.get() * fee),
            panel=panel,
            panel_pay=panel_pay,
            deadline=self.block.height + self.claim_blocks.get(),
            ordered_at=self.block.height,
        )
        for source in order.sources:
            self.datanets.begin_use(source.datanet, source.version, orders.name_of_use(job))
        self.emit(self.Submitted(job=job, kind=order.kind, owner=owner, fee=fee))
        return job

    def _begin_window(self, job: int, record: Job) -> int:
        """Let a result be challenged, if it is certified or needs no certificate; until when."""
        clock = self.window_blocks if record.certified or record.panel else self.certify_blocks
        deadline = self.block.height + clock.get()
        self.jobs[job] = replace(record, deadline=deadline)
        return deadline

    # Helpers: what may be ordered

    def _training_of(self, order: JobOrder) -> JobOrder | None:
        """The order that an attribute job replays; None for a job of another kind."""
        if order.kind is not JobKind.ATTRIBUTE or order.subject is None:
            return None
        return self.jobs[self.models.model(order.subject).job].order

    def _check_order(self, owner: bytes, order: JobOrder) -> None:
        fault = orders.order_fault(self.models, self.examiner, order)
        if fault is not None:
            problem = f"{fault.problem} {fault.remedy}"
            raise self.InvalidParameter(parameter=fault.parameter, problem=problem)
        self._require_usable(order, owner)
        if order.exam is not None and order.subject and order.subject != order.base_model:
            trained = self.jobs[self.models.model(order.subject).job]
            self.examiner.require_held_out(order.exam, trained.ordered_at)

    def _check_panel(self, order: JobOrder, panel: Panel) -> None:
        """Whose rows are not public are for a panel to judge, all of whom may read them."""
        is_private = panel or orders.has_private_rows(self.datanets, order)
        least = self.panel_min.get() if is_private else 0
        known = all(self.workers.free_bond(member) for member in panel)
        in_order = list(panel) == sorted(dict.fromkeys(panel))
        if not known or not in_order or len(panel) < least:
            raise self.InvalidPanel(members=len(panel), least=least)
        for member in panel:
            self._require_usable(order, member)

    def _require_usable(self, order: JobOrder, account: bytes) -> None:
        if source := orders.unusable_source(self.datanets, order, account):
            raise self.RowsNotUsable(
                datanet=source.datanet, version=source.version, account=account
            )

    # Helpers: how jobs end

    def _end(self, job: int, record: Job, ending: Ending, receiver: bytes) -> None:
        """End a job; what its worker forfeits goes to `receiver`."""
        if record.worker is not None:
            self._let_go(record.worker, record, ending, receiver)
        self._divide_fee(record, ending)
        if record.blinded is not None:
            self.audits.close(job, ending.finding)
        for source in record.order.sources:
            self.datanets.end_use(source.datanet, orders.name_of_use(job))
        if ending.state is JobState.SETTLED and record.result is not None:
            self._register(job, record, record.result)
        self.jobs[job] = replace(record, state=ending.state, disputed=False)
        self._tell(job, record, ending)

    def _register(self, job: int, record: Job, result: TrainingOutcome) -> None:
        """Note what a whole job has made or found: an adapter, or a model's figures."""
        order = record.order
        if not is_whole(record, result):
            return
        if order.kind is JobKind.TRAIN:
            rows, owner = order.sources[0], record.owner
            place = (rows.datanet, rows.version)
            self.models.register_adapter(result.adapter, owner, order.base_model, job, *place)
        elif record.figures and order.subject is not None and order.exam is not None:
            self.examiner.record_result(order.subject, order.exam, job, record.figures)

    def _let_go(self, worker: bytes, record: Job, ending: Ending, receiver: bytes) -> None:
        """Forfeit and unlock what was locked for a job, and remember how the worker did."""
        self.claims[worker] -= 1
        if ending.forfeited:
            self.workers.forfeit(worker, ending.forfeited, receiver)
        self.workers.unlock(worker, record.bond - ending.forfeited)
        if ending.state is JobState.SETTLED:
            self.workers.note_clean(worker)
        elif ending.state is JobState.CONVICTED:
            self.workers.note_convicted(worker)

    def _divide_fee(self, record: Job, ending: Ending) -> None:
        """Pay worker, auditors and panel of what is held, and give the rest back."""
        owner, for_audits = record.owner, audits_part(record, ending)
        self.currency.move_held(owner, for_audits, FEE, self.audits.levy_account())
        self.currency.move_held(owner, ending.paid, FEE, record.worker or owner)
        rest = record.fee + record.panel_pay - for_audits - ending.paid
        self.currency.release(owner, rest, FEE)

    def _tell(self, job: int, record: Job, ending: Ending) -> None:
        """Emit how a job ended."""
        worker = record.worker
        if worker is None or ending.state is JobState.REFUNDED:
            self.emit(self.Refunded(job=job, owner=record.owner, price=ending.forfeited))
        elif ending.state is JobState.CONVICTED:
            self.emit(self.Convicted(job=job, worker=worker, bond=ending.forfeited))
        else:
            self.emit(self.Settled(job=job, worker=worker, paid=ending.paid, levy=ending.levy))

    # Helpers

    def _job(self, job: int, *states: JobState) -> Job:
        record = self.jobs.get(job)
        if record is None:
            raise self.UnknownJob(job=job)
        if record.state not in states:
            raise self.WrongState(job=job, state=record.state)
        return record

    def _require_before(self, deadline: int) -> None:
        if self.block.height >= deadline:
            raise self.TooLate(deadline=deadline)

    def _require_from(self, deadline: int) -> None:
        if self.block.height < deadline:
            raise self.TooEarly(deadline=deadline)
