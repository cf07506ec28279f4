"""Influence of trained rows on answers by TracInCP, computed by Captum.

`score[row, answer] = sum over checkpoints of learning_rate * <grad loss(row), grad loss(answer)>`
over the adapter's parameters (Pruthi et al., "Estimating Training Data Influence by Tracing
Gradient Descent", 2020, section 3.2).  Positive: training on the row made the answer more
likely.  The loss is training's own, so a score is in nats per answer token.

How a sequence model with a frozen base fits Captum 0.9:

- Captum hooks the input of every layer and needs a graph there; a frozen embedding has none.  The
  model it sees therefore starts *behind* the embedding, from inputs that require gradients.
- `sample_wise_grads_per_batch` gives per-row gradients from one backward pass (the outer product of
  a linear layer's input and output gradient), for a criterion that sums over rows.
- A list of checkpoint *names* would be sorted as file names; a tuple of objects is left alone.
- `TracInCPFast` and its random projections assume a two-dimensional last layer: no language model
  fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, IterableDataset

from ml.attribution.autograd import AdaptedModel, row_losses
from ml.base_model import load_base
from ml.errors import AttributionInvalid, ModelUnusable
from ml.exact.adapter import AdapterLayout, AdapterShape
from ml.exact.model import load_shape
from ml.exact.optimiser import AdamState
from ml.training.encode import EncodedRow, encode_rows, load_tokenizer, pad
from ml.training.recipe import attribution_steps, step_settings
from runtime.offchain import Answer, TrainingRow
from runtime.wire.rows import Row
from runtime.wire.training_parameters import TrainingParameters

BATCH_ROWS = 50
ANSWERS_MAX = 4_096
"""The most answers of one call."""
ANSWERS_AT_ONCE = 256
"""How many answers' gradients are kept in memory; every such group passes over the rows once."""
ANSWER_TOKENS_MAX = 512
"""How much of an answer is attributed; a base model's context length binds besides."""

Batch = tuple[torch.Tensor, torch.Tensor]
"""Embedded tokens [rows, tokens, width] and labels [rows, tokens], for model and loss."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A kept state of the training run and the learning rate of the step that reached it."""

    learning_rate: float
    state: bytes
    """In its canonical bytes (`ml.exact.optimiser.AdamState`)."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A checkpoint's adapter weights by PEFT name."""

    learning_rate: float
    tensors: dict[str, torch.Tensor]


def checkpoints_of(
    parameters: TrainingParameters, states: Mapping[int, bytes]
) -> tuple[Checkpoint, ...]:
    """The checkpoints that a job's attribution looks at, out of its kept states by step.

    Raises `AttributionInvalid` for a missing one.
    """
    missing = [step for step in attribution_steps(parameters) if step not in states]
    if missing:
        message = f"The state after step {missing[0]} is missing."
        raise AttributionInvalid(message, remedy="Fetch every state that the job's outcome lists.")
    return tuple(
        Checkpoint(step_settings(parameters, step).learning_rate, states[step])
        for step in attribution_steps(parameters)
    )


def tracin(
    base_model: Path,
    parameters: TrainingParameters,
    checkpoints: Sequence[Checkpoint],
    rows: Sequence[TrainingRow],
    answers: Sequence[Answer],
    on_progress: Callable[[float], None] | None = None,
) -> npt.NDArray[np.float64]:
    """Return the influence [rows, answers] of each row on each answer.

    `rows` are those that were trained on (`ml.training.order.trained_rows`), framed and cut as the
    training order's `parameters` say.  `on_progress` hears the done fraction.  Raises
    `AttributionInvalid` without rows or answers, or with too many answers, and `ModelUnusable` for
    checkpoints that do not fit the base model.
    """
    if not rows or not 1 <= len(answers) <= ANSWERS_MAX:
        message = f"Influence of {len(rows)} rows on {len(answers)} answers was asked for."
        remedy = f"Give at least one row and 1 to {ANSWERS_MAX} answers."
        raise AttributionInvalid(message, remedy=remedy)
    shape = AdapterShape(parameters.rank, parameters.alpha, parameters.target_modules)
    loaded = _loaded(AdapterLayout(load_shape(base_model), shape), checkpoints)
    model = AdaptedModel(load_base(base_model, shape.target_modules), shape)
    tokenizer, template = load_tokenizer(base_model), parameters.prompt_template
    room = min(ANSWER_TOKENS_MAX, model.context_tokens_max)
    said = [Row(answer.prompt, answer.output) for answer in answers]
    texts = [row.row for row in rows]
    engine = _Engine(model, loaded, on_progress or (lambda _fraction: None))
    return engine.influence(
        encode_rows(tokenizer, texts, parameters.tokens_max, template),
        encode_rows(tokenizer, said, room, template),
    )


def _loaded(layout: AdapterLayout, checkpoints: Sequence[Checkpoint]) -> tuple[_Loaded, ...]:
    vectors = [AdamState.decode(point.state).parameters for point in checkpoints]
    if any(len(vector) != layout.size for vector in vectors):
        message = f"The kept states are not of an adapter of {layout.size} numbers."
        raise ModelUnusable(message, remedy="Use the base model that the job was trained on.")
    return tuple(
        _Loaded(point.learning_rate, layout.tensors(vector))
        for point, vector in zip(checkpoints, vectors, strict=True)
    )


class _Decoder(torch.nn.Module):
    """The model as Captum sees it: from embedded tokens to the last hidden states."""

    def __init__(self, model: AdaptedModel) -> None:
        super().__init__()
        self.decoder = model.decoder
        self.adapted = (model,)  # in a tuple, so that torch does not register it a second time

    def forward(self, embedded: torch.Tensor) -> torch.Tensor:
        return self.adapted[0].hidden(embedded)


class _SummedLoss(torch.nn.Module):
    """The sum of the rows' losses; Captum takes the per-row gradients apart itself."""

    reduction = "sum"

    def __init__(self, head: torch.nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, hidden: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return row_losses(hidden, labels, self.head).sum()


class _Batches(IterableDataset[Batch]):
    """Rows in batches of similar length, embedded as they are asked for."""

    def __init__(
        self, model: AdaptedModel, rows: Sequence[EncodedRow], on_batch: Callable[[], None]
    ) -> None:
        self.order = sorted(range(len(rows)), key=lambda index: len(rows[index].ids))
        self._rows = [rows[index] for index in self.order]
        self._embedding = model.embedding
        self._on_batch = on_batch

    def __len__(self) -> int:
        return (len(self._rows) + BATCH_ROWS - 1) // BATCH_ROWS

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self._rows), BATCH_ROWS):
            ids, labels = pad(self._rows[start : start + BATCH_ROWS])
            yield self._embedding(ids).detach().requires_grad_(), labels
            self._on_batch()


class _Engine:
    """Captum's `TracInCP` over one adapter's checkpoints."""

    def __init__(
        self,
        model: AdaptedModel,
        checkpoints: tuple[_Loaded, ...],
        on_progress: Callable[[float], None],
    ) -> None:
        self._model = model
        self._checkpoints = checkpoints
        self._on_progress = on_progress

    def influence(
        self, rows: Sequence[EncodedRow], answers: Sequence[EncodedRow]
    ) -> npt.NDArray[np.float64]:
        from captum.influence import TracInCP

        groups = range(0, len(answers), ANSWERS_AT_ONCE)
        scores = np.zeros((len(rows), len(answers)))
        trained = _Batches(self._model, rows, self._ticker(len(groups), len(rows)))
        decoder = _Decoder(self._model)
        method = TracInCP(
            decoder,
            DataLoader(trained, batch_size=None),
            self._checkpoints,
            checkpoints_load_func=self._load,
            layers=_adapter_layers(decoder),
            loss_fn=_SummedLoss(self._model.head),
            batch_size=None,
            sample_wise_grads_per_batch=True,
        )
        for start in groups:
            group = _Batches(self._model, answers[start : start + ANSWERS_AT_ONCE], lambda: None)
            found = method.influence(DataLoader(group, batch_size=None)).double().numpy()
            columns = [start + index for index in group.order]
            scores[np.ix_(trained.order, columns)] = found.T
        return scores

    def _load(self, _decoder: torch.nn.Module, checkpoint: _Loaded) -> float:
        self._model.load(checkpoint.tensors)
        return checkpoint.learning_rate

    def _ticker(self, passes: int, row_count: int) -> Callable[[], None]:
        done = 0
        batch_count = passes * -(-row_count // BATCH_ROWS)

        def tick() -> None:
            nonlocal done
            done += 1
            self._on_progress(done / batch_count)

        return tick


def _adapter_layers(decoder: torch.nn.Module) -> list[str]:
    """The names of the linear layers that hold the adapter's weights, in a fixed order."""
    return sorted(
        name.rpartition(".")[0]
        for name, parameter in decoder.named_parameters()
        if parameter.requires_grad
    )
