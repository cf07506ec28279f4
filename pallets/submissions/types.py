"""What the calls of `Submissions` take and store, beside `runtime.wire.datanets`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from runtime import U32, Hash, Max

VERDICT_COUNTS_MAX = 256
"""The most submissions that one version reviews."""

VerdictCounts: TypeAlias = Annotated[
    tuple[tuple[U32, U32, U32, U32], ...],
    Max(VERDICT_COUNTS_MAX),
]
"""(submission, accepted, duplicate, rejected) of each reviewed submission, in their order."""


@dataclass(frozen=True, slots=True)
class VersionRoots:
    """What a new version commits to; each root with the content hash of the blob that lists it."""

    rows_root: Hash
    """Merkle list of the `RowRecord`s of all rows accepted so far, in order of commitment."""
    records: Hash
    verdicts_root: Hash
    """Merkle list of the verdicts on all rows reviewed so far, in order of review."""
    verdicts: Hash
    """The blob has the verdicts of this version only."""
    changes_root: Hash
    """Merkle list of the `RowChange`s against the version before."""
    changes: Hash
