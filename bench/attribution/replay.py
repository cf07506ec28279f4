"""The float reference of the metagradient: reverse mode through every step of a training.

Ilyas and Engstrom, "MAGIC: Near-Optimal Data Attribution for Deep Learning" (2025).  With the
adjoint of a state being the targets' derivative by it, a step backwards is

    adjoint of the gradient g   from the optimiser's formula, by autograd
    score of a row            + the derivative of g by its weight, along that adjoint
    adjoint of the vector     + the Hessian of the batch's loss times it

The last two are one vector-Jacobian product of g, by autograd again: exact but for float32, and for
all targets together.  The exact operators take them from two gradients (`ml/attribution`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from bench.attribution.training import Run, State, batch_gradient, train, update
from ml.training.encode import EncodedRow

REPLAY_ROWS = 10
"""How many rows' second derivatives are in memory at once."""


def metagradient(
    run: Run, weights: torch.Tensor, targets: Sequence[Sequence[EncodedRow]]
) -> torch.Tensor:
    """Scores [rows, targets]: the derivative by each row's weight of each target, at `weights`.

    A target is the sum of the log-likelihoods of some answers, in nats a token: positive helped.
    """
    states = train(run, weights)
    slopes = torch.stack([_slope(run, run.result(states), answers) for answers in targets])
    scores = torch.zeros(len(run.rows), len(targets), dtype=slopes.dtype)
    zeros = torch.zeros_like(slopes)
    adjoint = State(zeros, zeros, zeros)
    for step in range(len(run.batches), 0, -1):
        if step > len(run.batches) - run.tail_steps:
            share = slopes / run.tail_steps
            adjoint = State(adjoint.vector + share, adjoint.means, adjoint.squares)
        before, batch = states[step - 1], run.batches[step - 1]
        gradient = batch_gradient(run, before.vector, batch, weights)
        adjoint, directions = _through_update(run, before, gradient, adjoint, step)
        products, row_slopes = _through_gradient(run, before.vector, batch, weights, directions)
        scores.index_add_(0, torch.tensor(batch), row_slopes)
        adjoint = State(adjoint.vector + products, adjoint.means, adjoint.squares)
    return scores


def _slope(run: Run, result: torch.Tensor, answers: Sequence[EncodedRow]) -> torch.Tensor:
    leaf = result.detach().requires_grad_()
    return -torch.autograd.grad(run.model.losses(leaf, answers).sum(), leaf)[0]


def _through_update(
    run: Run, before: State, gradient: torch.Tensor, adjoint: State, step: int
) -> tuple[State, torch.Tensor]:
    """The adjoints [targets, numbers] of what a step started from, and of its gradient."""
    leaves = [
        each.detach().requires_grad_()
        for each in (before.vector, before.means, before.squares, gradient)
    ]
    after = update(State(*leaves[:3]), leaves[3], run.settings(step), step)
    vector, means, squares, directions = torch.autograd.grad(
        (after.vector, after.means, after.squares),
        leaves,
        (adjoint.vector, adjoint.means, adjoint.squares),
        is_grads_batched=True,
    )
    return State(vector, means, squares), directions


def _through_gradient(
    run: Run,
    vector: torch.Tensor,
    batch: Sequence[int],
    weights: torch.Tensor,
    directions: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The Hessian of a batch's loss times the directions [targets, numbers], and [rows, targets].

    The latter are the rows' own slopes along them, over the batch's size.
    """
    products = torch.zeros_like(directions)
    slopes = torch.zeros(len(batch), len(directions), dtype=vector.dtype)
    for at in range(0, len(batch), REPLAY_ROWS):
        part = batch[at : at + REPLAY_ROWS]
        leaf = vector.detach().requires_grad_()
        factors = weights[list(part)].to(vector.dtype).requires_grad_()
        losses = run.model.losses(leaf, [run.rows[row] for row in part])
        mean = (losses @ factors) / len(batch)
        (gradient,) = torch.autograd.grad(mean, leaf, create_graph=True)
        for column, direction in enumerate(directions):
            product, slope = torch.autograd.grad(
                gradient, (leaf, factors), direction, retain_graph=True
            )
            products[column] += product
            slopes[at : at + REPLAY_ROWS, column] = slope
    return products, slopes
