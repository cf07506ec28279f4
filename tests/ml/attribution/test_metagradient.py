"""Metagradients against float64 double backward through AdamW, and against training without rows."""

import numpy as np
import pytest
import torch

from ml.attribution.counterfactual import (
    GROUPS_MAX,
    contributors_of,
    counterfactual_adapters,
    counterfactual_scores,
)
from ml.attribution.metagradient import metagradients
from ml.attribution.preview import preview_index
from ml.attribution.similarity import similarity
from ml.attribution.trail import Trail
from ml.errors import AttributionInvalid
from ml.exact.gradients import row_gradients
from ml.training.recipe import step_settings
from ml.training.steps import initial_state
from tests.ml.attribution.float_replay import float_metagradients
from tests.ml.float_model import FloatModel

SMOOTH = {"steps": 8, "learning_rate_ppb": 4_000_000}
RECIPES = [
    (SMOOTH, 1.0),
    (SMOOTH, 0.5),
    ({**SMOOTH, "weight_decay_ppb": 100_000_000, "clip_norm_ppb": 300_000_000}, 1.0),
]
ANSWERED = slice(0, 2)


def correlation(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Pearson's, over everything."""
    return float(np.corrcoef(found.flatten(), wanted.flatten())[0, 1])


def ranks(values: torch.Tensor) -> torch.Tensor:
    return values.argsort(0).argsort(0).double()


@pytest.mark.parametrize(("recipe", "weight"), RECIPES)
def test_double_backward_in_float64_agrees(make_job, tiny_base, recipe, weight):
    """Correlation of at least 0.999 with autograd through every step, clipping and decay included."""
    training = make_job(**recipe).training
    targets = training.validation[ANSWERED]
    found = metagradients(training, targets, weight)
    model = FloatModel(tiny_base, training.layout)
    wanted = float_metagradients(model, training, targets, weight)
    assert correlation(found, wanted) > 0.999
    assert float((found - wanted).norm() / wanted.norm()) < 0.02


def test_a_score_is_what_leaving_the_row_out_costs(make_job):
    """Training without each row in turn: the same signs where it matters, and the same order."""
    training = make_job(**SMOOTH).training
    targets = training.validation[ANSWERED]
    predicted = metagradients(training, targets)
    groups = [frozenset([index]) for index in training.plan.trained()]
    whole, without = counterfactual_adapters(training, groups)
    measured = counterfactual_scores(training, whole, without, targets)
    assert correlation(predicted, measured) > 0.9
    assert correlation(ranks(predicted), ranks(measured)) > 0.9
    clear = measured.abs() > 0.3 * measured.abs().max()
    assert torch.equal(predicted[clear].sign(), measured[clear].sign())


def test_leaving_out_is_exact(make_job):
    """Nobody's rows left out change nothing; everybody's leave the adapter that began."""
    training = make_job(steps=4, dropout_ppb=200_000_000).training
    trained = frozenset(training.plan.trained())
    late = frozenset(training.plan.batches[3]) - frozenset(sum(training.plan.batches[:3], ()))
    whole, (same, nothing, last) = counterfactual_adapters(
        training, [frozenset(), trained, late or frozenset(training.plan.batches[3])]
    )
    assert torch.equal(same.vector, whole.vector)
    assert torch.equal(nothing.vector, initial_state(training).parameters)
    assert not torch.equal(last.vector, whole.vector)
    *_, (_taken, state, _fault) = Trail(training, 1.0).forward()
    assert torch.equal(state.parameters, whole.vector)


def test_contributors_are_the_owners_of_trained_rows(make_job):
    """Every trained row belongs to exactly one."""
    training = make_job().training
    owned = contributors_of(training)
    assert list(owned) == sorted(owned)
    assert sorted(index for rows in owned.values() for index in rows) == list(
        training.plan.trained()
    )


def test_similarity_is_its_definition(make_job):
    """Gradients at the last state, times the rates of the row's own steps."""
    training = make_job(steps=4).training
    (whole, _), targets = counterfactual_adapters(training, []), training.validation[ANSWERED]
    found = similarity(training, whole, targets)
    rows = row_gradients(training.model, whole, training.encoded(training.plan.trained()))
    said = row_gradients(training.model, whole, targets)
    products = rows.gradients.double() @ said.gradients.double().t() * 2.0**-80
    for number, index in enumerate(training.plan.trained()):
        rates = [
            step_settings(training.parameters, step).learning_rate / len(places)
            for step, places in enumerate(training.plan.batches, 1)
            for place in places
            if place == index
        ]
        torch.testing.assert_close(found[number], products[number] * sum(rates))


def test_every_method_is_positive_for_a_row_that_helped(make_job):
    """The answer is a trained row itself: to learn it helped, by each method."""
    training = make_job(**SMOOTH).training
    index = training.plan.batches[0][0]
    number = training.plan.trained().index(index)
    targets = training.encoded([index])
    whole, without = counterfactual_adapters(training, [frozenset([index])])
    assert metagradients(training, targets)[number, 0] > 0
    assert metagradients(training, targets, 0.5)[number, 0] > 0
    assert similarity(training, whole, targets)[number, 0] > 0
    assert counterfactual_scores(training, whole, without, targets)[0, 0] > 0


def test_what_cannot_be_left_out_is_refused(make_job):
    """Too many groups, and rows that share sequences."""
    training = make_job().training
    with pytest.raises(AttributionInvalid, match="groups of rows"):
        counterfactual_adapters(training, [frozenset([0])] * (GROUPS_MAX + 1))


def test_a_preview_is_nearly_the_similarity(make_job):
    """Sketches change the order of rows little, and give the same bits every time."""
    training = make_job(steps=4).training
    whole, _ = counterfactual_adapters(training, [])
    index = preview_index(training, whole)
    wanted = similarity(training, whole, training.validation[ANSWERED])
    for column, answer in enumerate(training.validation[ANSWERED]):
        found = index.scores(training.model, answer)
        assert correlation(found, wanted[:, column]) > 0.9
        assert torch.equal(found, preview_index(training, whole).scores(training.model, answer))
