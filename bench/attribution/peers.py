"""What the metagradient is measured against: published methods, each from its paper's formula.

Every method takes the same finished training and returns scores [rows, queries], positive where a
row helped.  They live in the benchmark only; what the product runs is `ml/attribution`.

    tracincp   Pruthi et al. 2020, by Captum, over the checkpoints that the product keeps
    datainf    Kwon et al., "DataInf", 2024, equation 5: OpenLedger's published form
    less       Xia et al., "LESS", 2024: gradients as Adam steps, cosines over checkpoints
    ekfac      Grosse et al., "Studying Large Language Model Generalization", 2023: `ekfac.py`
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from bench.attribution.store import Numbers
from bench.attribution.testbed import Testbed
from bench.attribution.training import Run, State
from ml.attribution.tracin import checkpoints_of, tracin
from ml.exact.adapter import AdapterLayout
from ml.exact.optimiser import BETA_MEAN, BETA_SQUARE, AdamState
from ml.training.encode import EncodedRow
from ml.training.recipe import attribution_steps
from runtime.offchain import Answer

DAMPING = 0.1
"""Of a layer's mean squared gradient: the choice of DataInf's and EK-FAC's authors."""


def tracincp(testbed: Testbed, run: Run, states: Sequence[State]) -> Numbers:
    """Captum's TracInCP as the product runs it."""
    parameters = run.order.parameters
    kept = {step: adam_state(states[step], step).encode() for step in attribution_steps(parameters)}
    answers = [Answer(query.prompt, query.completion, 1) for query in testbed.queries]
    points = checkpoints_of(parameters, kept)
    return tracin(testbed.base_model, parameters, points, testbed.rows, answers)


def adam_state(state: State, step: int) -> AdamState:
    """A state after a step as the exact optimiser writes it."""
    powers = (BETA_MEAN**step, BETA_SQUARE**step)
    return AdamState(state.vector.float(), state.means.float(), state.squares.float(), *powers)


def datainf(testbed: Testbed, run: Run, states: Sequence[State]) -> Numbers:
    """DataInf at the last state, each matrix of the adapter a layer of its own."""
    vector = run.result(states)
    rows = gradients(run, vector, run.rows)
    asked = gradients(run, vector, testbed.encoded(testbed.queries))
    scores = torch.zeros(len(rows), len(asked))
    for part in _matrices(run.model.layout):
        scores += datainf_layer(rows[:, part], asked[:, part])
    return scores.double().numpy()


def datainf_layer(rows: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
    """Scores [rows, queries] of one layer from its gradients [rows, numbers], [queries, numbers].

    The inverse of the mean of `g g' + damping` is taken as the mean of the inverses, each of which
    Sherman and Morrison give in closed form.
    """
    products, among = rows @ asked.t(), rows @ rows.t()
    squares = among.diagonal()
    damping = DAMPING * squares.mean() / rows.shape[1]
    if not damping:
        return torch.zeros_like(products)
    shares = products / (damping + squares)[:, None]
    return (products - among @ shares / len(rows)) / damping


def less(testbed: Testbed, run: Run, states: Sequence[State]) -> Numbers:
    """LESS over the product's checkpoints, without its random projection."""
    scores = torch.zeros(len(run.rows), len(testbed.queries))
    queries = testbed.encoded(testbed.queries)
    for step in attribution_steps(run.order.parameters):
        settings, state = run.settings(step), states[step]
        asked = gradients(run, state.vector, queries)
        steps = adam_directions(state, gradients(run, state.vector, run.rows), step, run)
        cosines = _unit(steps) @ _unit(asked).t()
        scores += settings.learning_rate * cosines
    return scores.double().numpy()


def adam_directions(state: State, rows: torch.Tensor, step: int, run: Run) -> torch.Tensor:
    """The step [rows, numbers] that Adam would take from a state on each row's gradient alone."""
    means = state.means * BETA_MEAN + rows * (1 - BETA_MEAN)
    squares = state.squares * BETA_SQUARE + rows * rows * (1 - BETA_SQUARE)
    root = (squares / (1 - BETA_SQUARE ** (step + 1)) + run.settings(step).epsilon).sqrt()
    return means / (1 - BETA_MEAN ** (step + 1)) / root


def gradients(run: Run, vector: torch.Tensor, rows: Sequence[EncodedRow]) -> torch.Tensor:
    """Each row's gradient [rows, numbers] of its loss."""
    found = torch.zeros(len(rows), len(vector), dtype=vector.dtype)
    for place, row in enumerate(rows):
        leaf = vector.detach().requires_grad_()
        found[place] = torch.autograd.grad(run.model.losses(leaf, [row]).sum(), leaf)[0]
    return found


def _matrices(layout: AdapterLayout) -> Iterator[slice]:
    return (slice(entry.start, entry.stop) for entry in layout.entries.values())


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(vectors, dim=1)
