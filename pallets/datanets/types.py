"""What `Datanets` stores beside the versions, which are in `runtime.wire.records`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, TypeAlias

from runtime import (
    U32,
    AccountId,
    Amount,
    BlockNumber,
    Hash,
    LongText,
    Max,
    ShortText,
)

VERDICT_COUNTS_MAX = 256
"""The most submissions that one version reviews."""

VerdictCounts: TypeAlias = Annotated[
    tuple[tuple[U32, U32, U32, U32], ...],
    Max(VERDICT_COUNTS_MAX),
]
"""(submission, accepted, duplicate, rejected) of each reviewed submission, in their order."""


class SubmissionState(IntEnum):
    """The life of a submission; the last two are final."""

    COMMITTED = 0
    REVEALED = 1
    REVIEWED = 2
    EXPIRED = 3


@dataclass(frozen=True, slots=True)
class Datanet:
    """What was fixed when the Datanet was created."""

    owner: AccountId
    """Its curator."""
    name: ShortText
    description: LongText
    licence: ShortText
    contributor_bond_per_row: Amount
    minhash_seed: U32
    created_at: BlockNumber


@dataclass(frozen=True, slots=True)
class Submission:
    """Rows that a contributor committed to; its number is its place in the order of credit."""

    contributor: AccountId
    commitment: Hash
    row_count: U32
    bond: Amount
    sponsored: bool
    """Whether the bond is the Datanet owner's."""
    committed_at: BlockNumber
    rows_root: Hash | None
    blob: Hash | None
    """Content hash of the blob that lists the rows."""
    state: SubmissionState
