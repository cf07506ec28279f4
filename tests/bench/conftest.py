"""A testbed of a few made-up rows on a tiny random Llama."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from bench.attribution.network import FloatModel
from bench.attribution.testbed import CONTRIBUTORS, Testbed
from bench.attribution.training import Run
from ml.training.recipe import default_training_parameters
from runtime.offchain import TrainingRow
from runtime.wire.rows import Row, RowRecord
from tests.ml.tiny_models import SPECIAL, save_tiny_base

STEPS = 5
BATCH_ROWS = 8


@pytest.fixture(autouse=True, scope="session")
def single_thread() -> None:
    """Two test processes on two cores must not fight over them."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_base(tmp_path_factory.mktemp("base"), SPECIAL)


@pytest.fixture(scope="session")
def testbed(tiny_base: Path) -> Testbed:
    """One row a contributor."""
    rows = [Row(f"item {index}", "abcdefg"[index % 7] * 3) for index in range(CONTRIBUTORS)]
    queries = (Row("which item 3", "ddd"), Row("item x", "ab"))
    return Testbed(
        name="made up",
        seed=0,
        base_model=tiny_base,
        rows=tuple(
            TrainingRow(row, RowRecord(row.hash(), bytes([index]) * 32, index, 0))
            for index, row in enumerate(rows)
        ),
        owners=tuple(range(CONTRIBUTORS)),
        queries=queries,
        sources=(3, None),
        held_out=(Row("item y", "cc"),),
    )


@pytest.fixture(scope="session")
def run(testbed: Testbed) -> Run:
    """A short training of it."""
    parameters = dataclasses.replace(
        default_training_parameters(CONTRIBUTORS),
        steps=STEPS,
        batch_rows=BATCH_ROWS,
        warmup_steps=2,
        alpha=8,
    )
    return testbed.run(parameters)


@pytest.fixture(scope="session")
def double_run(testbed: Testbed, run: Run) -> Run:
    """The same in float64, its last two states averaged."""
    model = FloatModel.load(testbed.base_model, run.model.layout, torch.float64)
    return dataclasses.replace(run, model=model, start=run.start.double(), tail_steps=2)
