"""Credit classes: rows that say nearly the same, which share one credit.

A version has no two rows of one class: its review keeps copies out (`ml/data/review.py`).  A job
may read versions of several Datanets; what they have in common is found by the same review, and
the first version that the job names was first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ml.data.review import Submission, review
from runtime.offchain import TrainingRow

_SEED = 0
"""Of the sketches: which candidates are compared, not whether they are alike."""


def credit_classes(rows: Sequence[TrainingRow], counts: Sequence[int]) -> tuple[int, ...]:
    """Of each row, the index of the first row of its class; `counts` are the versions' rows."""
    if len(counts) == 1:
        return tuple(range(len(rows)))
    starts = list(_starts(counts))
    submissions = [
        Submission(number, b"", [row.row for row in rows[start : start + count]])
        for number, (start, count) in enumerate(zip(starts, counts, strict=True))
    ]
    verdicts = review(submissions, _SEED).verdicts
    return tuple(starts[each.class_submission] + each.class_index for each in verdicts)


def _starts(counts: Sequence[int]) -> Iterator[int]:
    start = 0
    for count in counts:
        yield start
        start += count
