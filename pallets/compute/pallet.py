"""Bonded workers and the training jobs that they take.

A job's life (`JobState`), with the one deadline that counts in each state:

    OPEN       until `claim_blocks` after submission a worker may claim it, then it may be refunded
    CLAIMED    until `commit_blocks` after the claim its worker may commit, then it may be refunded
    COMMITTED  for `window_blocks` after the commitment it may be looked at, then it may be settled
    SETTLED    the worker is paid, the adapter registered
    REFUNDED   the owner has the fee back, all of it

At a deadline's own height the first half of the sentence is over and the second begins.  The fee
is held at the owner's until then, so both ends are exact.  A worker's bond cannot leave while a
job or a window is open that it could still be answerable for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pallets.compute import weights
from pallets.compute.types import Worker
from runtime import (
    OPEN,
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
from runtime.arithmetic import apply_ppb
from runtime.traits import Currency, DatanetSource, ModelRegistry
from runtime.wire.records import (
    JobState,
    ShareInPpb,
    TrainingJob,
    TrainingOutcome,
)
from runtime.wire.training_parameters import TrainingParameters, leaves_of, parameter_fault

BOND = "Compute.bond"
"""Why a worker's balance is held."""
FEE = "Compute.fee"
"""Why a job owner's balance is held."""


class Compute(Pallet, index=22):
    """Workers, training jobs and their results."""

    # Needs and constants

    currency: Needs[Currency]
    datanets: Needs[DatanetSource]
    models: Needs[ModelRegistry]
    worker_bond_min: Const[Amount] = 10_000 * OPEN
    training_fee_min: Const[Amount] = OPEN
    levy_ppb: Const[ShareInPpb] = 50_000_000
    """Of every settled fee, kept in this pallet's account to pay audits."""
    open_jobs_max: Const[U32] = 4
    """Jobs that one worker may have claimed at a time."""

    # Storage, parameters first

    claim_blocks = Parameter[Positive[U32]](
        172_800, "From submission to the deadline for a claim: a day of half seconds."
    )
    commit_blocks = Parameter[Positive[U32]](
        172_800, "From a job's claim to the deadline for a result."
    )
    window_blocks = Parameter[U32](
        7_200, "From the result to its settlement: an hour of half seconds."
    )
    workers = Map[AccountId, Worker]()
    next_job = Value[U32](0)
    training_jobs = Map[U32, TrainingJob]()

    # Events

    class WorkerRegistered(Event):
        """A worker bonded and may claim jobs."""

        worker: AccountId
        bond: Amount

    class WorkerUnbonded(Event):
        """A worker left and has its bond back."""

        worker: AccountId
        bond: Amount

    class TrainingSubmitted(Event):
        """A training job waits for a worker."""

        job: U32
        owner: AccountId
        fee: Amount

    class Claimed(Event):
        """A worker took the job and must commit before the deadline."""

        job: U32
        worker: AccountId
        deadline: BlockNumber

    class ResultCommitted(Event):
        """The worker committed to its result, which can be settled from the deadline."""

        job: U32
        worker: AccountId
        adapter: Hash
        deadline: BlockNumber

    class Settled(Event):
        """The worker was paid; `levy` went to the audit account."""

        job: U32
        worker: AccountId
        paid: Amount
        levy: Amount

    class Refunded(Event):
        """The job came to nothing and its owner has the whole fee back."""

        job: U32
        owner: AccountId
        fee: Amount

    # Errors

    class UnknownJob(Error):
        """There is no such job."""

        remedy: ClassVar[str] = "Take the number from the event Compute.TrainingSubmitted."
        job: U32

    class UnknownBaseModel(Error):
        """The base model is not registered."""

        remedy: ClassVar[str] = "Register its manifest hash with Models.register_base."
        base_model: Hash

    class NothingToTrainOn(Error):
        """The Datanet version has no rows."""

        remedy: ClassVar[str] = "Choose a version with rows."
        datanet: U32
        version: U32

    class InvalidParameter(Error):
        """A training parameter is outside what workers train with."""

        remedy: ClassVar[str] = "See the bounds in runtime/wire/training_parameters.py."
        parameter: ShortText
        problem: LongText

    class FeeTooLow(Error):
        """The fee is lower than any job must pay."""

        remedy: ClassVar[str] = "Offer at least the least fee."
        fee: Amount
        least: Amount

    class BondTooLow(Error):
        """The bond is lower than a worker's must be."""

        remedy: ClassVar[str] = "Bond at least the least bond."
        bond: Amount
        least: Amount

    class AlreadyBonded(Error):
        """The account is a bonded worker already."""

        remedy: ClassVar[str] = "Claim jobs; to change the bond, unbond first."
        bond: Amount

    class NotBonded(Error):
        """The account is not a bonded worker."""

        remedy: ClassVar[str] = "Bond with Compute.register_worker."
        worker: AccountId

    class StillAnswerable(Error):
        """The worker has open jobs, or results that can still be looked at."""

        remedy: ClassVar[str] = "Have the jobs settled and wait for the height that is named."
        open_jobs: U32
        bonded_until: BlockNumber

    class TooManyJobs(Error):
        """The worker has claimed as many jobs as it may at a time."""

        remedy: ClassVar[str] = "Commit and settle one first."
        open_jobs: U32

    class NotTheWorker(Error):
        """Another worker has claimed this job."""

        remedy: ClassVar[str] = "Claim another job."
        job: U32

    class WrongState(Error):
        """The job is not in a state where this can be done."""

        remedy: ClassVar[str] = "Read Compute.training_jobs: each step is done once and in order."
        job: U32
        state: JobState

    class TooEarly(Error):
        """This must wait for the job's deadline."""

        remedy: ClassVar[str] = "Send it again from the height that is named."
        deadline: BlockNumber

    class TooLate(Error):
        """The job's deadline for this has passed."""

        remedy: ClassVar[str] = "The job can only be refunded now."
        deadline: BlockNumber

    class WrongLeafCount(Error):
        """The transcript has not as many leaves as the job asks for."""

        remedy: ClassVar[str] = "Train every step; let the job lapse if it cannot be trained."
        leaf_count: U32
        expected: U32

    # Calls

    @call(0, weight=weights.register_worker)
    def register_worker(self, worker: Signed, bond: Amount) -> None:
        """Hold `bond` of the signer, who may then claim jobs."""
        known = self.workers.get(worker)
        if known is not None:
            raise self.AlreadyBonded(bond=known.bond)
        if bond < self.worker_bond_min:
            raise self.BondTooLow(bond=bond, least=self.worker_bond_min)
        self.currency.hold(worker, bond, BOND)
        self.workers[worker] = Worker(bond=bond, open_jobs=0, bonded_until=self.block.height)
        self.emit(self.WorkerRegistered(worker=worker, bond=bond))

    @call(1, weight=weights.unbond)
    def unbond(self, worker: Signed) -> None:
        """Give the signer its bond back, once nothing is open that it could answer for."""
        record = self._worker(worker)
        if record.open_jobs or self.block.height < record.bonded_until:
            raise self.StillAnswerable(open_jobs=record.open_jobs, bonded_until=record.bonded_until)
        del self.workers[worker]
        self.currency.release(worker, record.bond, BOND)
        self.emit(self.WorkerUnbonded(worker=worker, bond=record.bond))

    @call(2, weight=weights.submit_training)
    def submit_training(
        self,
        owner: Signed,
        base_model: Hash,
        datanet: U32,
        version: U32,
        parameters: TrainingParameters,
        fee: Amount,
    ) -> None:
        """Order an adapter trained on a Datanet version; `fee` of the signer is held for it."""
        if not self.models.has_base_model(base_model):
            raise self.UnknownBaseModel(base_model=base_model)
        if not self.datanets.published_version(datanet, version).row_count:
            raise self.NothingToTrainOn(datanet=datanet, version=version)
        if fee < self.training_fee_min:
            raise self.FeeTooLow(fee=fee, least=self.training_fee_min)
        self._check_parameters(parameters)
        self.currency.hold(owner, fee, FEE)
        job = self.next_job.get()
        self.next_job.put(job + 1)
        self.training_jobs[job] = TrainingJob(
            owner=owner,
            base_model=base_model,
            datanet=datanet,
            version=version,
            parameters=parameters,
            fee=fee,
            state=JobState.OPEN,
            worker=None,
            claimed_at=None,
            deadline=self.block.height + self.claim_blocks.get(),
            result=None,
        )
        self.emit(self.TrainingSubmitted(job=job, owner=owner, fee=fee))

    @call(3, weight=weights.claim)
    def claim(self, worker: Signed, job: U32) -> None:
        """Take an open job; the signer must be bonded and commit before the deadline."""
        order = self._job(job, JobState.OPEN)
        self._require_before(order.deadline)
        self.require_bonded(worker)
        with self.workers.edit(worker) as record:
            if record.open_jobs >= self.open_jobs_max:
                raise self.TooManyJobs(open_jobs=record.open_jobs)
            record.open_jobs += 1
        deadline = self.block.height + self.commit_blocks.get()
        self.training_jobs[job] = replace(
            order,
            state=JobState.CLAIMED,
            worker=worker,
            claimed_at=self.block.height,
            deadline=deadline,
        )
        self.emit(self.Claimed(job=job, worker=worker, deadline=deadline))

    @call(4, weight=weights.commit_result)
    def commit_result(self, worker: Signed, job: U32, outcome: TrainingOutcome) -> None:
        """Commit to the result of a claimed job; the window in which it is looked at begins."""
        order = self._job(job, JobState.CLAIMED)
        if order.worker != worker:
            raise self.NotTheWorker(job=job)
        self._require_before(order.deadline)
        expected = leaves_of(order.parameters)
        if outcome.leaf_count != expected:
            raise self.WrongLeafCount(leaf_count=outcome.leaf_count, expected=expected)
        deadline = self.block.height + self.window_blocks.get()
        self.training_jobs[job] = replace(
            order, state=JobState.COMMITTED, deadline=deadline, result=outcome
        )
        self.emit(
            self.ResultCommitted(job=job, worker=worker, adapter=outcome.adapter, deadline=deadline)
        )

    @call(5, weight=weights.settle)
    def settle(self, _origin: Signed, job: U32) -> None:
        """Pay the worker, less the levy, and register the adapter for the job's owner."""
        order = self._job(job, JobState.COMMITTED)
        self._require_from(order.deadline)
        worker, outcome = order.worker, order.result
        if worker is None or outcome is None:
            raise self.WrongState(job=job, state=order.state)
        levy = apply_ppb(order.fee, self.levy_ppb)
        self.currency.move_held(order.owner, levy, FEE, self.account)
        self.currency.move_held(order.owner, order.fee - levy, FEE, worker)
        self._close_claim(worker)
        self.models.register_adapter(
            outcome.adapter, order.owner, order.base_model, job, order.datanet, order.version
        )
        self.training_jobs[job] = replace(order, state=JobState.SETTLED)
        self.emit(self.Settled(job=job, worker=worker, paid=order.fee - levy, levy=levy))

    @call(6, weight=weights.refund)
    def refund(self, _origin: Signed, job: U32) -> None:
        """Give the owner of a job that nobody claimed, or committed to, in time its fee back."""
        order = self._job(job, JobState.OPEN, JobState.CLAIMED)
        self._require_from(order.deadline)
        if order.worker is not None:
            self._close_claim(order.worker)
        self.currency.release(order.owner, order.fee, FEE)
        self.training_jobs[job] = replace(order, state=JobState.REFUNDED)
        self.emit(self.Refunded(job=job, owner=order.owner, fee=order.fee))

    # Helpers: `WorkerRegistry` for other pallets

    def require_bonded(self, worker: bytes) -> None:
        """Raise `NotBonded` unless `worker` holds its bond."""
        self._worker(worker)

    def keep_bond(self, worker: bytes, until: int) -> None:
        """Raise `NotBonded` unless `worker` holds its bond, and keep it at least until a height."""
        self.require_bonded(worker)
        with self.workers.edit(worker) as record:
            record.bonded_until = max(record.bonded_until, until)

    # Helpers

    def _worker(self, worker: bytes) -> Worker:
        record = self.workers.get(worker)
        if record is None:
            raise self.NotBonded(worker=worker)
        return record

    def _job(self, job: int, *states: JobState) -> TrainingJob:
        order = self.training_jobs.get(job)
        if order is None:
            raise self.UnknownJob(job=job)
        if order.state not in states:
            raise self.WrongState(job=job, state=order.state)
        return order

    def _require_before(self, deadline: int) -> None:
        if self.block.height >= deadline:
            raise self.TooLate(deadline=deadline)

    def _require_from(self, deadline: int) -> None:
        if self.block.height < deadline:
            raise self.TooEarly(deadline=deadline)

    def _close_claim(self, worker: bytes) -> None:
        with self.workers.edit(worker) as record:
            record.open_jobs -= 1

    def _check_parameters(self, parameters: TrainingParameters) -> None:
        """Refuse what no worker would train, before any fee is held."""
        fault = parameter_fault(parameters)
        if fault is not None:
            raise self.InvalidParameter(parameter=fault.parameter, problem=fault.problem)
