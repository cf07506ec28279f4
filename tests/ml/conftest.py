"""A tiny random Llama with the product's tokenizer conventions, and work orders over made-up rows."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ml.manifest import manifest_of
from ml.training.recipe import default_training_parameters
from runtime.merkle import list_root
from runtime.offchain import RowsOfVersion, TrainingOrder, TrainingRow
from runtime.wire.rows import Row, RowRecord
from tests.ml.tiny_models import SPECIAL, save_tiny_base


@pytest.fixture(autouse=True, scope="session")
def single_thread():
    """Two test processes on two cores must not fight over them."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory) -> Path:
    return save_tiny_base(tmp_path_factory.mktemp("base"), SPECIAL)


@pytest.fixture(scope="session")
def plain_base(tmp_path_factory) -> Path:
    """A base model whose tokenizer knows no roles."""
    return save_tiny_base(tmp_path_factory.mktemp("plain"), SPECIAL[:3])


@pytest.fixture
def make_rows() -> Callable[[int], list[TrainingRow]]:
    """`make_rows(24)`: rows of three owners, eight each."""

    def make(count: int) -> list[TrainingRow]:
        rows = []
        for index in range(count):
            row = Row(
                f"What is item {index}?", f"Item {index} is {'abc'[index % 3] * (1 + index % 7)}."
            )
            owner = bytes([index // 8 + 1]) * 32
            rows.append(TrainingRow(row, RowRecord(row.hash(), owner, index // 8, index % 8)))
        return rows

    return make


@pytest.fixture
def make_order(tiny_base) -> Callable[..., TrainingOrder]:
    """`make_order(rows, steps=4)`: an order over `rows` with a small recipe."""

    def make(rows: list[TrainingRow], base: Path = tiny_base, **changes: object) -> TrainingOrder:
        small: dict[str, Any] = {
            "steps": 6,
            "batch_rows": 8,
            "rank": 8,
            "alpha": 8,
            "warmup_steps": 2,
            "checkpoint_count": 3,
            "validation_ppb": 200_000_000,
        }
        parameters = default_training_parameters(len(rows))
        return TrainingOrder(
            job=7,
            base_model=manifest_of(base).hash(),
            sources=(RowsOfVersion(list_root([row.record.encode() for row in rows]), len(rows)),),
            beacon=bytes(range(32)),
            parameters=dataclasses.replace(parameters, **(small | changes)),
        )

    return make
