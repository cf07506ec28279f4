"""Influence by TracInCP: equal to its definition, with the sign and the limits it states."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from ml.attribution import tracin as tracin_module
from ml.attribution.autograd import AdaptedModel, row_losses
from ml.attribution.tracin import Checkpoint, checkpoints_of, tracin
from ml.base_model import load_base
from ml.errors import AttributionInvalid, ModelUnusable
from ml.exact.adapter import AdapterLayout, AdapterShape
from ml.exact.model import load_shape
from ml.exact.optimiser import AdamState
from ml.training.encode import encode_rows, load_tokenizer, pad
from ml.training.order import trained_rows
from ml.training.run_files import RunFiles
from ml.training.train import train
from runtime.offchain import Answer, TrainingRow
from runtime.wire.rows import Row
from runtime.wire.training_parameters import TrainingParameters

TOKENS_MAX = 48
ANSWERS = [
    Answer("What is item 3?", "Item 3 is aaaa.", 5),
    Answer("Who?", "Nobody at all, as far as we know.", 1),
    Answer("What is item 30?", "x", 2),
]


def batch_losses(model, rows):
    """The losses [rows] of one padded batch, with their graph."""
    ids, labels = pad(rows)
    return row_losses(model.hidden(model.embedding(ids)), labels, model.head)


@dataclass(frozen=True)
class Trained:
    """A finished run, as attribution sees it."""

    parameters: TrainingParameters
    checkpoints: tuple[Checkpoint, ...]
    rows: list[TrainingRow]

    def influence(self, base, answers, on_progress=None) -> np.ndarray:
        return tracin(base, self.parameters, self.checkpoints, self.rows, answers, on_progress)

    def model(self, base) -> AdaptedModel:
        shape = AdapterShape(
            self.parameters.rank, self.parameters.alpha, self.parameters.target_modules
        )
        return AdaptedModel(load_base(base, shape.target_modules), shape)

    def load(self, model: AdaptedModel, base, point: Checkpoint) -> None:
        layout = AdapterLayout(load_shape(base), model.shape)
        model.load(layout.tensors(AdamState.decode(point.state).parameters))


@pytest.fixture
def trained(tmp_path, tiny_base, make_rows, make_order):
    rows = make_rows(24)
    order = make_order(rows, steps=12, learning_rate_ppb=20_000_000)
    train(order, rows, tiny_base, tmp_path, lambda _: None)
    files = RunFiles(tmp_path)
    states = {step: files.state(step) for step in files.kept()}
    checkpoints = checkpoints_of(order.parameters, states)
    return Trained(order.parameters, checkpoints, list(trained_rows(order, rows)))


def by_definition(base, trained, answers) -> np.ndarray:
    """Sum over checkpoints of rate times the dot product of two plain gradients, one at a time."""
    model = trained.model(base)
    parameters = list(model.parameters.values())
    tokenizer = load_tokenizer(base)

    def gradient(row: Row) -> torch.Tensor:
        loss = batch_losses(model, encode_rows(tokenizer, [row], TOKENS_MAX)).sum()
        found = torch.autograd.grad(loss, parameters)
        return torch.cat([part.flatten() for part in found]).double()

    scores = np.zeros((len(trained.rows), len(answers)))
    for point in trained.checkpoints:
        trained.load(model, base, point)
        taught = torch.stack([gradient(row.row) for row in trained.rows])
        said = torch.stack([gradient(Row(one.prompt, one.output)) for one in answers])
        scores += point.learning_rate * (taught @ said.T).numpy()
    return scores


def test_captum_computes_the_definition(tiny_base, trained, monkeypatch):
    """Per-row gradients from batches of mixed lengths give the plain gradients' dot products."""
    monkeypatch.setattr(tracin_module, "BATCH_ROWS", 5)
    found = trained.influence(tiny_base, ANSWERS)
    expected = by_definition(tiny_base, trained, ANSWERS)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_answers_in_groups_give_the_same_scores(tiny_base, trained, monkeypatch):
    """Memory is bounded by answering in groups; the progress ends at 1 and never falls."""
    whole = trained.influence(tiny_base, ANSWERS)
    monkeypatch.setattr(tracin_module, "ANSWERS_AT_ONCE", 2)
    heard: list[float] = []
    grouped = trained.influence(tiny_base, ANSWERS, heard.append)
    np.testing.assert_allclose(grouped, whole, rtol=1e-4, atol=1e-6)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_positive_means_that_training_on_the_row_helped(tiny_base, trained):
    """One small step along a row's gradient lowers an answer's loss where the score is positive."""
    scores = trained.influence(tiny_base, ANSWERS)
    model = trained.model(tiny_base)
    trained.load(model, tiny_base, trained.checkpoints[-1])
    tokenizer = load_tokenizer(tiny_base)
    said = encode_rows(tokenizer, [Row(ANSWERS[0].prompt, ANSWERS[0].output)], TOKENS_MAX)
    before = batch_losses(model, said).item()
    best = trained.rows[int(scores[:, 0].argmax())]
    parameters = list(model.parameters.values())
    loss = batch_losses(model, encode_rows(tokenizer, [best.row], TOKENS_MAX)).sum()
    with torch.no_grad():
        for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.sub_(1e-4 * slope)
    assert scores[:, 0].max() > 0
    assert batch_losses(model, said).item() < before


def test_a_row_is_its_own_best_explanation(tiny_base, trained):
    """An answer that is word for word one of the rows is explained by that row first."""
    answers = [Answer(row.row.prompt, row.row.completion, 1) for row in trained.rows]
    scores = trained.influence(tiny_base, answers)
    assert np.diag(scores).min() > 0
    assert np.mean(scores.argmax(axis=0) == np.arange(len(trained.rows))) > 0.7


def test_what_cannot_be_attributed_is_refused(tiny_base, trained, make_rows, monkeypatch):
    """No rows, no answers and too many answers are errors with a remedy."""
    for nobody in (replace(trained, rows=[]), trained):
        with pytest.raises(AttributionInvalid):
            nobody.influence(tiny_base, ANSWERS if nobody.rows == [] else [])
    monkeypatch.setattr(tracin_module, "ANSWERS_MAX", 2)
    with pytest.raises(AttributionInvalid, match="on 3 answers"):
        trained.influence(tiny_base, ANSWERS)


def test_checkpoints_that_do_not_fit_or_are_missing_are_refused(tiny_base, trained):
    """States of another rank are named, and so is one that nobody has."""
    wider = replace(trained, parameters=replace(trained.parameters, rank=16))
    with pytest.raises(ModelUnusable, match="kept states are not of"):
        wider.influence(tiny_base, ANSWERS)
    with pytest.raises(AttributionInvalid, match="after step 4"):
        checkpoints_of(trained.parameters, {})
