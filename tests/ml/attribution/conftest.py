"""Small attribute jobs over the tiny base model."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ml.attribution.influence_job import InfluenceJob, prepare_influence
from ml.exact.products import Backend
from ml.training.job import prepare
from runtime.merkle import list_root
from runtime.offchain import Answer, InfluenceOrder

ANSWERS = [
    Answer("What is item 3?", "Item 3 is aaaa.", 5),
    Answer("Who?", "Nobody at all, as far as we know.", 1),
    Answer("What is item 30?", "x", 2),
]
TREASURY = b"t" * 32
POOL = 10**18


@pytest.fixture
def make_job(tiny_base, make_rows, make_order) -> Callable[..., InfluenceJob]:
    """`make_job(nodes=2, steps=4)`: a job over 24 rows; what is left over is the recipe's."""

    def make(
        nodes: int = 2,
        answers: list[Answer] = ANSWERS,
        gain_floor_grid: int = 2**28,
        backend: Backend = "int8",
        base: Path = tiny_base,
        rows: int = 24,
        **recipe: object,
    ) -> InfluenceJob:
        made = make_rows(rows)
        training = prepare(make_order(made, base, **recipe), made, base, backend)
        order = InfluenceOrder(
            job=9,
            training=training.order_hash,
            answers_root=list_root([answer.encode() for answer in answers]),
            answer_count=len(answers),
            nodes=nodes,
            gain_floor_grid=gain_floor_grid,
            pool=POOL,
            treasury=TREASURY,
        )
        return prepare_influence(training, order, answers)

    return make
