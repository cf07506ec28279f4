"""Influence of trained rows on answers by TracInCP, computed by Captum.

`score[row, answer] = sum over checkpoints of learning_rate * <grad loss(row), grad loss(answer)>`
over the adapter's parameters (Pruthi et al., "Estimating Training Data Influence by Tracing
Gradient Descent", 2020, section 3.2).  Positive: training on the row made the answer more
likely.  The loss is training's own (`ml/training/loss.py`), so a score is in nats per answer token.

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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, IterableDataset

from ml.errors import AttributionInvalid
from ml.training.adapter import (
    AdaptedModel,
    load_base,
    load_checkpoints,
    load_shape,
    load_tensors,
)
from ml.training.encode import EncodedRow, encode_rows, load_tokenizer, pad
from ml.training.loss import row_losses
from runtime.offchain import Answer, TrainingRow
from runtime.wire.rows import Row

METHOD = "tracin-cp"
"""The name under which a settlement records how its scores were computed."""
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
class LoadedCheckpoint:
    """Adapter weights and the learning rate they were trained with."""

    learning_rate: float
    tensors: dict[str, torch.Tensor]


def tracin(
    base_model: Path,
    adapter: Path,
    rows: Sequence[TrainingRow],
    answers: Sequence[Answer],
    tokens_max: int,
    on_progress: Callable[[float], None] | None = None,
) -> npt.NDArray[np.float64]:
    """Return the influence [rows, answers] of each row on each answer.

    `rows` are the rows that were trained on (`ml.training.order.trained_rows`), cut to the training
    order's `tokens_max`; `adapter` is the adapter directory with its checkpoints.  `on_progress`
    hears the done fraction.  Raises `AttributionInvalid` without rows or answers, or with too many
    answers, and `ModelUnusable` for directories that do not fit each other.
    """
    if not rows or not 1 <= len(answers) <= ANSWERS_MAX:
        message = f"Influence of {len(rows)} rows on {len(answers)} answers was asked for."
        remedy = f"Give at least one row and 1 to {ANSWERS_MAX} answers."
        raise AttributionInvalid(message, remedy=remedy)
    shape = load_shape(adapter)
    model = AdaptedModel(load_base(base_model, shape.target_modules), shape)
    tokenizer = load_tokenizer(base_model)
    room = min(ANSWER_TOKENS_MAX, model.context_tokens_max)
    said = [Row(answer.prompt, answer.output) for answer in answers]
    engine = _Engine(model, _loaded(adapter), on_progress or (lambda _fraction: None))
    return engine.influence(
        encode_rows(tokenizer, [row.row for row in rows], tokens_max),
        encode_rows(tokenizer, said, room),
    )


def _loaded(adapter: Path) -> tuple[LoadedCheckpoint, ...]:
    return tuple(
        LoadedCheckpoint(point.learning_rate, load_tensors(adapter / point.file))
        for point in load_checkpoints(adapter)
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
        checkpoints: tuple[LoadedCheckpoint, ...],
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

    def _load(self, _decoder: torch.nn.Module, checkpoint: LoadedCheckpoint) -> float:
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
