"""How a job ends, and what that costs whom: pure functions; README.md has the table.

A job's life (`JobState`), with the one deadline that counts in each state:

    OPEN       until `claim_blocks` after the order a worker may claim it
    CLAIMED    until `commit_blocks` after the claim its worker may commit to a blinded root
    COMMITTED  auditors may be drawn, who commit to their own blinded roots (`Auditing`); after
               them its worker has until `reveal_blocks` after they are due to reveal
    REVEALED   within `certify_blocks` validators certify that they hold what it takes to check
               the result; then it can be challenged for `window_blocks`, and each dispute that the
               worker survives begins a new window
    SETTLED    the worker is paid; a whole training job's adapter is registered
    REFUNDED   the owner has its fee back
    CONVICTED  the result was wrong or withheld: the owner is refunded, the worker's bond forfeited

At a deadline's own height the first half of the sentence is over, and `settle` by anybody ends the
job as its state says.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.arithmetic import apply_ppb
from runtime.wire.records import Finding, Job, JobState, TrainingOutcome


@dataclass(frozen=True, slots=True)
class Ending:
    """The last state of a job; amounts in 10**-18 OPEN."""

    state: JobState
    finding: Finding
    paid: int = 0
    """To the worker, of the fee; what is neither paid nor levied goes back to the owner."""
    levy: int = 0
    """To the account that pays audits, of the fee."""
    forfeited: int = 0
    """What the worker loses of its bond."""


def refunded(forfeited: int = 0) -> Ending:
    """The end of a job that came to nothing; the worker, if there is one, forfeits something."""
    return Ending(JobState.REFUNDED, Finding.OPEN, forfeited=forfeited)


def convicted(job: Job, finding: Finding) -> Ending:
    """The end of a job whose result is wrong or withheld: all that was locked for it is lost."""
    return Ending(JobState.CONVICTED, finding, forfeited=job.bond)


def settled(job: Job, result: TrainingOutcome, levy_ppb: int) -> Ending:
    """The end of a job whose result stands: its worker is paid for the leaves there are."""
    earned = job.fee * result.leaf_count // job.order.leaf_count
    levy = apply_ppb(earned, levy_ppb)
    return Ending(JobState.SETTLED, Finding.STANDS, earned - levy, levy)


def ending_of(job: Job, finding: Finding, lapse_ppb: int, levy_ppb: int) -> Ending:
    """The end of a job whose deadline has passed; `finding` is what is known of its result."""
    price = apply_ppb(job.fee, lapse_ppb)
    if job.state is JobState.OPEN:
        return refunded()
    if job.state is JobState.CLAIMED:
        return refunded(0 if job.aborted else price)
    if job.result is None:
        return convicted(job, Finding.OPEN)
    if not (job.panel or job.certified):
        return refunded(price)
    if finding is Finding.STANDS:
        return settled(job, job.result, levy_ppb)
    return refunded() if finding is Finding.OPEN else convicted(job, finding)


def audits_part(job: Job, ending: Ending) -> int:
    """What the account that pays audits gets: the levy, and the pay of a panel that has found."""
    return ending.levy + (0 if ending.finding is Finding.OPEN else job.panel_pay)
