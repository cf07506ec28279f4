"""Attacks on payouts by influence, on a tiny model with one row a contributor."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bench.attribution.attacks import (
    ACCOUNTS,
    FEES_PERCENT,
    attack_gains,
    duplicate_gains,
    honest_epoch,
    ranked,
    self_query_gains,
    settled_epoch,
    sybil_gains,
)
from bench.attribution.settlement import answers_to, influence_job, scores_of
from bench.attribution.store import Store
from bench.attribution.testbed import COPIER
from ml.attribution.metagradient import replay
from ml.training.recipe import default_training_parameters
from pallets.attribution.pallet import Attribution


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One for all tests: each replay is made once."""
    return Store(tmp_path_factory.mktemp("replays"))


@pytest.fixture(scope="module")
def honest(testbed, store):
    """The epoch in which nobody attacks."""
    return honest_epoch(testbed, store)


def test_the_honest_epoch_pays_its_pool_and_no_copier(testbed, honest):
    """All of the contributors' share is divided, and who copies is not there."""
    assert sum(honest.payouts().values()) == honest.pool
    copier = testbed.rows[testbed.owners.index(COPIER)].record.owner
    assert len(honest.rows) == len(testbed.rows) - 1
    assert copier not in {row.record.owner for row in honest.rows}


def test_a_copy_joins_the_class_of_its_row_and_its_owner_earns_nothing(testbed, store, honest):
    """Whoever copies the best paid row has nothing, and the row's class is the original's."""
    other, _own = duplicate_gains(testbed, store, honest)
    assert other == 0
    rows = [row for row in honest.rows if row.record.owner == ranked(honest)[0]]
    copied = [dataclasses.replace(row, record=row.record) for row in rows]
    stuffed = settled_epoch(testbed, store, honest.rows, copied, testbed.queries)
    assert stuffed.classes[-1] == honest.rows.index(rows[0])


def test_rows_over_many_accounts_gain_no_more_than_rounding(honest):
    """Somebody with one row cannot split it: the sum is the same, and there is no further claim."""
    gains = sybil_gains(honest)
    assert len(gains) == len(ranked(honest)) * len(ACCOUNTS)
    assert set(gains) == {0.0}


def test_rows_of_one_owner_over_accounts_cost_a_claim_each(honest):
    """With all rows in one hand, every account but the first pays for its claim."""
    owner = ranked(honest)[0]
    rows = tuple(
        dataclasses.replace(row, record=dataclasses.replace(row.record, owner=owner))
        for row in honest.rows
    )
    assert max(sybil_gains(dataclasses.replace(honest, rows=rows))) < 0


def test_one_replay_of_the_echoes_serves_for_every_sum_of_fees(testbed, store, honest):
    """The mixture is what a replay of all answers together finds, with these fees."""
    row = honest.rows[3].row
    echoes = settled_epoch(testbed, store, honest.rows, (), [row])
    mixed = honest.with_answers(echoes, echoes.fees)
    run = dataclasses.replace(testbed, rows=honest.rows).run(
        default_training_parameters(len(honest.rows))
    )
    answers = answers_to((*testbed.queries, row))
    job = influence_job(
        dataclasses.replace(testbed, rows=honest.rows),
        run,
        answers,
        gain_floor_grid=Attribution.gain_floor_grid.default,
    )
    together = scores_of(replay(job)).double().numpy()
    assert mixed.fees == sum(answer.weight for answer in answers)
    assert np.abs(mixed.nodes - together).max() < 0.01 * np.abs(together).max()


def test_who_asks_for_its_own_row_pays_for_it(testbed, store, honest):
    """What is gained is never more than what the pool grows by, and others' part of it."""
    owner = ranked(honest)[-1]
    gains = self_query_gains(testbed, store, honest, owner)
    assert len(gains) == len(FEES_PERCENT)
    # At four times all other fees, of which the pool gets less than half, nothing can be won.
    assert gains[-1] < 0


def test_the_figures_are_the_largest_gains(testbed, store):
    """One number a key of the issue."""
    found = attack_gains(testbed, store)
    assert set(found) == {"duplicate_gain", "sybil_gain", "self_query_gain"}
    assert found["sybil_gain"] == [0.0]
