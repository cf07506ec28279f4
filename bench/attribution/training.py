"""Training in torch's own arithmetic, by the formulas and in the order of the exact operators.

A row has a weight: 1 trains on it, 0 leaves it out of every batch it is in, and the batch is still
divided by how many rows it has.  So the trained adapter is a function of the rows' weights, which
truth evaluates at subsets and a replay differentiates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from bench.attribution.network import PART_ROWS, FloatModel
from ml.exact.optimiser import BETA_MEAN, BETA_SQUARE, StepSettings
from ml.training.encode import EncodedRow
from ml.training.recipe import step_settings
from runtime.offchain import TrainingOrder


@dataclass(frozen=True, slots=True)
class State:
    """What a step starts from; the vectors may have a leading axis."""

    vector: torch.Tensor
    means: torch.Tensor
    squares: torch.Tensor


@dataclass(frozen=True)
class Run:
    """All that a training depends on beside the rows' weights."""

    model: FloatModel
    order: TrainingOrder
    rows: tuple[EncodedRow, ...]
    batches: tuple[tuple[int, ...], ...]
    """The places of each step's rows, as `ml.training.order` lays them out."""
    start: torch.Tensor
    """The adapter before the first step."""
    tail_steps: int = 1
    """The last states whose mean is the result."""

    def settings(self, step: int) -> StepSettings:
        """What the optimiser is told for a step, counted from 1."""
        return step_settings(self.order.parameters, step)

    def result(self, states: Sequence[State]) -> torch.Tensor:
        """The trained adapter of all states from the initial one on."""
        return torch.stack([state.vector for state in states[-self.tail_steps :]]).mean(0)


def train(run: Run, weights: torch.Tensor) -> list[State]:
    """All states of a training with these weights [rows], the initial one first."""
    zeros = torch.zeros_like(run.start)
    states = [State(run.start, zeros, zeros)]
    for step, batch in enumerate(run.batches, 1):
        gradient = batch_gradient(run, states[-1].vector, batch, weights)
        states.append(update(states[-1], gradient, run.settings(step), step))
    return states


def update(state: State, gradient: torch.Tensor, settings: StepSettings, step: int) -> State:
    """AdamW's step as `ml.exact.optimiser.adam_step` takes it, differentiable in everything."""
    squares = state.squares * BETA_SQUARE + gradient * gradient * (1 - BETA_SQUARE)
    means = state.means * BETA_MEAN + gradient * (1 - BETA_MEAN)
    root = (squares / (1 - BETA_SQUARE**step) + settings.epsilon).sqrt()
    direction = means / (1 - BETA_MEAN**step) / root
    kept = state.vector * (1 - settings.learning_rate * settings.weight_decay)
    moved = kept - direction * settings.learning_rate
    return replace(state, vector=moved, means=means, squares=squares)


def batch_gradient(
    run: Run, vector: torch.Tensor, batch: Sequence[int], weights: torch.Tensor
) -> torch.Tensor:
    """The gradient of a batch's weighted mean loss; rows of weight 0 are not computed."""
    gradient = torch.zeros_like(vector)
    rows = sorted((row for row in batch if weights[row]), key=lambda row: len(run.rows[row].ids))
    for at in range(0, len(rows), PART_ROWS):
        part = rows[at : at + PART_ROWS]
        leaf = vector.detach().requires_grad_()
        losses = run.model.losses(leaf, [run.rows[row] for row in part])
        mean = (losses @ weights[part].to(vector.dtype)) / len(batch)
        gradient += torch.autograd.grad(mean, leaf)[0]
    return gradient


@torch.no_grad()
def row_losses(run: Run, vector: torch.Tensor, rows: Sequence[EncodedRow]) -> torch.Tensor:
    """Each row's loss [rows] in nats under a trained adapter."""
    losses = torch.zeros(len(rows), dtype=vector.dtype)
    places = sorted(range(len(rows)), key=lambda place: len(rows[place].ids))
    for at in range(0, len(places), PART_ROWS):
        part = places[at : at + PART_ROWS]
        losses[part] = run.model.losses(vector, [rows[place] for place in part])
    return losses
