"""A training in float64 and its way back by autograd: what the exact replay is compared with."""

from collections.abc import Sequence

import torch

from ml.exact.gradients import TokenRow
from ml.exact.optimiser import BETA_MEAN, BETA_SQUARE
from ml.training.job import PreparedJob
from ml.training.recipe import step_settings
from ml.training.steps import initial_state
from tests.ml.float_model import FloatModel

State = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def float_metagradients(
    model: FloatModel, training: PreparedJob, targets: Sequence[TokenRow], weight: float
) -> torch.Tensor:
    """float64 [trained rows, targets]: double backward through every step."""
    parameters = initial_state(training).parameters.double()
    state = (parameters, torch.zeros_like(parameters), torch.zeros_like(parameters))
    states = []
    for number, places in enumerate(training.plan.batches, 1):
        states.append(state)
        weights = torch.full((len(places),), weight, dtype=torch.float64)
        state = _detached(_step(model, training, number, state, weights))
    adjoints = [_target(model, state[0], target) for target in targets]
    numbers = {index: number for number, index in enumerate(training.plan.trained())}
    scores = torch.zeros((len(numbers), len(targets)), dtype=torch.float64)
    for number, places in reversed(list(enumerate(training.plan.batches, 1))):
        weights = torch.full((len(places),), weight, dtype=torch.float64).requires_grad_()
        before = _detached(states[number - 1])
        for each in before:
            each.requires_grad_()
        after = _step(model, training, number, before, weights)
        for column, adjoint in enumerate(adjoints):
            *found, slopes = torch.autograd.grad(
                after, [*before, weights], adjoint, retain_graph=True
            )
            adjoints[column] = found
            rows = torch.tensor([numbers[index] for index in places])
            scores[:, column].index_add_(0, rows, slopes)
    return scores


def _detached(state: State) -> State:
    parameters, means, squares = state
    return parameters.detach().clone(), means.detach().clone(), squares.detach().clone()


def _step(
    model: FloatModel, training: PreparedJob, number: int, state: State, weights: torch.Tensor
) -> State:
    settings = step_settings(training.parameters, number)
    parameters, means, squares = state
    if not parameters.requires_grad:
        parameters = parameters.clone().requires_grad_()
    losses = model.losses(parameters, training.batch(number))
    (gradient,) = torch.autograd.grad((losses * weights).mean(), parameters, create_graph=True)
    if settings.gradient_norm_max is not None and gradient.norm() > settings.gradient_norm_max:
        gradient = gradient * (settings.gradient_norm_max / gradient.norm())
    means = BETA_MEAN * means + (1 - BETA_MEAN) * gradient
    squares = BETA_SQUARE * squares + (1 - BETA_SQUARE) * gradient**2
    root = (squares / (1 - BETA_SQUARE**number) + settings.epsilon).sqrt()
    kept = parameters * (1 - settings.learning_rate * settings.weight_decay)
    moved = settings.learning_rate * means / (1 - BETA_MEAN**number) / root
    return kept - moved, means, squares


def _target(model: FloatModel, parameters: torch.Tensor, target: TokenRow) -> list[torch.Tensor]:
    leaf = parameters.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(-model.losses(leaf, [target]).sum(), leaf)
    return [gradient, torch.zeros_like(gradient), torch.zeros_like(gradient)]
