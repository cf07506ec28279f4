"""The loss of a row: the mean of -log p over the tokens of its completion, in nats.

One row is the unit: a batch's loss is the mean of its rows' losses, so a row's gradient does not
depend on the rows it happens to share a batch with, and attribution uses the very numbers that
training used.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ml.training.adapter import AdaptedModel
from ml.training.encode import IGNORED, EncodedRow, pad

PART_ROWS = 25
"""How many rows go through the model at once."""


def row_losses(hidden: torch.Tensor, labels: torch.Tensor, head: torch.nn.Module) -> torch.Tensor:
    """Return the losses [rows] for hidden states [rows, tokens, width] and labels [rows, tokens].

    The output layer, the widest of the model, is applied only where a loss is taken.
    """
    taken = labels != IGNORED
    rows = taken.nonzero()[:, 0]
    losses = torch.nn.functional.cross_entropy(head(hidden[taken]), labels[taken], reduction="none")
    sums = torch.zeros(len(labels), dtype=losses.dtype).index_add(0, rows, losses)
    return sums / taken.sum(dim=1)


def batch_losses(model: AdaptedModel, rows: Sequence[EncodedRow]) -> torch.Tensor:
    """Return the losses [rows] of one padded batch, with their graph."""
    ids, labels = pad(rows)
    return row_losses(model.hidden(model.embedding(ids)), labels, model.head)


def add_gradients(model: AdaptedModel, rows: Sequence[EncodedRow]) -> float:
    """Add the gradients of the rows' mean loss to the adapter's, and return that loss in nats.

    Rows go through the model in parts of similar length, which bounds memory and saves padding; the
    gradient is the whole batch's, because it is a sum over rows.
    """
    by_length = sorted(rows, key=lambda row: len(row.ids))
    total = 0.0
    for start in range(0, len(rows), PART_ROWS):
        loss = batch_losses(model, by_length[start : start + PART_ROWS]).sum() / len(rows)
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it unannotated
        total += float(loss.detach())
    return total


@torch.inference_mode()
def mean_loss(model: AdaptedModel, rows: Sequence[EncodedRow]) -> float:
    """The mean loss of many rows, in nats; 0.0 for none."""
    by_length = sorted(rows, key=lambda row: len(row.ids))
    total = 0.0
    for start in range(0, len(rows), PART_ROWS):
        total += float(batch_losses(model, by_length[start : start + PART_ROWS]).double().sum())
    return total / max(1, len(rows))
