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
    ShortText,
)
from runtime.wire.training_parameters import TrainingParameters

ShareInPpb = Annotated[int, Between(0, PPB)]


class JobKind(IntEnum):
    """What a bonded worker is asked to do."""

    TRAIN = 0
    ATTRIBUTE = 1


class JobState(IntEnum):
    """The life of a job; `COMMITTED` waits for its challenge window."""

    OPEN = 0
    CLAIMED = 1
    COMMITTED = 2
    SETTLED = 3
    REFUNDED = 4


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
    """What the worker committed to: the adapter and every state on the way to it."""

    adapter: Hash
    """Manifest hash of the PEFT directory; zeros for a job that ended with a fault."""
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
class TrainingJob:
    """`Compute.training_jobs[job]`: the work order that a worker may not deviate from."""

    owner: AccountId
    base_model: Hash
    datanet: U32
    version: U32
    parameters: TrainingParameters
    fee: Amount
    state: JobState
    worker: AccountId | None
    claimed_at: BlockNumber | None
    """The height of the claim; the data order is drawn from the beacon of the block after it."""
    deadline: BlockNumber
    """The height from which an unfinished claim may be refunded, or a committed job settled."""
    result: TrainingOutcome | None


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
    pool: Amount
    payout_root: Hash
    """Merkle-sum tree of the encoded `PayoutLeaf`s, each with its amount; the sum is `pool`."""
    leaf_count: U32
    payouts: Hash
    """Content hash of the blob that lists those leaves."""
    scores_root: Hash
    """Merkle list of the encoded `ScoreLeaf`s, one a trained row."""
    scores: Hash
    """Content hash of the blob that lists those leaves."""
    method: ShortText
    state: JobState
    deadline: BlockNumber


@dataclass(frozen=True, slots=True)
class PayoutLeaf:
    """One owner's part of an epoch's contributor pool."""

    owner: AccountId
    amount: Amount


@dataclass(frozen=True, slots=True)
class ScoreLeaf:
    """One row's influence on everything the model said in the epoch, on a 2**-30 grid of nats."""

    row_hash: Hash
    owner: AccountId
    score: Annotated[int, Between(-(2**63), 2**63 - 1)]
