"""Work orders and results as `ml/` sees them: plain data, so `ml/` never imports `pallets/`."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.wire.records import TrainingOutcome, TrainingParameters
from runtime.wire.rows import Row, RowRecord


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """A row of the Datanet version with its record; its position in the version is its index."""

    row: Row
    record: RowRecord


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """All that determines a training run: the worker chooses nothing."""

    job: int
    base_model: bytes
    rows_root: bytes
    beacon: bytes
    """Beacon of a height after acceptance: the seed of the data order, 32 bytes."""
    parameters: TrainingParameters


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What a worker has in hand after a run, beside the files it wrote."""

    outcome: TrainingOutcome
    losses: tuple[float, ...]
    """Mean loss of each step's batch, in nats."""
    validation_loss_before: float
    validation_loss_after: float


@dataclass(frozen=True, slots=True)
class Answer:
    """One answered request, as the attribution job weighs it."""

    prompt: str
    output: str
    weight: int
    """The fee of the answer, in units of 10**-18 OPEN."""
