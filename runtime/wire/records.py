"""The on-chain records that receipts prove, shared by the storing pallets and the verifiers.

Each is a storage value of the pallet and item named in its docstring.  They are plain dataclasses:
`codec_of(Record)` gives their canonical encoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from runtime.types import (
    PPB,
    U8,
    U32,
    AccountId,
    Amount,
    Between,
    BlockNumber,
    Hash,
    Max,
)
from runtime.wire.datanets import Purpose
from runtime.wire.exams import ExamFigures, exam_leaves
from runtime.wire.training_parameters import SOURCES_MAX, TrainingParameters, leaves_of

ShareInPpb = Annotated[int, Between(0, PPB)]


class JobKind(IntEnum):
    """What a bonded worker is asked to do."""

    TRAIN = 0
    ATTRIBUTE = 1
    EVALUATE = 2


class JobState(IntEnum):
    """The life of a job."""

    OPEN = 0
    CLAIMED = 1
    COMMITTED = 2
    REVEALED = 3
    SETTLED = 4
    REFUNDED = 5
    CONVICTED = 6


UNFINISHED = (JobState.OPEN, JobState.CLAIMED, JobState.COMMITTED, JobState.REVEALED)
"""The states in which a job goes on."""


class Finding(IntEnum):
    """What is known of a result when its job ends."""

    STANDS = 0
    WRONG = 1
    OPEN = 2
    """Nothing: it was not revealed, not available, or its panel did not agree."""


PANEL_MAX = 8
"""The most auditors of one job."""
Panel = Annotated[tuple[AccountId, ...], Max(PANEL_MAX)]
"""Bonded workers who hold the keys of private rows, in the order of accounts."""


@dataclass(frozen=True, slots=True)
class DatanetVersion:
    """`Datanets.versions[(datanet, version)]`: what a training job may name."""

    rows_root: Hash
    """Merkle list of the encoded `RowRecord`s, in order of commitment."""
    row_count: U32
    records: Hash
    """Content hash of the blob that lists those records (`runtime.wire.blobs`)."""
    verdicts_root: Hash
    """Merkle list of the verdict bytes over every reviewed row, in order of commitment."""
    reviewed_count: U32
    published_at: BlockNumber


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """What a job came to: the adapter, or what else was made, and every state on the way to it."""

    adapter: Hash
    """Manifest hash of the PEFT directory, or content hash of what a job of another kind made.

    Zeros where the transcript ends early.
    """
    transcript_root: Hash
    """Merkle list of the encoded leaves (`runtime.wire.transcripts`)."""
    transcript: Hash
    """Content hash of the transcript, kept in the content store."""
    states: Hash
    """Content hash of the blob that lists a `StateRecord` for every state that is kept."""
    leaf_count: U32
    """Leaves under the root: `leaves_of` the parameters, or fewer where the last has a fault."""
    fault: U8
    """That of the last leaf; 0 for none."""
    validation_loss_before_ppb: Annotated[int, Between(0, 2**63)]
    validation_loss_after_ppb: Annotated[int, Between(0, 2**63)]


@dataclass(frozen=True, slots=True)
class RowSource:
    """A Datanet version whose rows a job reads."""

    datanet: U32
    version: U32


@dataclass(frozen=True, slots=True)
class JobOrder:
    """What is to be computed; with the beacon after the claim it determines every leaf."""

    kind: JobKind
    base_model: Hash
    sources: Annotated[tuple[RowSource, ...], Max(SOURCES_MAX)]
    """One after the other; the first is what the adapter's record names."""
    purpose: Purpose
    """What the result is for: every source must permit it."""
    leaf_count: U32
    """Leaves of the whole transcript."""
    parameters: TrainingParameters | None = None
    """Of a training job."""
    subject: Hash | None = None
    """The model that a job of another kind evaluates or attributes."""
    details: Hash | None = None
    """Content hash of all else that determines an attribute job."""
    exam: U32 | None = None
    """What an evaluate job scores its subject on: an adapter, or the base model itself."""


def exam_order(base_model: bytes, subject: bytes, exam: int, row_count: int) -> JobOrder:
    """The order of scoring an adapter, or the base model itself, on an exam of so many rows."""
    leaf_count = exam_leaves(row_count)
    purpose = Purpose.RESEARCH
    return JobOrder(
        JobKind.EVALUATE, base_model, (), purpose, leaf_count, subject=subject, exam=exam
    )


def training_order(
    base_model: bytes,
    sources: tuple[RowSource, ...],
    parameters: TrainingParameters,
    purpose: Purpose = Purpose.COMMERCIAL,
) -> JobOrder:
    """The order of an adapter trained on the rows of Datanet versions."""
    leaf_count = leaves_of(parameters)
    return JobOrder(JobKind.TRAIN, base_model, sources, purpose, leaf_count, parameters)


@dataclass(frozen=True, slots=True)
class Job:
    """`Compute.jobs[job]`: a work order that its worker may not deviate from, and how far it is."""

    owner: AccountId
    order: JobOrder
    fee: Amount
    bond: Amount
    """What is locked of the worker's bond."""
    panel: Panel
    """Who judges a result over private rows: it is *panel-verified*; empty where anybody can."""
    panel_pay: Amount
    """What is held, beside the fee, to pay the panel."""
    deadline: BlockNumber
    """The height from which `settle` ends the job as its state says."""
    state: JobState = JobState.OPEN
    worker: AccountId | None = None
    claimed_at: BlockNumber | None = None
    """The height of the claim; the data order is drawn from the beacon of the block after it."""
    aborted: bool = False
    """Whether the owner wants no more than was done when it said so."""
    blinded: Hash | None = None
    """The blinded transcript root (`runtime.wire.transcripts.blinded_root`)."""
    result: TrainingOutcome | None = None
    certified: bool = False
    """Whether the validators hold what it takes to check the result."""
    disputed: bool = False
    """Whether a dispute is open: there is one at a time."""
    ordered_at: BlockNumber = 0
    """The height of the order: what could be known of its rows was known then."""
    figures: ExamFigures | None = None
    """What a revealed evaluate job has found."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What an answer costs: per 1,000 prompt tokens and per 1,000 output tokens."""

    input_per_1000: Amount
    output_per_1000: Amount


@dataclass(frozen=True, slots=True)
class Shares:
    """How the net fee of an answer is divided; the four sum to 10**9."""

    owner_ppb: ShareInPpb
    stakers_ppb: ShareInPpb
    worker_ppb: ShareInPpb
    contributors_ppb: ShareInPpb


@dataclass(frozen=True, slots=True)
class Model:
    """`Models.models[adapter_hash]`: a registered adapter."""

    owner: AccountId
    base_model: Hash
    job: U32
    datanet: U32
    version: U32
    public: bool
    prices: Prices
    shares: Shares


@dataclass(frozen=True, slots=True)
class AnswerBatch:
    """`Inference.batches[(model, epoch, index)]`: the answers one server settled at once."""

    server: AccountId
    receipts_root: Hash
    """Merkle-sum tree of the receipts, each with its fee; the sum is `fees`."""
    receipts: Hash
    """Content hash of the blob that lists the receipts."""
    answer_count: U32
    fees: Amount
    platform_fees: Amount
    contributor_share: Amount
    settled_at: BlockNumber


@dataclass(frozen=True, slots=True)
class Settlement:
    """`Attribution.settlements[(model, epoch)]`: how an epoch's contributor pool is divided."""

    worker: AccountId
    job: U32
    """The attribute job that came to this, and could be disputed."""
    pool: Amount
    """What is divided: the epoch's, less what it paid for the job."""
    payout_root: Hash
    """Merkle-sum tree of the encoded `PayoutLeaf`s, each with its amount; the sum is `pool`."""
    leaf_count: U32
    payouts: Hash
    """Content hash of the blob that lists those leaves."""
    scores_root: Hash
    """Merkle-sum tree of the encoded `ScoreLeaf`s, one a trained row, each with its credit."""
    credits: Amount
    """The sum of that tree: an owner's part of the pool is its part of these credits."""
    scores: Hash
    """Content hash of the blob that lists those leaves."""
    nodes: U8
    """At how many weights of the data influence was taken."""
    settled_at: BlockNumber


@dataclass(frozen=True, slots=True)
class PayoutLeaf:
    """One owner's part of an epoch's contributor pool."""

    owner: AccountId
    amount: Amount
    error: Amount = 0
    """One standard error of the amount, by those of the rows' scores; 0 where none is known."""


Score = Annotated[int, Between(-(2**63), 2**63 - 1)]
"""An influence on a 2**-30 grid of nats."""


@dataclass(frozen=True, slots=True)
class ScoreLeaf:
    """One row's influence on everything the model said in the epoch."""

    row_hash: Hash
    owner: AccountId
    score: Score
    """Positive: the row made what was said more likely."""
    error: Annotated[int, Between(0, 2**63 - 1)] = 0
    """One standard error of the score, on the same grid; 0 where none is known."""
    credit: Annotated[int, Between(0, 2**63 - 1)] = 0
    """What its owner is paid by: the score less its error, 0 for a copy and for what harmed."""
