"""Audits: workers drawn by the beacon compute a result again, before they can know it.

A result's audit, beside the life of its job:

    scheduled   the worker has committed to a blinded root
    drawn       two blocks later, by a beacon that nobody knew then: perhaps nobody audits it
    committed   each auditor commits to the root that it computed, blinded with its own account,
                until all have, or for `audit_blocks`; only then the worker reveals
    revealed    each auditor tells its root, until the job ends
    closed      each auditor is paid, or loses

Rules:

- A new worker's results are audited with `start_ppb`, half as often after every
  `jobs_per_halving` clean jobs, and never less often than with `floor_ppb`.
- Auditors are bonded workers other than the worker; one fee of their bond is locked.
- An auditor whose root stands is paid `pay_ppb` of the fee, as far as this pallet's account, into
  which the levies go, lasts.  One whose root is not what stands, or who confirmed what turned out
  wrong, loses what is locked.  One who is silent loses `silence_ppb` of the fee.
- Where nothing is known of the result in the end, only the silent lose.
- A panel is drawn by nobody: it is named by the order, and its majority is the verdict.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from pallets.audits import weights
from pallets.audits.drawing import (
    AuditResult,
    audit_rate,
    audit_result,
    choose_auditors,
    is_audited,
    panel_finding,
    seats_to_try,
)
from pallets.audits.types import DRAWS_MAX, Audit, AuditPlan, Draw, Draws
from runtime import (
    PPB,
    U32,
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
    Signed,
    Value,
    call,
    on_initialize,
)
from runtime.arithmetic import apply_ppb
from runtime.traits import Currency, WorkerRegistry
from runtime.wire.records import PANEL_MAX, Finding, Panel
from runtime.wire.transcripts import BLINDING_BYTES, blinded_root

DRAW_DELAY_BLOCKS = 2
"""From a commitment to the first beacon that nobody knew when it was made."""
CLOCK_BLOCKS_MOST = 2**32
Share = Annotated[int, Between(0, PPB)]


class Audits(Pallet, index=32):
    """Audits and their auditors."""

    # Needs

    currency: Needs[Currency]
    workers: Needs[WorkerRegistry]

    # Storage, parameters first

    start_ppb = Parameter[Share](
        500_000_000, "How likely a new worker's result is audited, in billionths."
    )
    floor_ppb = Parameter[Share](50_000_000, "How likely any result is audited at least.")
    jobs_per_halving = Parameter[Annotated[int, Between(1, 10_000)]](
        10, "After how many clean jobs a worker is audited half as often."
    )
    auditors = Parameter[Annotated[int, Between(1, PANEL_MAX)]](
        1, "How many auditors a result is given that is audited at all."
    )
    audit_blocks = Parameter[Annotated[int, Between(1, CLOCK_BLOCKS_MOST)]](
        172_800, "From the draw to the deadline of the auditors: a day of half seconds."
    )
    pay_ppb = Parameter[Share](500_000_000, "Which part of the fee an audit is paid.")
    silence_ppb = Parameter[Share](
        100_000_000, "Which part of the fee an auditor loses that does not answer; it is burnt."
    )
    draws = Value[Draws](())
    """The results whose auditors are not drawn yet."""
    plans = Map[U32, AuditPlan]()
    """By job, from the draw to the job's end."""

    # Events

    class Scheduled(Event):
        """A result is committed to; its auditors are drawn in the block of the height named."""

        job: U32
        drawn_at: BlockNumber

    class Drawn(Event):
        """These auditors, perhaps none, compute the job again before the height that is named."""

        job: U32
        auditors: Panel
        due: BlockNumber

    class Committed(Event):
        """An auditor committed to its own blinded root."""

        job: U32
        auditor: AccountId

    class Revealed(Event):
        """An auditor told its root."""

        job: U32
        auditor: AccountId
        confirms: bool

    class Closed(Event):
        """An auditor was paid, or lost a part of its bond, or neither."""

        job: U32
        auditor: AccountId
        paid: Amount
        lost: Amount

    # Errors

    class DrawsFull(Error):
        """As many results wait for their auditors as may at a time."""

        remedy: ClassVar[str] = "Send the commitment again in the next block."
        waiting: U32

    class NotDrawn(Error):
        """The auditors of the job are not drawn yet, or the job has ended."""

        remedy: ClassVar[str] = "Wait two blocks from the worker's commitment."
        job: U32

    class NotAnAuditor(Error):
        """The signer is not to audit this job."""

        remedy: ClassVar[str] = "Read Audits.plans: who is drawn is named there."
        job: U32

    class DoneAlready(Error):
        """The auditor has done this."""

        remedy: ClassVar[str] = "Nothing is left to do: an auditor commits once and reveals once."
        job: U32

    class AuditorsAtWork(Error):
        """Auditors may still commit to their roots."""

        remedy: ClassVar[str] = "Reveal when all have, or from the height that is named."
        due: BlockNumber

    class TooLate(Error):
        """The time of the auditors is over."""

        remedy: ClassVar[str] = "Nothing can be done: answer the next audit in time."
        due: BlockNumber

    class TooEarly(Error):
        """The worker has not revealed its root yet, or the auditor has committed to none."""

        remedy: ClassVar[str] = "Commit before the worker reveals, and reveal after it."
        job: U32

    class WrongBlinding(Error):
        """Root, account and salt are not what was committed to."""

        remedy: ClassVar[str] = "Reveal what was committed to, with its salt."
        blinded: Hash

    # Calls

    @call(0, weight=weights.commit)
    def commit(self, auditor: Signed, job: U32, blinded: Hash) -> None:
        """Commit to the blinded root that the signer, who was drawn, computed itself."""
        plan = self._plan(job)
        if plan.root is not None or self.block.height >= plan.due:
            raise self.TooLate(due=plan.due)
        audit = self._audit(job, plan, auditor)
        if audit.blinded is not None:
            raise self.DoneAlready(job=job)
        self._put(job, plan, replace(audit, blinded=blinded))
        self.emit(self.Committed(job=job, auditor=auditor))

    @call(1, weight=weights.reveal)
    def reveal(self, auditor: Signed, job: U32, root: Hash, salt: Hash) -> None:
        """Tell the root behind the signer's blinded one, once the worker's is known.

        Who finds the worker's root wrong has to challenge it besides, or loses.
        """
        plan = self._plan(job)
        audit = self._audit(job, plan, auditor)
        if audit.root is not None:
            raise self.DoneAlready(job=job)
        if plan.root is None or audit.blinded is None:
            raise self.TooEarly(job=job)
        self.note_hashes(1, BLINDING_BYTES)
        if blinded_root(root, auditor, salt) != audit.blinded:
            raise self.WrongBlinding(blinded=audit.blinded)
        self._put(job, plan, replace(audit, root=root))
        self.emit(self.Revealed(job=job, auditor=auditor, confirms=root == plan.root))

    # Hooks

    @on_initialize
    def draw_auditors(self) -> None:
        """Draw the auditors of the results whose commitment is old enough."""
        draws = self.draws.get()
        due = [draw for draw in draws if draw.at <= self.block.height]
        if due:
            self.draws.put(tuple(draw for draw in draws if draw not in due))
        for draw in due:
            self._draw(draw)

    # Helpers: `Auditing` for other pallets

    def schedule(self, job: int, worker: bytes, fee: int, panel: Panel) -> int:
        """Have the auditors of a result drawn, or its panel; returns when the auditors are due.

        Raises `DrawsFull`.
        """
        draws = self.draws.get()
        if len(draws) == DRAWS_MAX:
            raise self.DrawsFull(waiting=DRAWS_MAX)
        drawn_at = self.block.height + DRAW_DELAY_BLOCKS
        self.draws.put((*draws, Draw(job, worker, fee, panel, drawn_at)))
        self.emit(self.Scheduled(job=job, drawn_at=drawn_at))
        return drawn_at + self.audit_blocks.get()

    def note_revealed(self, job: int, root: bytes) -> None:
        """The worker reveals its root; raises `NotDrawn`, or `AuditorsAtWork` before it may."""
        plan = self._plan(job)
        waiting = any(audit.blinded is None for audit in plan.audits)
        if waiting and self.block.height < plan.due:
            raise self.AuditorsAtWork(due=plan.due)
        self.plans[job] = replace(plan, root=root)

    def panel_finding(self, job: int) -> Finding:
        """What the majority of the job's panel says of the result."""
        return panel_finding(self._plan(job))

    def close(self, job: int, finding: Finding) -> None:
        """The job ends: pay or punish its auditors, if they were drawn; otherwise draw none."""
        plan = self.plans.get(job)
        if plan is None:
            self.draws.put(tuple(draw for draw in self.draws.get() if draw.job != job))
            return
        del self.plans[job]
        for audit in plan.audits:
            result = audit_result(audit, plan, finding)
            paid = self._pay(audit, plan) if result is AuditResult.RIGHT else 0
            lost = self._punish(audit, plan, result)
            self.emit(self.Closed(job=job, auditor=audit.auditor, paid=paid, lost=lost))

    def levy_account(self) -> bytes:
        """The account from which audits are paid."""
        return self.account

    def panel_pay(self, fee: int, members: int) -> int:
        """What the panel of a job costs its owner beside the fee."""
        return members * apply_ppb(fee, self.pay_ppb.get())

    # Helpers

    def _draw(self, draw: Draw) -> None:
        auditors = draw.panel or self._chosen(draw)
        audits = []
        for auditor in auditors:
            bond = min(draw.fee, self.workers.free_bond(auditor))
            if bond:
                self.workers.lock(auditor, bond)
            audits.append(Audit(auditor, bond))
        due = self.block.height + self.audit_blocks.get()
        self.plans[draw.job] = AuditPlan(draw.fee, bool(draw.panel), tuple(audits), due)
        self.emit(self.Drawn(job=draw.job, auditors=auditors, due=due))

    def _chosen(self, draw: Draw) -> Panel:
        """The auditors that the beacon draws; none where the result is not audited."""
        rate = audit_rate(
            self.workers.clean_jobs(draw.worker),
            self.start_ppb.get(),
            self.floor_ppb.get(),
            self.jobs_per_halving.get(),
        )
        beacon = self.block.beacon
        if not is_audited(beacon, draw.job, rate):
            return ()
        seats = seats_to_try(beacon, draw.job, self.workers.worker_count())
        return choose_auditors(
            [self.workers.worker_at(seat) for seat in seats],
            lambda each: each != draw.worker and self.workers.free_bond(each) >= draw.fee,
            self.auditors.get(),
        )

    def _plan(self, job: int) -> AuditPlan:
        plan = self.plans.get(job)
        if plan is None:
            raise self.NotDrawn(job=job)
        return plan

    def _audit(self, job: int, plan: AuditPlan, auditor: bytes) -> Audit:
        for audit in plan.audits:
            if audit.auditor == auditor:
                return audit
        raise self.NotAnAuditor(job=job)

    def _put(self, job: int, plan: AuditPlan, audit: Audit) -> None:
        audits = [audit if each.auditor == audit.auditor else each for each in plan.audits]
        self.plans[job] = replace(plan, audits=tuple(audits))

    def _pay(self, audit: Audit, plan: AuditPlan) -> int:
        """Pay for a good audit, as far as the levies last."""
        pay = apply_ppb(plan.fee, self.pay_ppb.get())
        pay = min(pay, self.currency.free_balance(self.account))
        self.currency.move(self.account, audit.auditor, pay)
        return pay

    def _punish(self, audit: Audit, plan: AuditPlan, result: AuditResult) -> int:
        """Unlock what an auditor has at stake, and burn what it loses of it."""
        lost = 0
        if result is AuditResult.WRONG:
            lost = audit.bond
        elif result is AuditResult.SILENT:
            lost = min(apply_ppb(plan.fee, self.silence_ppb.get()), audit.bond)
        self.workers.unlock(audit.auditor, audit.bond - lost)
        if lost:
            self.workers.forfeit(audit.auditor, lost, self.account)
            self.currency.destroy(self.account, lost)
        return lost
