"""Work orders and results as `ml/` sees them: plain data, so `ml/` never imports `pallets/`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime.codec import codec_of
from runtime.hashing import hash_exam_order, hash_influence_order, hash_order
from runtime.types import U8, U32, U64, AccountId, Amount, Hash, Max
from runtime.wire.records import TrainingOutcome
from runtime.wire.rows import Row, RowRecord
from runtime.wire.training_parameters import SOURCES_MAX, TEMPLATE_BYTES_MAX, TrainingParameters


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """A row of a Datanet version with its record.

    Its index is its position in the version, after the rows of the versions before it.
    """

    row: Row
    record: RowRecord


@dataclass(frozen=True, slots=True)
class RowsOfVersion:
    """The commitment to the rows of one Datanet version."""

    rows_root: Hash
    row_count: U32


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """All that determines a training run: the worker chooses nothing."""

    job: U32
    base_model: Hash
    sources: Annotated[tuple[RowsOfVersion, ...], Max(SOURCES_MAX)]
    beacon: Hash
    """Beacon of a height after acceptance: the seed of the data order."""
    parameters: TrainingParameters

    def hash(self) -> bytes:
        """The 32 bytes by which every leaf of the job's transcript is bound to it."""
        return hash_order(codec_of(TrainingOrder).encode(self))


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What a worker has in hand after a run, beside the files it wrote."""

    outcome: TrainingOutcome
    losses: tuple[float, ...]
    """Mean loss of each step's batch, in nats."""


@dataclass(frozen=True, slots=True)
class ExamOrder:
    """All that determines how a model does in an exam."""

    job: U32
    base_model: Hash
    adapter: Hash | None
    """None for the base model alone."""
    rows_root: Hash
    """Merkle list of the rows' hashes."""
    row_count: U32
    tokens_max: U32
    prompt_template: Annotated[str, Max(TEMPLATE_BYTES_MAX)]
    """That of the adapter's training."""

    def hash(self) -> bytes:
        """The 32 bytes by which every leaf of the job's transcript is bound to it."""
        return hash_exam_order(codec_of(ExamOrder).encode(self))


@dataclass(frozen=True, slots=True)
class Answer:
    """One answered request, as the attribution job weighs it."""

    prompt: str
    output: str
    weight: int
    """The fee of the answer, in units of 10**-18 OPEN."""

    def encode(self) -> bytes:
        """The canonical bytes of the leaf by which an influence order commits to the answer."""
        said = Row(self.prompt, self.output).hash()
        return codec_of(AnswerLeaf).encode(AnswerLeaf(said, self.weight))


@dataclass(frozen=True, slots=True)
class AnswerLeaf:
    """An answer of an influence order: the hash of what was said, and its weight."""

    said: Hash
    """Of the prompt and the output as a `Row`."""
    weight: Amount


@dataclass(frozen=True, slots=True)
class InfluenceOrder:
    """All that determines an attribute job: one replay of one training for all of the answers."""

    job: U32
    training: Hash
    """Hash of the `TrainingOrder`."""
    answers_root: Hash
    """Merkle list of the encoded `Answer`s, in the order in which they are given."""
    answer_count: U32
    nodes: U8
    """At how many weights the training is replayed: k / nodes of every row for each k from 1."""
    gain_floor_grid: U64
    """An answer counts by its fee over what the adapter gained on it, but over no less than this,
    in 2**-30 nats; so an echo of one's own rows captures no more than its fee.  0: by its fee."""
    pool: Amount
    """What is divided by the scores."""
    treasury: AccountId
    """Who gets a pool that nobody earned."""

    def hash(self) -> bytes:
        """The 32 bytes by which every leaf of the job's transcript is bound to it."""
        return hash_influence_order(codec_of(InfluenceOrder).encode(self))
