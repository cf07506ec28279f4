"""Runs in confined processes: the same results, ended on request, gone on with, refused by name."""

import dataclasses
from pathlib import Path

import pytest

from ml.manifest import manifest_of
from ml.training.inputs import encode_inputs
from ml.training.recipe import default_training_parameters
from ml.training.run_files import ABORT_FILE, METRICS_FILE, TRANSCRIPT_FILE, RunFiles
from ml.training.train import train
from node.workers.errors import JobRefused, RunFailed, StopRequested
from node.workers.runs import LOG_FILE, run_replay, run_step, run_training
from runtime.hashing import ZERO_HASH
from runtime.merkle import list_root
from runtime.offchain import RowsOfVersion, TrainingOrder, TrainingRow
from runtime.wire.blobs import decode_blob
from runtime.wire.rows import Row, RowRecord
from runtime.wire.transcripts import decode_leaf, leaf_result, state_root
from tests.ml.tiny_models import SPECIAL, save_tiny_base

STEPS = 4


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return save_tiny_base(tmp_path_factory.mktemp("base"), SPECIAL)


@pytest.fixture(scope="module")
def job(base):
    """An order and its rows."""
    texts = [Row(f"What is {number}?", f"It is {'abc'[number % 3]}.") for number in range(12)]
    rows = [
        TrainingRow(row, RowRecord(row.hash(), bytes(32), 0, index))
        for index, row in enumerate(texts)
    ]
    parameters = dataclasses.replace(
        default_training_parameters(12), steps=STEPS, batch_rows=4, warmup_steps=1
    )
    root = list_root([row.record.encode() for row in rows])
    sources = (RowsOfVersion(root, len(rows)),)
    return TrainingOrder(1, manifest_of(base).hash(), sources, bytes(32), parameters), rows


@pytest.fixture(scope="module")
def expected(base, job, tmp_path_factory):
    """The run as this very process computes it: its folder and its outcome."""
    folder = tmp_path_factory.mktemp("expected")
    return folder, train(job[0], job[1], base, folder, lambda _metrics: None).outcome


def never() -> None:
    """Nobody asks to stop."""


def test_a_confined_run_has_the_same_outcome(base, job, expected, tmp_path):
    """A process without network, keys or rights comes to what everybody comes to."""
    outcome = run_training(tmp_path, encode_inputs(*job), base, never)
    assert outcome == expected[1]
    leaves = decode_blob((tmp_path / TRANSCRIPT_FILE).read_bytes(), STEPS + 2)
    state = run_replay(tmp_path, base, 3, never)
    assert state_root(state) == decode_leaf(leaves[3]).state_root
    assert (tmp_path / LOG_FILE).read_text() == ""


def test_an_ended_run_goes_on(base, job, expected, tmp_path):
    """Whatever the watcher raises ends the process; the next one goes on from the kept state."""

    def stop_at_once() -> None:
        if RunFiles(tmp_path).kept():
            raise StopRequested

    try:
        run_training(tmp_path, encode_inputs(*job), base, stop_at_once)
    except StopRequested:
        assert RunFiles(tmp_path).kept()
    assert run_training(tmp_path, encode_inputs(*job), base, never) == expected[1]


def test_an_aborted_run_comes_to_an_early_end(base, job, tmp_path):
    """The owner's word, left in the folder, ends the run with what was done."""
    (tmp_path / ABORT_FILE).touch()
    outcome = run_training(tmp_path, encode_inputs(*job), base, never)
    assert (outcome.leaf_count, outcome.adapter) == (1, ZERO_HASH)
    assert len((tmp_path / METRICS_FILE).read_text().splitlines()) == 1


def test_a_judge_computes_any_leaf_from_what_was_opened(base, job, expected, tmp_path):
    """Leaf 0 from the job alone, a step and the conclusion from a leaf and its state."""
    folder, _ = expected
    leaves = decode_blob((folder / TRANSCRIPT_FILE).read_bytes(), STEPS + 2)
    inputs, files = encode_inputs(*job), RunFiles(folder)
    assert run_step(tmp_path / "0", inputs, base, None, never) == leaf_result(leaves[0])
    for step in (2, STEPS):
        opened = (leaves[step], files.state(step))
        found = run_step(tmp_path / str(step), inputs, base, opened, never)
        assert found == leaf_result(leaves[step + 1])
    after_all = (leaves[-1], files.state(STEPS))
    assert run_step(tmp_path / "end", inputs, base, after_all, never) == ZERO_HASH


def test_what_cannot_be_run_is_refused_with_its_reason(base, job, expected, tmp_path):
    """The confined process's own words come back; one that breaks is another error."""
    order, rows = job
    with pytest.raises(JobRefused, match="lead to a rows root"):
        run_training(tmp_path / "1", encode_inputs(order, rows[::-1]), base, never)
    with pytest.raises(JobRefused, match="holds 0 files"):
        run_training(tmp_path / "2", encode_inputs(order, rows), tmp_path, never)
    (tmp_path / "3" / "states").mkdir(parents=True)
    (tmp_path / "3" / "metrics.jsonl").mkdir()
    with pytest.raises(RunFailed, match="IsADirectoryError"):
        run_training(tmp_path / "3", encode_inputs(order, rows), base, never)
