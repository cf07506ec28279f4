"""What a review must agree with, and what follows from it: pure, in integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pallets.submissions.types import VerdictCounts
from runtime.types import PPB
from runtime.wire.datanets import Submission, SubmissionState


def first_out_of_order(verdict_counts: VerdictCounts) -> int | None:
    """The first submission that is not above the one before it, or None."""
    last = -1
    for submission, *_ in verdict_counts:
        if submission <= last:
            return submission
        last = submission
    return None


def is_as_scored(usable: int, row_count: int, score_ppb: int, tolerance_ppb: int) -> bool:
    """Whether the share of rows that are not rejected is what a panel scored, or near it."""
    return abs(usable * PPB - score_ppb * row_count) <= tolerance_ppb * row_count


def reviewed(record: Submission, counts: Sequence[int], version: int, until: int) -> Submission:
    """The submission after its review: (accepted, duplicate, rejected) `counts`, for a version.

    Its bond answers for it up to the height `until`.
    """
    accepted, _, rejected = counts
    return replace(
        record,
        state=SubmissionState.REVIEWED,
        version=version,
        accepted=accepted,
        rejected=rejected,
        answerable_until=until,
    )
