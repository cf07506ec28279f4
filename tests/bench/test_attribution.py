"""The testbed of attribution: its training and replay against their definitions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from bench.attribution.datasets import ROW_TOKENS, fitted, library
from bench.attribution.replay import metagradient
from bench.attribution.scores import explained, foretold, interval, ranks, recalled, spearman
from bench.attribution.store import Store
from bench.attribution.testbed import (
    CARELESS,
    CONTRIBUTORS,
    COPIER,
    HONEST,
    QUERIES,
    ROWS_EACH,
    make_testbed,
)
from bench.attribution.training import row_losses, train
from bench.attribution.truth import find_truth, subsets_of
from ml.exact.adapter import Adapter
from ml.exact.gradients import batch_gradient, evaluate
from ml.exact.loss import LOSS_UNITS
from ml.exact.model import ExactModel
from ml.exact.optimiser import AdamState, adam_step
from ml.training.encode import load_tokenizer

LEFT_OUT = 4
WEIGHT_STEP = 1e-4


def test_training_is_that_of_the_exact_operators(testbed, run):
    """With a row left out: where the adapter ends agrees to 1 % of how far it moved."""
    model = ExactModel.load(testbed.base_model)
    weights = torch.ones(len(run.rows))
    weights[LEFT_OUT] = 0.0
    state = AdamState.initial(run.start)
    for step, places in enumerate(run.batches, 1):
        kept = [run.rows[place] for place in places if weights[place]]
        found = batch_gradient(model, Adapter(run.model.layout, state.parameters), kept)
        whole = dataclasses.replace(found, row_count=len(places))
        state = adam_step(state, whole, run.settings(step))
    result = run.result(train(run, weights))
    moved = float((state.parameters - run.start).norm())
    assert float((result - state.parameters).norm()) < 0.01 * moved
    losses = evaluate(model, Adapter(run.model.layout, result), run.rows)
    exact = torch.tensor(losses).double() / LOSS_UNITS
    assert torch.allclose(row_losses(run, result, run.rows).double(), exact, rtol=1e-3)


def test_the_replay_is_the_derivative_of_retraining(testbed, double_run):
    """A score is the slope of what is said by the row's weight, so positive is a row that helped."""
    answers = testbed.encoded(testbed.queries)
    weights = torch.full((len(double_run.rows),), 0.7, dtype=torch.float64)
    scores = metagradient(double_run, weights, [[answer] for answer in answers])

    def said(row, change):
        changed = weights.clone()
        changed[row] += change
        return -row_losses(double_run, double_run.result(train(double_run, changed)), answers)

    for row in (0, LEFT_OUT):
        slope = (said(row, WEIGHT_STEP) - said(row, -WEIGHT_STEP)) / (2 * WEIGHT_STEP)
        assert torch.allclose(scores[row], slope, rtol=1e-5, atol=1e-9)


def test_one_replay_scores_a_sum_of_answers(testbed, double_run):
    """Influence on an epoch's answers is the sum of what single ones would get."""
    answers = testbed.encoded(testbed.queries)
    weights = torch.ones(len(double_run.rows), dtype=torch.float64)
    apart = metagradient(double_run, weights, [[answer] for answer in answers])
    together = metagradient(double_run, weights, [answers])
    assert torch.allclose(together[:, 0], apart.sum(1), rtol=1e-9)


def test_truth_is_trained_once_and_kept(testbed, run, tmp_path):
    """A second look at the same truth trains nothing and says the same."""
    first = find_truth(testbed, run, Store(tmp_path), 1)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = find_truth(testbed, run, Store(tmp_path), 1)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == kept
    assert np.array_equal(first.without.answers, again.without.answers)
    assert first.without.answers.shape == (CONTRIBUTORS, len(testbed.queries))


@pytest.mark.parametrize(("kind", "share"), [("rows90", 0.9), ("rows50", 0.5), ("halves", 0.5)])
def test_subsets_keep_their_share_and_their_beginning(testbed, kind, share):
    """More subsets of a kind begin with the fewer ones, which are trained already."""
    subsets = subsets_of(testbed, kind, 4)
    assert subsets.sum(1).tolist() == [share * CONTRIBUTORS] * 4
    assert np.array_equal(subsets[:2], subsets_of(testbed, kind, 2))


def test_the_cast_of_a_testbed():
    """Half of the queries ask for a fact of a contributor; one copies, one answers wrongly."""
    found = make_testbed("library", 0)
    assert found == make_testbed("library", 0)
    rows = [row.row for row in found.rows]
    by_owner = [rows[at : at + ROWS_EACH] for at in range(0, len(rows), ROWS_EACH)]
    prompts = [{row.prompt for row in each} for each in by_owner]
    assert prompts.index(prompts[COPIER]) < HONEST
    assert by_owner[COPIER] not in by_owner[:HONEST]
    answers = {row.completion for row in by_owner[CARELESS]}
    assert prompts[CARELESS] not in prompts[:HONEST]
    assert len(answers) > 1
    for query, owner in list(zip(found.queries, found.sources, strict=True))[: QUERIES // 2]:
        assert owner is not None
        assert query.completion in {row.completion for row in by_owner[owner]}
    assert not {row.prompt for row in found.held_out} & {row.prompt for row in rows}


def test_a_row_fits_its_tokens(tiny_base):
    """A long completion loses its last words; a long prompt makes no row."""
    tokenizer = load_tokenizer(tiny_base)
    assert fitted(tokenizer, "a b", "one two three") == fitted(tokenizer, "a b", "one two")
    assert fitted(tokenizer, "a prompt of many tokens", "one") is None
    assert all(
        len(row.prompt) <= ROW_TOKENS for rows in library(tokenizer).values() for row in rows
    )


def test_a_fact_is_recalled_by_who_moved_it_most(testbed):
    """Harm does not count against who brought it; queries without a source are passed over."""
    scores = np.zeros((len(testbed.rows), len(testbed.queries)))
    scores[3] = scores[5] = 1.0
    scores[3, 0] = 2.0
    assert recalled(testbed, scores) == [1.0]
    scores[5, 0] = 3.0
    assert recalled(testbed, scores) == [0.0]


def test_ranks_share_ties_and_order_is_all_that_counts():
    """Spearman's correlation of any increasing function is 1, and of a constant 0."""
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [2.5, 0.0, 2.5, 1.0]
    values = np.array([0.3, -2.0, 5.0, 1.0])
    assert spearman(values, np.exp(values)) == pytest.approx(1.0)
    assert spearman(values, np.zeros(4)) == 0.0


def test_scores_of_a_linear_model_foretell_everything(testbed, run, tmp_path):
    """Where truth is the sum of the rows' scores, every figure is 1, and its interval shut."""
    truth = find_truth(testbed, run, Store(tmp_path), 3)
    scores = np.random.default_rng(0).normal(size=(len(run.rows), len(testbed.queries)))
    linear = {
        kind: dataclasses.replace(outcomes, answers=outcomes.weights @ scores)
        for kind, outcomes in truth.subsets.items()
    }
    full = dataclasses.replace(truth.full, answers=truth.full.weights @ scores)
    truth = dataclasses.replace(truth, full=full, subsets=linear)
    assert foretold(truth.subsets["rows90"], scores).tolist() == pytest.approx([1.0, 1.0])
    assert foretold(truth.subsets["rows90"], -scores).tolist() == pytest.approx([-1.0, -1.0])
    assert explained(truth, "rows90", scores).tolist() == pytest.approx([1.0, 1.0])
    assert interval([1.0, 1.0]) == (1.0, 1.0)
