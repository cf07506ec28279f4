"""A training run: the work order in, a PEFT adapter with its checkpoints and a transcript out.

The worker chooses nothing: weights start from the job's own stream, rows come in the order of the
beacon, and the parameters are the order's.  On one machine and thread count a repeated run gives
the same bytes.  Written under `output`:

    adapter/          the PEFT directory with its checkpoints (`ml/training/adapter.py`)
    transcript.cbor   the blob of the encoded `TranscriptLeaf`s
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ml.errors import OrderInvalid, TrainingFault
from ml.manifest import manifest_of
from ml.training.adam import AdamW
from ml.training.adapter import (
    WEIGHTS_FILE,
    AdaptedModel,
    Checkpoint,
    load_base,
    save_checkpoints,
    save_config,
    save_tensors,
    shape_of,
)
from ml.training.encode import EncodedRow, encode_rows, load_tokenizer
from ml.training.loss import add_gradients, mean_loss
from ml.training.order import TrainingPlan, check_rows, plan_of, stream_key
from ml.training.recipe import check_parameters, checkpoint_steps, learning_rate_at
from ml.training.transcript import Fault, leaf_of, state_root
from runtime.hashing import ZERO_HASH, hash_content
from runtime.merkle import list_root
from runtime.offchain import TrainingOrder, TrainingReport, TrainingRow
from runtime.types import PPB
from runtime.wire.blobs import encode_blob
from runtime.wire.records import TrainingOutcome

ADAPTER_DIRECTORY = "adapter"
TRANSCRIPT_FILE = "transcript.cbor"


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """What a progress bar shows after a step."""

    step: int
    """Steps done so far, from 1."""
    step_count: int
    loss: float
    """Mean loss of the step's batch in nats."""
    learning_rate: float


def train(
    order: TrainingOrder,
    rows: Sequence[TrainingRow],
    base_model: Path,
    output: Path,
    on_step: Callable[[StepMetrics], None],
) -> TrainingReport:
    """Train the adapter that `order` asks for and write it under `output`.

    An earlier run's files there are replaced.  Raises `OrderInvalid` for parameters, rows or a base
    model that are not the order's, `ModelUnusable` for a directory that holds no such model, and
    `TrainingFault` where numbers stop being finite (the transcript up to there is on disk).
    """
    check_parameters(order.parameters)
    check_rows(order, rows)
    if manifest_of(base_model).hash() != order.base_model:
        message = f"{base_model} is not the base model of job {order.job}."
        raise OrderInvalid(message, remedy="Use the directory whose manifest hash the order names.")
    run = _Run(order, rows, base_model, output)
    loss_before = mean_loss(run.model, run.validation)
    run.note(0, ZERO_HASH, loss_before, Fault.NONE)
    losses = run.train(on_step)
    loss_after = mean_loss(run.model, run.validation)
    adapter = manifest_of(run.directory).hash()
    run.note(order.parameters.steps + 1, adapter, loss_after, Fault.NONE)
    run.write_transcript()
    outcome = TrainingOutcome(
        adapter=adapter,
        transcript_root=list_root(run.leaves),
        transcript=hash_content(encode_blob(run.leaves)),
        states=ZERO_HASH,
        leaf_count=len(run.leaves),
        fault=int(Fault.NONE),
        validation_loss_before_ppb=round(loss_before * PPB),
        validation_loss_after_ppb=round(loss_after * PPB),
    )
    return TrainingReport(outcome, losses, loss_before, loss_after)


class _Run:
    """The state of one run."""

    def __init__(
        self, order: TrainingOrder, rows: Sequence[TrainingRow], base_model: Path, output: Path
    ) -> None:
        parameters = order.parameters
        self.order = order
        self.plan: TrainingPlan = plan_of(order, rows)
        self.row_hashes = [row.record.row_hash for row in rows]
        base = load_base(base_model, parameters.target_modules)
        self.model = AdaptedModel(base, shape_of(parameters))
        if parameters.tokens_max > self.model.context_tokens_max:
            limit = self.model.context_tokens_max
            message = f"The order's rows have up to {parameters.tokens_max} tokens."
            raise OrderInvalid(message, remedy=f"This base model reads at most {limit}.")
        self.model.initialise(stream_key(order))
        texts = [row.row for row in rows]
        self.encoded = encode_rows(load_tokenizer(base_model), texts, parameters.tokens_max)
        self.optimiser = AdamW(
            self.model.parameters,
            epsilon=parameters.epsilon_ppb / PPB,
            weight_decay=parameters.weight_decay_ppb / PPB,
        )
        self.leaves: list[bytes] = []
        self.output = output
        self.directory = output / ADAPTER_DIRECTORY
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)

    @property
    def validation(self) -> list[EncodedRow]:
        return [self.encoded[index] for index in self.plan.validation]

    def train(self, on_step: Callable[[StepMetrics], None]) -> tuple[float, ...]:
        parameters = self.order.parameters
        kept_after = checkpoint_steps(parameters)
        checkpoints: list[Checkpoint] = []
        losses: list[float] = []
        for step, batch in enumerate(self.plan.batches):
            rate = learning_rate_at(parameters, step)
            losses.append(self._step(step, batch, rate))
            if step + 1 in kept_after:
                checkpoints.append(self._checkpoint(step + 1, rate))
            on_step(StepMetrics(step + 1, parameters.steps, losses[-1], rate))
        save_checkpoints(self.directory, tuple(checkpoints))
        save_config(self.directory, self.model.shape, self.order.base_model)
        return tuple(losses)

    def note(self, step: int, batch_root: bytes, loss: float, fault: Fault) -> None:
        state = state_root(self.model, self.optimiser)
        leaf = leaf_of(self.order, step, state, batch_root, loss, fault)
        self.leaves.append(leaf.encode())

    def _step(self, step: int, batch: Sequence[int], rate: float) -> float:
        value = add_gradients(self.model, [self.encoded[index] for index in batch])
        fault = Fault.NONE
        if math.isfinite(value):
            self.optimiser.step(rate)
            if not self._is_finite():
                fault = Fault.STATE_NOT_FINITE
        else:
            fault = Fault.LOSS_NOT_FINITE
        rows = list_root([self.row_hashes[index] for index in batch])
        self.note(step + 1, rows, value, fault)
        if fault:
            self.write_transcript()
            message = f"Training left the finite numbers in step {step} ({fault.name.lower()})."
            remedy = "Train with a lower learning rate or a larger epsilon."
            raise TrainingFault(message, remedy=remedy, step=step, code=int(fault))
        return value

    def _is_finite(self) -> bool:
        moments = self.optimiser.moments
        return all(
            bool(torch.isfinite(tensor).all())
            for name, parameter in self.model.parameters.items()
            for tensor in (parameter, moments[name].mean, moments[name].square)
        )

    def _checkpoint(self, step: int, rate: float) -> Checkpoint:
        """Keep the weights; after the last step they are the adapter itself."""
        last = step == self.order.parameters.steps
        file = WEIGHTS_FILE if last else f"checkpoint-{step:05d}.safetensors"
        save_tensors(self.directory / file, self.model.tensors())
        return Checkpoint(step, rate, file)

    def write_transcript(self) -> None:
        (self.output / TRANSCRIPT_FILE).write_bytes(encode_blob(self.leaves))
