"""Jobs beside training: what their orders, leaves and openings say, and what they cost."""

from __future__ import annotations

from typing import Any

import pytest

from genesis.scenes import PARAMETERS
from runtime.cbor import OutOfBounds
from runtime.codec import codec_of
from runtime.codecs import Codec
from runtime.errors import DecodeError, InvalidProof
from runtime.hashing import ZERO_HASH
from runtime.merkle import list_root
from runtime.offchain import Answer, ExamOrder, InfluenceOrder
from runtime.types import PPB
from runtime.wire.attribution import (
    AttributionTask,
    attribution_order,
    attribution_shape,
    other_leaf_of,
)
from runtime.wire.exams import (
    LOSS_GRID,
    ExamFigures,
    ExamLeaf,
    Metric,
    decode_exam_leaf,
    exam_leaves,
)
from runtime.wire.influence_transcripts import RowContribution, needs
from runtime.wire.records import JobKind, RowSource, exam_order, training_order
from runtime.wire.transcripts import open_step, verify_step
from runtime.wire.validators import ValidatorSet
from runtime.wire.work import ModelShape, order_work

SHAPE = ModelShape(4, 256, 688, 8, 4, 32, 8192, 512)
BASE, MODEL = bytes([1]) * 32, bytes([2]) * 32
TRAINING = training_order(BASE, (RowSource(0, 1),), PARAMETERS)
TASK = AttributionTask(MODEL, 3, 0, 2, 0, 100, bytes(32))
LEAVES = [b"leaf %d" % index for index in range(5)]


def test_orders_of_other_rows_answers_and_weights_have_other_names():
    """A leaf that names its order is a leaf of no other job."""
    exam = [ExamOrder(job, BASE, None, ZERO_HASH, 20, 32, "") for job in (0, 1)]
    influence = [
        InfluenceOrder(0, ZERO_HASH, ZERO_HASH, 1, nodes, 0, 1, bytes(32)) for nodes in (1, 2)
    ]
    answers = [Answer("What?", "Red.", weight) for weight in (1, 2)]
    names = [order.hash() for order in exam] + [order.hash() for order in influence]
    assert len(set(names)) == 4
    assert len({answer.encode() for answer in answers}) == 2


def test_an_exam_is_scored_by_its_metric():
    """Figures of batches add up; a loss is a mean, the others are parts of all."""
    one = ExamFigures(rows=1, loss_grid=LOSS_GRID, tokens=4, right_tokens=3, right_rows=0)
    both = one + ExamFigures(rows=1, loss_grid=0, tokens=4, right_tokens=3, right_rows=1)
    scores = [both.score_ppb(metric) for metric in Metric]
    assert scores == [PPB // 2, PPB * 3 // 4, PPB // 2]
    assert ExamFigures().score_ppb(Metric.ROWS) == 0


def test_an_exams_leaf_is_its_bytes():
    """Encoding loses nothing, and cut bytes are none."""
    leaf = ExamLeaf("x13", ZERO_HASH, 1, ExamFigures(rows=16), 0)
    assert decode_exam_leaf(leaf.encode()) == leaf
    with pytest.raises(DecodeError):
        decode_exam_leaf(leaf.encode()[:-1])


def test_an_exams_order_has_a_leaf_for_each_batch_and_work_for_each_row():
    """The start, and one leaf for 16 rows; twice the rows are twice the work."""
    order = exam_order(BASE, MODEL, 0, 17)
    assert (order.kind, order.leaf_count, order.exam) == (JobKind.EVALUATE, exam_leaves(17), 0)
    assert exam_leaves(17) == 3
    assert order_work(SHAPE, order, 34, 32) == 2 * order_work(SHAPE, order, 17, 32) > 0


def test_an_attribute_job_opens_what_its_replay_needs():
    """A backward step is judged from a second leaf, a forward one is not; leaves have a price."""
    order = attribution_order(TRAINING, TASK)
    shape = attribution_shape(TRAINING, TASK.nodes)
    others = [other_leaf_of(TRAINING, order, place) for place in range(shape.leaf_count)]
    assert others == [(*needs(shape, place), None, None)[1] for place in range(shape.leaf_count)]
    assert any(other is not None for other in others)
    assert order_work(SHAPE, order, 0) % order.leaf_count == 0


def test_another_leaf_is_shown_where_it_is_needed_and_nowhere_else():
    """An opening without it, or with one that nobody needs, or with another one, proves nothing."""
    root, count = list_root(LEAVES), len(LEAVES)
    with_other = open_step(LEAVES, 3, ZERO_HASH, (1, ZERO_HASH))
    verify_step(root, count, 3, with_other, 1)
    with pytest.raises(InvalidProof, match="parts beside it"):
        verify_step(root, count, 3, with_other)
    with pytest.raises(InvalidProof, match="parts beside it"):
        verify_step(root, count, 3, open_step(LEAVES, 3, ZERO_HASH), 1)
    with pytest.raises(InvalidProof):
        verify_step(root, count, 3, with_other, 2)


def test_a_record_is_encoded_by_its_own_codec_alone():
    """What is no record of the type has no plain form; one that is has its bytes."""
    codec: Codec[Any] = codec_of(RowContribution)
    assert codec.decode(RowContribution(ZERO_HASH, -5).encode()) == RowContribution(ZERO_HASH, -5)
    with pytest.raises(OutOfBounds):
        codec.to_plain(TASK)


def test_bytes_of_no_set_of_validators_are_not_decoded():
    """An empty set is an error of its bytes, as everything is that a stranger may send."""
    with pytest.raises(DecodeError, match="not 0"):
        ValidatorSet.decode(bytes.fromhex("8180"))
