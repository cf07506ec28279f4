"""Work orders and results as `ml/` sees them: plain data, so `ml/` never imports `pallets/`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime.codec import codec_of
from runtime.hashing import hash_order
from runtime.types import U32, Hash, Max
from runtime.wire.records import TrainingOutcome
from runtime.wire.rows import Row, RowRecord
from runtime.wire.training_parameters import SOURCES_MAX, TrainingParameters


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
class Answer:
    """One answered request, as the attribution job weighs it."""

    prompt: str
    output: str
    weight: int
    """The fee of the answer, in units of 10**-18 OPEN."""
