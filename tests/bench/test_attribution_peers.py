"""The peers of attribution against the definitions in their papers."""

from __future__ import annotations

import torch

from bench.attribution.ekfac import Factors, fitted_factors
from bench.attribution.peers import (
    DAMPING,
    adam_directions,
    adam_state,
    datainf_layer,
    gradients,
    tracincp,
)
from bench.attribution.training import train, update
from ml.attribution.autograd import AdaptedModel
from ml.base_model import load_base
from ml.training.recipe import attribution_steps


def test_datainf_is_the_mean_of_the_damped_inverses():
    """Each inverse of `g g' + damping` is formed as a matrix."""
    torch.manual_seed(0)
    rows, asked = torch.randn(5, 3, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
    damping = DAMPING * rows.square().sum(1).mean() / 3
    inverses = [torch.linalg.inv(torch.outer(row, row) + damping * torch.eye(3)) for row in rows]
    expected = rows @ torch.stack(inverses).mean(0) @ asked.t()
    assert torch.allclose(datainf_layer(rows, asked), expected)


def test_a_layer_without_gradients_says_nothing():
    """The first step's gradients of A are 0: no division by the damping of nothing."""
    assert not datainf_layer(torch.zeros(4, 3), torch.ones(2, 3)).any()


def test_ekfac_inverts_the_curvature_of_its_eigenbasis():
    """The damped matrix over all pairs of an output and an input is formed and solved."""
    torch.manual_seed(0)
    factors = Factors(torch.zeros(3, 3).double(), torch.zeros(2, 2).double())
    for _ in range(6):
        factors.add(torch.randn(4, 3).double(), torch.randn(4, 2).double())
    basis = torch.kron(
        torch.linalg.eigh(factors.outputs).eigenvectors,
        torch.linalg.eigh(factors.inputs).eigenvectors,
    )
    turned = torch.stack(factors.row_gradients).flatten(1) @ basis
    variances = turned.square().mean(0)
    curvature = basis @ torch.diag(variances + DAMPING * variances.mean()) @ basis.t()
    slopes = torch.randn(5, 2, 3).double()
    expected = torch.linalg.solve(curvature, slopes.flatten(1).t()).t()
    assert torch.allclose(factors.inverse(slopes).flatten(1), expected)


def test_ekfac_sees_every_matrix_of_the_adapter(testbed, run):
    """What the factors took from each layer adds up to the gradients that autograd left."""
    layout = run.model.layout
    model = AdaptedModel(load_base(testbed.base_model, layout.shape.target_modules), layout.shape)
    model.load(layout.tensors(train(run, torch.ones(len(run.rows)))[-1].vector))
    factors = fitted_factors(model, run.rows[:3])
    for name, parameter in model.parameters.items():
        total = torch.stack(factors[name].row_gradients).sum(0)
        assert parameter.grad is not None
        assert torch.allclose(total, parameter.grad, atol=1e-6)


def test_less_takes_the_step_that_adam_would(run):
    """A row's direction is the next step's change over its rate, were the row its whole batch."""
    states = train(run, torch.ones(len(run.rows)))
    rows = gradients(run, states[2].vector, run.rows[:2])
    found = adam_directions(states[2], rows, 2, run)
    settings = run.settings(2)
    for row, direction in zip(rows, found, strict=True):
        moved = update(states[2], row, settings, 3).vector
        expected = (states[2].vector - moved) / settings.learning_rate
        assert torch.allclose(direction, expected, rtol=1e-3, atol=1e-4)


def test_tracincp_is_the_sum_over_checkpoints(testbed, run):
    """The rate times the product of both gradients, for every row and query."""
    states = train(run, torch.ones(len(run.rows)))
    expected = torch.zeros(len(run.rows), len(testbed.queries))
    for step in attribution_steps(run.order.parameters):
        rows = gradients(run, states[step].vector, run.rows)
        asked = gradients(run, states[step].vector, testbed.encoded(testbed.queries))
        expected += run.settings(step).learning_rate * rows @ asked.t()
    found = torch.from_numpy(tracincp(testbed, run, states)).float()
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_a_state_is_written_as_the_exact_optimiser_reads_it(run):
    """The vectors come back from the canonical bytes."""
    state = train(run, torch.ones(len(run.rows)))[2]
    read = type(adam_state(state, 2)).decode(adam_state(state, 2).encode())
    assert torch.equal(read.parameters, state.vector)
    assert torch.equal(read.squares, state.squares)
