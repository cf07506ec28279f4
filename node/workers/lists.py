"""The jobs that concern a worker, as a table."""

from __future__ import annotations

from node.client import NodeClient
from runtime.wire.records import Job, JobState

JOBS_MAX = 100_000
"""The most jobs of a chain that are looked at."""
COLUMNS = ("job", "kind", "state", "role", "steps", "fee", "deadline")


def worker_jobs(
    client: NodeClient, account: bytes
) -> list[tuple[int, str, str, str, int, int, int]]:
    """Rows of `COLUMNS`: open jobs, and those that `account` took or is to audit."""
    auditing = {
        number
        for number, plan in client.entries("Audits", "plans", JOBS_MAX)
        if any(audit.auditor == account for audit in plan.audits)
    }
    found: list[tuple[int, Job]] = sorted(client.entries("Compute", "jobs", JOBS_MAX))
    roles = [(number, job, _role(number, job, account, auditing)) for number, job in found]
    return [
        (
            number,
            job.order.kind.name,
            job.state.name,
            role,
            job.order.leaf_count - 2,
            job.fee,
            job.deadline,
        )
        for number, job, role in roles
        if role
    ]


def _role(number: int, job: Job, account: bytes, auditing: set[int]) -> str:
    if job.worker == account:
        return "worker"
    if number in auditing:
        return "auditor"
    return "anybody" if job.state is JobState.OPEN else ""
