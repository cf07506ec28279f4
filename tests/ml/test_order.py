"""What a work order determines: the streams, the split, the batches, and which rows are its own."""

import dataclasses

import pytest

from ml.errors import OrderInvalid
from ml.training.order import check_rows, plan_of, trained_rows
from runtime.merkle import list_root
from runtime.offchain import RowsOfVersion
from runtime.types import PPB


def test_each_pass_takes_every_training_row_once(make_rows, make_order):
    """Passes follow each other without a gap, and no validation row is ever trained on."""
    rows = make_rows(24)
    plan = plan_of(make_order(rows, steps=9, batch_rows=8), rows)
    assert sorted(plan.training + plan.validation) == list(range(24))
    flat = [index for batch in plan.batches for index in batch]
    assert [len(batch) for batch in plan.batches] == [8] * 9
    size = len(plan.training)
    assert sorted(flat[:size]) == sorted(flat[size : 2 * size]) == list(plan.training)
    assert flat[:size] != flat[size : 2 * size]
    assert plan.trained() == plan.training


def test_the_beacon_decides_the_split_and_the_order(make_rows, make_order):
    """Who cannot foresee the beacon cannot choose what is validated or what comes last."""
    rows = make_rows(24)
    order = make_order(rows)
    other = dataclasses.replace(order, beacon=bytes(32))
    assert plan_of(order, rows) == plan_of(order, rows)
    assert plan_of(order, rows).validation != plan_of(other, rows).validation
    assert plan_of(order, rows).batches != plan_of(other, rows).batches


def test_rows_that_no_batch_took_are_not_trained(make_rows, make_order):
    """A run shorter than one pass scores and pays only the rows it used."""
    rows = make_rows(24)
    order = make_order(rows, steps=3, batch_rows=2)
    used = trained_rows(order, rows)
    assert len(used) == 6
    assert [row.record for row in used] == [row.record for row in rows if row in used]


@pytest.mark.parametrize("share_ppb", [0, 1, PPB // 2])
def test_both_sides_of_a_split_keep_a_row(make_rows, make_order, share_ppb):
    """A share above 0 validates on at least one row, and always leaves one to train on."""
    rows = make_rows(2)
    plan = plan_of(make_order(rows, validation_ppb=share_ppb), rows)
    assert len(plan.validation) == (1 if share_ppb else 0)


def test_the_split_has_the_share_that_was_asked_for(make_rows, make_order):
    """Half of many rows is about half."""
    rows = make_rows(248)
    plan = plan_of(make_order(rows, validation_ppb=PPB // 2), rows)
    assert 95 < len(plan.validation) < 155


def test_a_single_row_is_trained_on_and_none_is_an_error(make_rows, make_order):
    """One row cannot be validated besides; without rows there is no job."""
    rows = make_rows(1)
    assert plan_of(make_order(rows), rows).training == (0,)
    with pytest.raises(OrderInvalid, match="no rows to train on"):
        plan_of(make_order([]), [])


def test_only_the_rows_of_the_order_are_trained_on(make_rows, make_order):
    """Other records, another order of them, or another text under a record are refused."""
    rows = make_rows(8)
    order = make_order(rows)
    check_rows(order, rows)
    with pytest.raises(OrderInvalid, match="rows root"):
        check_rows(order, rows[::-1])
    with pytest.raises(OrderInvalid, match="rows root"):
        check_rows(order, rows[:-1])
    with pytest.raises(OrderInvalid, match="8 rows, and 9"):
        check_rows(order, [*rows, rows[0]])
    forged = dataclasses.replace(rows[3], row=rows[4].row)
    with pytest.raises(OrderInvalid, match="Row 3"):
        check_rows(order, [*rows[:3], forged, *rows[4:]])


def test_a_job_may_have_the_rows_of_several_versions(make_rows, make_order):
    """Each version has its own root and count; swapping them is another order."""
    rows = make_rows(12)
    parts = [rows[:8], rows[8:]]
    sources = tuple(
        RowsOfVersion(list_root([row.record.encode() for row in part]), len(part)) for part in parts
    )
    order = dataclasses.replace(make_order(rows), sources=sources)
    check_rows(order, rows)
    assert plan_of(order, rows) == plan_of(make_order(rows), rows)
    with pytest.raises(OrderInvalid, match="from 0 on"):
        check_rows(dataclasses.replace(order, sources=sources[::-1]), rows)
    assert order.hash() != dataclasses.replace(order, sources=sources[::-1]).hash()
