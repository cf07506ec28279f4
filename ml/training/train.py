"""A training run: the work order in; a PEFT adapter, its transcript and kept states out.

The worker chooses nothing: weights start from the job's own stream, rows come in the order of the
beacon, the parameters are the order's, and the operators give the same bits on every machine and
under any number of threads.  What is written, and how a killed run goes on: `run_files.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml.exact.loss import LOSS_UNITS
from ml.exact.optimiser import AdamState
from ml.exact.products import Backend
from ml.training.job import PreparedJob, prepare
from ml.training.recipe import attribution_steps, kept_steps
from ml.training.run_files import RunFiles
from ml.training.steps import advance, begin, conclude, result_files, validate
from runtime.hashing import ZERO_HASH, hash_content
from runtime.merkle import list_root
from runtime.offchain import TrainingOrder, TrainingReport, TrainingRow
from runtime.types import PPB
from runtime.wire.blobs import encode_blob
from runtime.wire.records import TrainingOutcome
from runtime.wire.training_parameters import leaves_of
from runtime.wire.transcripts import StateRecord, TranscriptLeaf, state_parts


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """What a progress bar shows after a step."""

    step: int
    """Steps done so far."""
    step_count: int
    loss: float
    """Mean loss of the step's batch in nats."""


def train(
    order: TrainingOrder,
    rows: Sequence[TrainingRow],
    base_model: Path,
    output: Path,
    on_step: Callable[[StepMetrics], None],
    backend: Backend = "int8",
) -> TrainingReport:
    """Train the adapter that `order` asks for, or go on with it, and write it under `output`.

    `on_step` hears of every step, and may end the run by an exception: it goes on another time.  A
    fault, or an `abort` file, ends it with an outcome that has no adapter.  Raises `OrderInvalid`
    for parameters, rows or a base model that are not the order's, and `ModelUnusable` for a
    directory that holds no such model.
    """
    run = _Run(prepare(order, rows, base_model, backend), RunFiles(output))
    run.train(on_step)
    return run.report()


def state_record(step: int, state: bytes) -> StateRecord:
    """How a kept state is named."""
    parts = [hash_content(part) for part in state_parts(state)]
    return StateRecord(step, hash_content(encode_blob(parts)))


class _Run:
    """The state of one run."""

    def __init__(self, job: PreparedJob, files: RunFiles) -> None:
        self._job = job
        self._files = files
        self._leaves: list[TranscriptLeaf] = []
        self._state: AdamState
        progress = files.resume()
        if progress is not None and progress.leaves[0].job == job.order_hash:
            self._leaves.extend(progress.leaves)
            self._state = AdamState.decode(progress.state)
            files.start(self._leaves)
        else:
            files.start(())
            self._state, leaf = begin(job)
            self._note(leaf, leaf.loss_grid)

    def train(self, on_step: Callable[[StepMetrics], None]) -> None:
        """Go from where the run is to its end."""
        steps = self._job.parameters.steps
        kept, looked_at = kept_steps(self._job.parameters), attribution_steps(self._job.parameters)
        while not self._is_over() and self._leaves[-1].step < steps:
            step = self._leaves[-1].step + 1
            self._state, leaf = advance(self._job, self._state, step)
            # After the last step the conclusion tells it.
            is_shown = step in looked_at and step < steps and not leaf.fault
            self._note(leaf, validate(self._job, self._state)[0] if is_shown else None)
            if step in kept and not leaf.fault:
                self._files.keep(step, self._state.encode())
            on_step(StepMetrics(step, steps, leaf.loss_grid / LOSS_UNITS))
        if not self._is_over():
            leaf = conclude(self._job, self._state)
            self._note(leaf, leaf.loss_grid)

    def report(self) -> TrainingReport:
        """Write the results and say what they are."""
        last = self._leaves[-1]
        is_whole = len(self._leaves) == leaves_of(self._job.parameters) and not last.fault
        encoded = [leaf.encode() for leaf in self._leaves]
        adapter = result_files(self._job, self._state) if is_whole else {}
        blob = self._files.finish(encoded, adapter)
        outcome = TrainingOutcome(
            adapter=last.batch_root if is_whole else ZERO_HASH,
            transcript_root=list_root(encoded),
            transcript=hash_content(blob),
            states=hash_content(encode_blob(self._state_records())),
            leaf_count=len(encoded),
            fault=last.fault,
            validation_loss_before_ppb=_ppb(self._leaves[0].loss_grid),
            validation_loss_after_ppb=_ppb(last.loss_grid),
        )
        steps = self._leaves[1 : self._job.parameters.steps + 1]
        return TrainingReport(outcome, tuple(leaf.loss_grid / LOSS_UNITS for leaf in steps))

    def _state_records(self) -> list[bytes]:
        records = (state_record(step, self._files.state(step)) for step in self._files.kept())
        return [record.encode() for record in records]

    def _is_over(self) -> bool:
        last = self._leaves[-1]
        is_whole = last.step > self._job.parameters.steps
        return bool(last.fault) or is_whole or self._files.is_aborted

    def _note(self, leaf: TranscriptLeaf, validation_loss: int | None) -> None:
        self._leaves.append(leaf)
        self._files.add(leaf, validation_loss)


def _ppb(loss_grid: int) -> int:
    return round(loss_grid * PPB / LOSS_UNITS)
