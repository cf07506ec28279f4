"""The unit is one row: any order, split, padding, worker or thread count gives the same bits."""

import functools
import math
import operator
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.errors import OrderInvalid
from ml.exact import gradients
from ml.exact.adapter import Adapter, AdapterLayout, AdapterShape
from ml.exact.gradients import (
    ROWS_MAX,
    BatchGradient,
    Dropout,
    Fault,
    batch_gradient,
    evaluate,
    first_fault,
    row_gradients,
)
from ml.exact.model import ExactModel
from tests.ml.exact.conftest import TestRow, random_adapter, rows_of_lengths

LENGTHS = (3, 9, 9, 17, 30, 2, 41)
ROWS = rows_of_lengths(*LENGTHS)
DROPOUT = Dropout(64, tuple(bytes([place]) for place in range(len(ROWS))))


@pytest.fixture(scope="module")
def expected(model, adapter) -> BatchGradient:
    return batch_gradient(model, adapter, ROWS, DROPOUT)


def same(one: BatchGradient, other: BatchGradient) -> bool:
    return (one.loss, one.row_count, one.fault) == (other.loss, other.row_count, other.fault) and (
        torch.equal(one.gradient, other.gradient)
    )


@settings(max_examples=25, deadline=None)
@given(
    order=st.permutations(range(len(ROWS))),
    cuts=st.sets(st.integers(1, len(ROWS) - 1)),
    room=st.integers(1, 200),
    int8=st.booleans(),
)
def test_workers_orders_and_micro_batches_give_the_same_bits(
    model, reference, adapter, expected, order, cuts, room, int8
):
    """Rows in any order over any number of workers with any memory, on either backend."""
    parts = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradients, "PART_NUMBERS", room * model.shape.width)
        for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), len(ROWS)], strict=True):
            part = order[start:stop]
            keys = tuple(DROPOUT.keys[place] for place in part)
            parts.append(
                batch_gradient(
                    model if int8 else reference,
                    adapter,
                    [ROWS[place] for place in part],
                    Dropout(DROPOUT.dropped_units, keys),
                )
            )
    assert same(functools.reduce(operator.add, parts), expected)


def test_a_batch_is_the_sum_of_its_rows(model, adapter, expected):
    """The gradient of one row, which attribution takes, is what training added."""
    found = row_gradients(model, adapter, ROWS, DROPOUT)
    assert sum(found.losses) == expected.loss
    assert torch.equal(found.gradients.sum(0), expected.gradient)
    alone = row_gradients(model, adapter, ROWS[3:4], Dropout(64, DROPOUT.keys[3:4]))
    assert torch.equal(alone.gradients[0], found.gradients[3])


def test_thread_counts_give_the_same_bits(model, adapter, expected):
    """Two threads divide the sums otherwise."""
    torch.set_num_threads(2)
    try:
        assert same(batch_gradient(model, adapter, ROWS, DROPOUT), expected)
    finally:
        torch.set_num_threads(1)


def test_dropout_drops(model, adapter, expected):
    """Another key or share is another gradient; none is the plain one."""
    plain = batch_gradient(model, adapter, ROWS)
    assert same(plain, batch_gradient(model, adapter, ROWS, Dropout(0, DROPOUT.keys)))
    keys = tuple(reversed(DROPOUT.keys))
    others = [plain, batch_gradient(model, adapter, ROWS, Dropout(64, keys))]
    assert not any(same(other, expected) for other in others)
    error = (expected.gradient - plain.gradient).double().norm() / plain.gradient.double().norm()
    assert error < 1.0


def test_only_target_modules_have_gradients(model):
    """An adapter of two modules has their tensors alone, and the same gradients there."""
    whole = random_adapter(model)
    layout = AdapterLayout(model.shape, AdapterShape(4, 6, ("v_proj", "down_proj")))
    zeros = Adapter(whole.layout, torch.zeros_like(whole.vector))
    tensors = whole.layout.tensors(zeros.vector)
    for name, tensor in whole.layout.tensors(whole.vector).items():
        if name in layout.entries:
            tensors[name].copy_(tensor)
    part = Adapter(layout, layout.vector({name: tensors[name] for name in layout.entries}))
    found = batch_gradient(model, part, ROWS)
    expected = batch_gradient(model, zeros, ROWS)
    assert found.loss == expected.loss
    for name, tensor in layout.tensors(found.gradient).items():
        assert torch.equal(tensor, whole.layout.tensors(expected.gradient)[name])


def broken(model: ExactModel, value: float, token: int = 90) -> ExactModel:
    embedding = model.embedding.clone()
    embedding[token] = value
    return replace(model, embedding=embedding)


@pytest.mark.parametrize("value", [math.nan, math.inf, 3e38])
def test_a_row_that_is_not_finite_is_a_fault(model, adapter, value):
    """In its batch, whatever else is there; every other row keeps its loss."""
    rows = rows_of_lengths(5, 20)
    rows = [TestRow(tuple(token % 90 for token in row.ids), row.start) for row in rows]
    bad = TestRow((1, 90, 2, 3, 4, 5), 3)
    found = batch_gradient(broken(model, value), adapter, [*rows, bad])
    assert (found.fault, found.loss) == (Fault.LOSS_NOT_FINITE, 0)
    assert not found.gradient.any()
    assert found.row_count == 3
    assert found.fault == (found + batch_gradient(model, adapter, rows)).fault
    losses = evaluate(broken(model, value), adapter, [rows[0], bad, rows[1]])
    assert losses[1] == -1
    assert losses[::2] == evaluate(model, adapter, rows)


def test_padding_cannot_be_at_fault(model, adapter):
    """Token 0 stands for padding: what its embedding holds must not matter."""
    rows = [TestRow(tuple(1 + token % 90 for token in row.ids), row.start) for row in ROWS]
    found = batch_gradient(broken(model, math.nan, 0), adapter, rows)
    assert same(found, batch_gradient(model, adapter, rows))


def test_a_gradient_that_is_too_large_is_a_fault(model):
    """Beyond 4,096 a sum of a thousand rows would not fit; a fault of the loss counts first."""
    layout = random_adapter(model).layout
    huge = Adapter(layout, layout.initial(b"key") * 1e8)  # B is 0: the loss stays what it is
    found = batch_gradient(model, huge, ROWS)
    assert found.fault == Fault.GRADIENT_TOO_LARGE
    assert row_gradients(model, huge, ROWS).fault == Fault.GRADIENT_TOO_LARGE
    assert first_fault(found.fault, Fault.LOSS_NOT_FINITE, Fault.NONE) == Fault.LOSS_NOT_FINITE


@pytest.mark.parametrize(
    "row",
    [
        TestRow((), 1),
        TestRow((1,), 1),
        TestRow((1, 2), 0),
        TestRow((1, 2), 2),
        TestRow((1, 2), 3),
        TestRow((1, 97), 1),
        TestRow((-1, 2), 1),
        TestRow((1,) * 65, 1),
    ],
)
def test_rows_that_the_model_cannot_read_are_refused(model, adapter, row):
    """Too short or long, without a label for each token or with none, or of another tokenizer."""
    with pytest.raises(OrderInvalid) as caught:
        batch_gradient(model, adapter, [ROWS[0], row])
    assert caught.value.remedy


def test_a_batch_has_a_limit(model, adapter):
    """So that the sum of its rows cannot overflow."""
    with pytest.raises(OrderInvalid, match="1025 rows"):
        batch_gradient(model, adapter, [ROWS[0]] * (ROWS_MAX + 1))
