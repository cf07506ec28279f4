"""Work orders: plain immutable data, so that `ml/` never imports `pallets/`."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from runtime.offchain import Answer, TrainingRow
from runtime.wire.rows import Row, RowRecord


def test_work_orders_are_immutable_values() -> None:
    """Equal by value, hashable, and not to be changed by whoever receives them."""
    row = TrainingRow(Row("question", "answer"), RowRecord(bytes(32), bytes(32), 0, 1))
    assert row == TrainingRow(Row("question", "answer"), RowRecord(bytes(32), bytes(32), 0, 1))
    answer = Answer(prompt="question", output="answer", weight=5)
    assert len({answer, Answer("question", "answer", 5)}) == 1
    with pytest.raises(FrozenInstanceError):
        answer.weight = 6  # type: ignore[misc] # the point of the test
