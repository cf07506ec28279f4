"""The audits that this worker was drawn for: compute the job, commit, tell, perhaps challenge.

    drawn -> compute -> commit to the blinded root -> the worker reveals -> reveal -> if it differs,
    challenge

What has been done is on chain, what was computed in the journal, and the salt follows from the key:
a killed auditor goes on without doing anything twice.
"""

from __future__ import annotations

import structlog

from node.errors import CallFailed
from node.workers.computed import compute
from node.workers.workplace import Workplace
from pallets.audits.pallet import Audits
from pallets.audits.types import Audit, AuditPlan
from pallets.disputes.pallet import Disputes
from runtime.calls import RuntimeCall
from runtime.wire.records import JobState
from runtime.wire.transcripts import blinded_root

PLANS_MAX = 10_000
"""The most audits of a chain that are looked at."""
_log = structlog.get_logger("worker")


def own_audits(place: Workplace) -> list[tuple[int, AuditPlan, Audit]]:
    """The audits that this worker was drawn for and that are not closed, by job."""
    plans = place.client.entries("Audits", "plans", PLANS_MAX)
    return [
        (number, plan, audit)
        for number, plan in plans
        for audit in plan.audits
        if audit.auditor == place.keypair.account
    ]


def advance_audit(place: Workplace, number: int, plan: AuditPlan, audit: Audit) -> None:
    """Do what is to be done for an audit now; raises `JobRefused` for one that cannot be done."""
    account, salt, job = place.keypair.account, place.salt(number), place.read_job(number)
    if audit.blinded is None:
        if plan.root is None and place.client.height() < plan.due:
            outcome = compute(place, number, job, "auditing")
            blinded = blinded_root(outcome.transcript_root, account, salt)
            _submit(place, number, Audits.commit.Call(job=number, blinded=blinded))
        return
    outcome = compute(place, number, job, "auditing")
    root = outcome.transcript_root
    if plan.root is None:
        return
    if audit.root is None:
        _submit(place, number, Audits.reveal.Call(job=number, root=root, salt=salt))
    if root != plan.root and job.state is JobState.REVEALED and not job.disputed:
        _submit(place, number, Disputes.challenge.Call(work=number))


def _submit(place: Workplace, number: int, call: RuntimeCall) -> None:
    """Send a call; one that was sent already is no error."""
    try:
        place.client.submit(call, place.keypair)
    except CallFailed as error:
        _log.info(
            "audit call refused", job=number, call=call.call_definition.name, error=error.message
        )
        return
    _log.info("audit call", job=number, call=call.call_definition.name)
