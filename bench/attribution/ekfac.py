"""EK-FAC influence: an inverse curvature in the eigenbasis of Kronecker's factors, layer by layer.

George et al., "Fast Approximate Natural Gradient Descent in a Kronecker-factored Eigenbasis"
(2018); Grosse et al., "Studying Large Language Model Generalization with Influence Functions"
(2023), section 2.2.  Of a linear layer with inputs `a` and gradients `s` at its outputs:

    Q_a, Q_s     eigenvectors of the mean a a' and the mean s s' over tokens
    variances    the mean over rows of (Q_s' G Q_a) squared, G the row's gradient of the matrix
    inverse      G -> Q_s ((Q_s' G Q_a) / (variances + damping)) Q_a'

The curvature is the Fisher information: labels are drawn from the model's own predictions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from bench.attribution.peers import DAMPING, gradients
from bench.attribution.store import Numbers
from bench.attribution.testbed import Testbed
from bench.attribution.training import Run, State
from ml.attribution.autograd import AdaptedModel
from ml.base_model import load_base
from ml.exact.loss import IGNORED
from ml.training.encode import EncodedRow, pad


@dataclass(slots=True)
class Factors:
    """What one matrix's layer was fed, and the gradients at its outputs."""

    inputs: torch.Tensor
    """The sum of a a'."""
    outputs: torch.Tensor
    """The sum of s s'."""
    row_gradients: list[torch.Tensor] = field(default_factory=list)

    def add(self, inputs: torch.Tensor, slopes: torch.Tensor) -> None:
        """Take one row's inputs [tokens, inputs] and slopes [tokens, outputs]."""
        self.inputs += inputs.t() @ inputs
        self.outputs += slopes.t() @ slopes
        self.row_gradients.append(slopes.t() @ inputs)

    def inverse(self, slopes: torch.Tensor) -> torch.Tensor:
        """The damped inverse curvature applied to gradients [count, outputs, inputs]."""
        basis_in = torch.linalg.eigh(self.inputs).eigenvectors
        basis_out = torch.linalg.eigh(self.outputs).eigenvectors
        turned = [basis_out.t() @ each @ basis_in for each in self.row_gradients]
        variances = torch.stack(turned).square().mean(0)
        damped = variances + DAMPING * variances.mean()
        divided = (basis_out.t() @ slopes @ basis_in) / damped
        result: torch.Tensor = basis_out @ divided @ basis_in.t()
        return result


def ekfac(testbed: Testbed, run: Run, states: Sequence[State]) -> Numbers:
    """Scores [rows, queries] at the last state."""
    vector, layout = run.result(states), run.model.layout
    rows = gradients(run, vector, run.rows)
    asked = gradients(run, vector, testbed.encoded(testbed.queries))
    model = AdaptedModel(load_base(testbed.base_model, layout.shape.target_modules), layout.shape)
    model.load(layout.tensors(vector))
    factors = fitted_factors(model, run.rows)
    scores = torch.zeros(len(rows), len(asked))
    for name, entry in layout.entries.items():
        part = slice(entry.start, entry.stop)
        inverse = factors[name].inverse(asked[:, part].view(-1, *entry.sizes))
        scores += rows[:, part] @ inverse.flatten(1).t()
    return scores.double().numpy()


def fitted_factors(model: AdaptedModel, rows: Sequence[EncodedRow]) -> dict[str, Factors]:
    """The factors of every matrix of the adapter, by its name, from rows with drawn labels."""
    factors = {
        name: Factors(
            torch.zeros(matrix.shape[1], matrix.shape[1]), torch.zeros(len(matrix), len(matrix))
        )
        for name, matrix in model.parameters.items()
    }
    source = torch.Generator().manual_seed(0)
    with _watched(model, factors):
        for row in rows:
            tokens, labels = pad([row])
            hidden = model.hidden(model.embedding(tokens))
            logits = model.head(hidden[labels != IGNORED])
            drawn = torch.multinomial(logits.detach().softmax(-1), 1, generator=source)[:, 0]
            torch.nn.functional.cross_entropy(logits, drawn).backward()  # type: ignore[no-untyped-call] # torch leaves it unannotated
    return factors


@contextmanager
def _watched(model: AdaptedModel, factors: dict[str, Factors]) -> Iterator[None]:
    """Feed the factors from every layer of the adapter while rows go through."""
    owners = {id(parameter): name for name, parameter in model.parameters.items()}
    handles = []

    def watch(module: torch.nn.Linear, name: str) -> None:
        def hook(_module: object, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            fed = inputs[0].detach().flatten(0, -2)
            output.register_hook(  # type: ignore[no-untyped-call] # torch leaves it unannotated
                lambda slopes: factors[name].add(fed, slopes.flatten(0, -2))
            )

        handles.append(module.register_forward_hook(hook))

    for module in model.network.modules():
        if isinstance(module, torch.nn.Linear) and id(module.weight) in owners:
            watch(module, owners[id(module.weight)])
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
