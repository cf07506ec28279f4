"""Who audits a result, and what is to be concluded from the audits: pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum

from pallets.audits.types import Audit, AuditPlan
from runtime.hashing import hash_draw
from runtime.types import PPB
from runtime.wire.records import Finding

DRAW_ATTEMPTS_MAX = 24
"""How many seats are looked at to find auditors."""
_NUMBER_BYTES = 4
_DRAWN_BYTES = 16


class AuditResult(IntEnum):
    """What an audit was worth."""

    RIGHT = 0
    WRONG = 1
    SILENT = 2
    UNKNOWN = 3
    """There is nothing to compare it with."""


def audit_rate(clean_jobs: int, start_ppb: int, floor_ppb: int, jobs_per_halving: int) -> int:
    """How likely a result is audited, in billionths: trust is earned by clean jobs."""
    return max(floor_ppb, start_ppb >> clean_jobs // jobs_per_halving)


def is_audited(beacon: bytes, job: int, rate_ppb: int) -> bool:
    """Whether the beacon (32 bytes) chose the result of a job to be audited."""
    return _drawn(beacon, job, 0) % PPB < rate_ppb


def seats_to_try(beacon: bytes, job: int, worker_count: int) -> list[int]:
    """The seats from which auditors are taken, in the order of the beacon; none comes twice."""
    if not worker_count:
        return []
    drawn = [_drawn(beacon, job, draw) for draw in range(1, DRAW_ATTEMPTS_MAX + 1)]
    return list(dict.fromkeys(number % worker_count for number in drawn))


def choose_auditors(
    candidates: Sequence[bytes], is_fit: Callable[[bytes], bool], count: int
) -> tuple[bytes, ...]:
    """The first `count` candidates that are fit; fewer where there are not so many."""
    chosen: list[bytes] = []
    for candidate in candidates:
        if len(chosen) == count:
            break
        if is_fit(candidate):
            chosen.append(candidate)
    return tuple(chosen)


def majority_root(audits: Sequence[Audit]) -> bytes | None:
    """The root on which more than half of the auditors agree, if they do."""
    roots = [audit.root for audit in audits if audit.root is not None]
    return next((root for root in roots if 2 * roots.count(root) > len(audits)), None)


def panel_finding(plan: AuditPlan) -> Finding:
    """What a panel says of a result: its majority confirms it, or agrees on another one."""
    root = majority_root(plan.audits)
    if root is None:
        return Finding.OPEN
    return Finding.STANDS if root == plan.root else Finding.WRONG


def audit_result(audit: Audit, plan: AuditPlan, finding: Finding) -> AuditResult:
    """What an auditor has earned when the job ends.

    Silence is silence, whatever the finding.  Where nothing is known, nobody else is blamed; where
    the worker was wrong, only who confirmed it is; only of a panel's majority it is known that it
    was right.
    """
    if audit.blinded is None:
        return AuditResult.SILENT
    confirmed = audit.root is not None and audit.root == plan.root
    if finding is Finding.STANDS:
        return AuditResult.RIGHT if confirmed else AuditResult.WRONG
    if finding is Finding.WRONG and confirmed:
        return AuditResult.WRONG
    is_right = audit.root is not None and audit.root == majority_root(plan.audits)
    if finding is Finding.WRONG and plan.is_panel and is_right:
        return AuditResult.RIGHT
    return AuditResult.UNKNOWN


def _drawn(beacon: bytes, job: int, draw: int) -> int:
    numbers = job.to_bytes(_NUMBER_BYTES, "big") + draw.to_bytes(_NUMBER_BYTES, "big")
    return int.from_bytes(hash_draw(beacon + numbers)[:_DRAWN_BYTES], "big")
