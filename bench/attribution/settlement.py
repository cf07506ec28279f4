"""What an epoch's settlement says and costs: the product's exact replay, at two nodes."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch

from bench.attribution.store import Numbers, Store
from bench.attribution.testbed import Testbed
from bench.attribution.training import Run
from ml.attribution.influence_job import InfluenceJob, prepare_influence
from ml.attribution.metagradient import Replay, replay
from ml.errors import AttributionInvalid
from ml.exact.gradients import GRADIENT_UNITS
from ml.exact.products import Backend
from ml.training.job import prepare
from ml.training.steps import advance, begin
from runtime.merkle import list_root
from runtime.offchain import Answer, InfluenceOrder
from runtime.types import OPEN
from runtime.wire.rows import Row

NODES = 2
"""Governance's default."""


def settled(testbed: Testbed, run: Run, store: Store) -> tuple[Numbers, float]:
    """Scores [nodes, rows] in nats of all queries' mean, and the replay's time over training's.

    A row that no batch took has the score 0.
    """

    def compute() -> Numbers:
        job = influence_job(testbed, run, answers_to(testbed.queries))
        started = time.process_time()
        state, _leaf = begin(job.training)
        for step in range(1, job.training.parameters.steps + 1):
            state, _leaf = advance(job.training, state, step)
        trained = time.process_time()
        found = replay(job)
        taken = (time.process_time() - trained) / (trained - started)
        scores = np.zeros((NODES, len(run.rows)))
        scores[:, list(job.trained)] = scores_of(found).double().numpy() / GRADIENT_UNITS
        return np.append(scores.ravel(), taken)

    found = store.get(run, b"settlement", compute)
    return found[:-1].reshape(NODES, -1), float(found[-1])


def influence_job(
    testbed: Testbed,
    run: Run,
    answers: Sequence[Answer],
    *,
    gain_floor_grid: int = 0,
    backend: Backend = "int8",
) -> InfluenceJob:
    """The attribute job of an epoch with these answers."""
    training = prepare(run.order, testbed.rows, testbed.base_model, backend)
    order = InfluenceOrder(
        job=testbed.seed,
        training=training.order_hash,
        answers_root=list_root([answer.encode() for answer in answers]),
        answer_count=len(answers),
        nodes=NODES,
        gain_floor_grid=gain_floor_grid,
        pool=OPEN,
        treasury=bytes(32),
    )
    return prepare_influence(training, order, answers)


def answers_to(queries: Sequence[Row]) -> list[Answer]:
    """Every query answered once, for the same fee."""
    return [Answer(query.prompt, query.completion, OPEN) for query in queries]


def scores_of(found: Replay) -> torch.Tensor:
    """The integer scores [nodes, trained rows]; raises `AttributionInvalid` after a fault."""
    if found.payout is None:
        message = "The replay of the testbed ended with a fault."
        raise AttributionInvalid(message, remedy="Measure a recipe whose training is stable.")
    return found.node_scores
