"""Influence by TracInCP: equal to its definition, with the sign and the limits it states."""

import numpy as np
import pytest
import torch

from ml.attribution import tracin as tracin_module
from ml.attribution.tracin import tracin
from ml.errors import AttributionInvalid, ModelUnusable
from ml.training.adapter import (
    AdaptedModel,
    load_base,
    load_checkpoints,
    load_shape,
    load_tensors,
)
from ml.training.encode import encode_rows, load_tokenizer
from ml.training.loss import batch_losses
from ml.training.order import trained_rows
from ml.training.train import ADAPTER_DIRECTORY, train
from runtime.offchain import Answer
from runtime.wire.rows import Row

TOKENS_MAX = 48
ANSWERS = [
    Answer("What is item 3?", "Item 3 is aaaa.", 5),
    Answer("Who?", "Nobody at all, as far as we know.", 1),
    Answer("What is item 30?", "x", 2),
]


@pytest.fixture
def trained(tmp_path, tiny_base, make_rows, make_order):
    rows = make_rows(24)
    order = make_order(rows, steps=12, learning_rate_ppb=20_000_000)
    train(order, rows, tiny_base, tmp_path, lambda _: None)
    return tmp_path / ADAPTER_DIRECTORY, list(trained_rows(order, rows))


def by_definition(base, adapter, rows, answers) -> np.ndarray:
    """Sum over checkpoints of rate times the dot product of two plain gradients, one at a time."""
    shape = load_shape(adapter)
    model = AdaptedModel(load_base(base, shape.target_modules), shape)
    parameters = list(model.parameters.values())
    tokenizer = load_tokenizer(base)

    def gradient(row: Row) -> torch.Tensor:
        loss = batch_losses(model, encode_rows(tokenizer, [row], TOKENS_MAX)).sum()
        found = torch.autograd.grad(loss, parameters)
        return torch.cat([part.flatten() for part in found]).double()

    scores = np.zeros((len(rows), len(answers)))
    for point in load_checkpoints(adapter):
        model.load(load_tensors(adapter / point.file))
        trained = torch.stack([gradient(row.row) for row in rows])
        said = torch.stack([gradient(Row(one.prompt, one.output)) for one in answers])
        scores += point.learning_rate * (trained @ said.T).numpy()
    return scores


def test_captum_computes_the_definition(tiny_base, trained, monkeypatch):
    """Per-row gradients from batches of mixed lengths give the plain gradients' dot products."""
    adapter, rows = trained
    monkeypatch.setattr(tracin_module, "BATCH_ROWS", 5)
    found = tracin(tiny_base, adapter, rows, ANSWERS, TOKENS_MAX)
    expected = by_definition(tiny_base, adapter, rows, ANSWERS)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_answers_in_groups_give_the_same_scores(tiny_base, trained, monkeypatch):
    """Memory is bounded by answering in groups; the progress ends at 1 and never falls."""
    adapter, rows = trained
    whole = tracin(tiny_base, adapter, rows, ANSWERS, TOKENS_MAX)
    monkeypatch.setattr(tracin_module, "ANSWERS_AT_ONCE", 2)
    heard: list[float] = []
    grouped = tracin(tiny_base, adapter, rows, ANSWERS, TOKENS_MAX, heard.append)
    np.testing.assert_allclose(grouped, whole, rtol=1e-4, atol=1e-6)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_positive_means_that_training_on_the_row_helped(tiny_base, trained):
    """One small step along a row's gradient lowers an answer's loss where the score is positive."""
    adapter, rows = trained
    scores = tracin(tiny_base, adapter, rows, ANSWERS, TOKENS_MAX)
    shape = load_shape(adapter)
    model = AdaptedModel(load_base(tiny_base, shape.target_modules), shape)
    model.load(load_tensors(adapter / load_checkpoints(adapter)[-1].file))
    tokenizer = load_tokenizer(tiny_base)
    said = encode_rows(tokenizer, [Row(ANSWERS[0].prompt, ANSWERS[0].output)], TOKENS_MAX)
    before = batch_losses(model, said).item()
    best = rows[int(scores[:, 0].argmax())]
    parameters = list(model.parameters.values())
    loss = batch_losses(model, encode_rows(tokenizer, [best.row], TOKENS_MAX)).sum()
    with torch.no_grad():
        for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.sub_(1e-4 * slope)
    assert scores[:, 0].max() > 0
    assert batch_losses(model, said).item() < before


def test_a_row_is_its_own_best_explanation(tiny_base, trained):
    """An answer that is word for word one of the rows is explained by that row first."""
    adapter, rows = trained
    answers = [Answer(row.row.prompt, row.row.completion, 1) for row in rows]
    scores = tracin(tiny_base, adapter, rows, answers, TOKENS_MAX)
    assert np.diag(scores).min() > 0
    assert np.mean(scores.argmax(axis=0) == np.arange(len(rows))) > 0.7


def test_what_cannot_be_attributed_is_refused(tiny_base, trained, make_rows, monkeypatch):
    """No rows, no answers and too many answers are errors with a remedy."""
    adapter, rows = trained
    for some_rows, answers in (([], ANSWERS), (rows, [])):
        with pytest.raises(AttributionInvalid):
            tracin(tiny_base, adapter, some_rows, answers, TOKENS_MAX)
    monkeypatch.setattr(tracin_module, "ANSWERS_MAX", 2)
    with pytest.raises(AttributionInvalid, match="on 3 answers"):
        tracin(tiny_base, adapter, rows, ANSWERS, TOKENS_MAX)


def test_an_adapter_of_another_base_model_is_refused(trained, plain_base, tmp_path):
    """Checkpoints whose tensors do not fit are named, and so is a missing file."""
    adapter, rows = trained
    config = adapter / "adapter_config.json"
    config.write_text(config.read_text().replace('"r": 8', '"r": 16'))
    with pytest.raises(ModelUnusable, match="does not fit"):
        tracin(plain_base, adapter, rows, ANSWERS, TOKENS_MAX)
    (adapter / load_checkpoints(adapter)[0].file).unlink()
    with pytest.raises(ModelUnusable, match="cannot be read"):
        tracin(plain_base, adapter, rows, ANSWERS, TOKENS_MAX)
