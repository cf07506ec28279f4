"""What `Reports` stores."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from runtime import U32, AccountId, Amount, BlockNumber, Hash


class EvidenceKind(IntEnum):
    """What is said of rows; the evidence's blob shows it so that anybody can check it."""

    DUPLICATE = 0
    """The rows repeat rows committed before; the evidence lists both."""
    SCHEMA = 1
    """The rows break the schema, or the curator accepted what the validator rejects."""
    POISONED = 2
    """The rows harm models: the evidence lists their negative influence, epoch by epoch."""
    LICENCE = 3
    """The rows were not the contributor's to give; the evidence names the source."""
    APPEAL = 4
    """The contributor's own: the curator rejected what the validator accepts."""


class ReportState(IntEnum):
    """The life of a report."""

    OPEN = 0
    """The accused may answer."""
    CONVENED = 1
    """A panel decides."""
    RESOLVED = 2


@dataclass(frozen=True, slots=True)
class Report:
    """Evidence against rows of a submission, or for them."""

    reporter: AccountId
    datanet: U32
    submission: U32
    kind: EvidenceKind
    rows: U32
    evidence: Hash
    """Content hash of what shows it."""
    deposit: Amount
    reported_at: BlockNumber
    state: ReportState
    answer: Hash | None = None
    case: U32 | None = None
