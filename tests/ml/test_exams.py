"""An exam: figures by the leaf, each from the leaf before; what decoding would give, undecoded."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from ml.errors import OrderInvalid
from ml.exact.gradients import evaluate
from ml.exact.inference import answer
from ml.exact.loss import IGNORED
from ml.exact.sampling import Sampler
from ml.exams.inputs import decode_exam, encode_exam
from ml.exams.run import run_exam
from ml.exams.steps import begin_exam, next_exam_leaf, prepare_exam, score
from ml.manifest import manifest_of
from ml.training.encode import EncodedRow, encode_prompt
from ml.training.run_files import ABORT_FILE, ADAPTER_DIRECTORY, TRANSCRIPT_FILE
from ml.training.train import train
from runtime.merkle import list_root
from runtime.offchain import ExamOrder
from runtime.wire.blobs import decode_blob
from runtime.wire.exams import BATCH_ROWS, decode_exam_leaf, exam_leaves
from runtime.wire.rows import Row

COUNT = 2 * BATCH_ROWS + 3


@pytest.fixture(scope="module")
def rows():
    """Two batches and a part of a third."""
    return [Row(f"What is item {index}?", f"Item {index}.") for index in range(COUNT)]


def exam_order(base, rows, adapter=None):
    """The order of an exam over these rows."""
    root = list_root([row.hash() for row in rows])
    subject = None if adapter is None else manifest_of(adapter).hash()
    return ExamOrder(3, manifest_of(base).hash(), subject, root, len(rows), 48, "")


@pytest.fixture(scope="module")
def taken(tiny_base, rows, tmp_path_factory):
    """The base model's exam, its folder and its outcome."""
    folder = tmp_path_factory.mktemp("exam")
    exam = prepare_exam(exam_order(tiny_base, rows), rows, tiny_base, None)
    return exam, folder, run_exam(exam, folder)


def test_every_leaf_follows_from_the_one_before_alone(taken):
    """Leaf 0 scored nothing; each adds a batch; nothing follows the last one."""
    exam, folder, outcome = taken
    blob = (folder / TRANSCRIPT_FILE).read_bytes()
    leaves = [decode_exam_leaf(leaf) for leaf in decode_blob(blob, outcome.leaf_count)]
    assert len(leaves) == exam_leaves(COUNT) == 4
    assert leaves[0] == begin_exam(exam)
    for before, after in pairwise(leaves):
        assert next_exam_leaf(exam, before) == after
    assert next_exam_leaf(exam, leaves[-1]) is None
    assert next_exam_leaf(exam, replace(leaves[1], fault=1)) is None
    assert [leaf.figures.rows for leaf in leaves] == [0, 16, 32, COUNT]
    assert outcome.transcript_root == list_root([leaf.encode() for leaf in leaves])


def test_a_leaf_of_another_job_is_not_judged(taken):
    """Its figures could be anything."""
    exam, _folder, _outcome = taken
    with pytest.raises(OrderInvalid, match="not of job"):
        next_exam_leaf(exam, replace(begin_exam(exam), job=bytes(32)))


def test_losses_are_those_of_training(taken):
    """The figures' loss is the sum of the rows' losses by the operators that train."""
    exam, folder, outcome = taken
    blob = (folder / TRANSCRIPT_FILE).read_bytes()
    last = decode_exam_leaf(decode_blob(blob, outcome.leaf_count)[-1])
    encoded = [row for number in (1, 2, 3) for row in exam.batch(number)]
    assert last.figures.loss_grid == sum(evaluate(exam.model, None, encoded))


def test_a_row_is_right_exactly_where_greedy_decoding_gives_it(taken):
    """Read at once, a completion that the model decoded is right to its last token."""
    exam, _folder, _outcome = taken
    prompt = encode_prompt(exam.tokenizer, exam.rows[0].prompt)
    written = list(answer(exam.model, None, prompt, Sampler(), 6).tokens)
    for change in range(len(written)):
        tokens = [*written]
        tokens[change] += 1
        figures = score(exam, [encoded(prompt, tokens)])
        assert figures is not None
        assert figures.right_rows == 0
        assert figures.right_tokens < len(written)
    right = score(exam, [encoded(prompt, written)])
    assert right is not None
    assert (right.rows, right.right_rows, right.right_tokens) == (1, 1, len(written))


def encoded(prompt, completion):
    """A row with a loss on its completion."""
    ids = (*prompt, *completion)
    taken = [IGNORED] * (len(prompt) - 1) + completion
    return EncodedRow(ids, (*taken, IGNORED))


def test_an_adapter_is_scored_on_its_base(tiny_base, rows, make_rows, make_order, tmp_path):
    """Its figures differ from the base model's; both backends find the same ones."""
    trained = make_rows(24)
    train(make_order(trained), trained, tiny_base, tmp_path, lambda _metrics: None)
    adapter = tmp_path / ADAPTER_DIRECTORY
    order = exam_order(tiny_base, rows, adapter)
    found = []
    for backend in ("int8", "float64"):
        exam = prepare_exam(order, rows, tiny_base, adapter, backend)
        found.append(next_exam_leaf(exam, begin_exam(exam)))
    assert found[0] == found[1]
    base = prepare_exam(exam_order(tiny_base, rows), rows, tiny_base, None)
    plain = next_exam_leaf(base, begin_exam(base))
    assert found[0] is not None
    assert plain is not None
    assert found[0].figures.loss_grid != plain.figures.loss_grid


def test_an_aborted_exam_ends_after_a_leaf(tiny_base, rows, tmp_path):
    """What is done is committed to."""
    exam = prepare_exam(exam_order(tiny_base, rows), rows, tiny_base, None)
    (tmp_path / ABORT_FILE).touch()
    assert run_exam(exam, tmp_path).leaf_count == 1


def test_inputs_read_back_and_must_fit(tiny_base, rows, tmp_path):
    """Order and rows as one file; other rows, or another model, are not the order's."""
    order = exam_order(tiny_base, rows)
    assert decode_exam(encode_exam(order, rows)) == (order, tuple(rows))
    with pytest.raises(OrderInvalid, match="cannot be read"):
        decode_exam(b"nothing")
    with pytest.raises(OrderInvalid, match="rows are not those"):
        prepare_exam(order, rows[1:], tiny_base, None)
    with pytest.raises(OrderInvalid, match="is not what job"):
        prepare_exam(replace(order, base_model=bytes(32)), rows, tiny_base, None)
