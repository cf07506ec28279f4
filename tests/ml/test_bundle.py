"""A bundle: everything to run a job again, and nothing in it is believed."""

import dataclasses
import zipfile
from pathlib import Path

import pytest

from ml.errors import BundleUnreadable, OrderInvalid
from ml.training.bundle import extract_bundle, verify_bundle, write_bundle
from ml.training.inputs import decode_inputs, encode_inputs
from ml.training.run_files import TRANSCRIPT_FILE
from ml.training.train import train
from runtime.merkle import list_root
from runtime.wire.blobs import decode_blob, encode_blob
from runtime.wire.records import TrainingOutcome


def quiet(_metrics: object) -> None:
    """Nobody watches."""


def again(folder: Path, inputs: bytes, base_model: Path) -> TrainingOutcome:
    """Run a job in this process."""
    order, rows = decode_inputs(inputs)
    return train(order, rows, base_model, folder, quiet).outcome


@pytest.fixture
def run(tmp_path, tiny_base, make_rows, make_order):
    """A finished run: inputs, outcome, transcript."""
    rows = make_rows(24)
    order = make_order(rows, steps=3, warmup_steps=1)
    report = train(order, rows, tiny_base, tmp_path / "run", quiet)
    transcript = (tmp_path / "run" / TRANSCRIPT_FILE).read_bytes()
    return encode_inputs(order, rows), report.outcome, transcript


def test_a_bundle_verifies_elsewhere(tmp_path, tiny_base, run):
    """Who has the file alone finds the same outcome; equal bundles have equal bytes."""
    inputs, outcome, transcript = run
    paths = [tmp_path / name for name in ("1.zip", "2.zip")]
    for path in paths:
        write_bundle(path, inputs, outcome, transcript, tiny_base)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    found = verify_bundle(paths[0], tmp_path / "elsewhere", again)
    assert found.holds
    assert found.found.transcript_root == outcome.transcript_root
    assert found.first_difference is None


def test_a_lie_is_found_with_its_step(tmp_path, tiny_base, run):
    """A worker that changed one leaf, and everything that follows from it, is shown where."""
    inputs, outcome, transcript = run
    leaves = list(decode_blob(transcript, 10))
    leaves[2] = leaves[2][:-1] + b"\x07"
    lie = dataclasses.replace(outcome, transcript_root=list_root(leaves))
    write_bundle(tmp_path / "lie.zip", inputs, lie, encode_blob(leaves), tiny_base)
    found = verify_bundle(tmp_path / "lie.zip", tmp_path / "elsewhere", again)
    assert not found.holds
    assert found.first_difference == 2
    assert found.found == outcome


def test_a_transcript_of_another_outcome_is_refused(tmp_path, tiny_base, run):
    """The parts of a bundle belong together."""
    inputs, outcome, transcript = run
    leaves = decode_blob(transcript, 10)
    write_bundle(tmp_path / "odd.zip", inputs, outcome, encode_blob(leaves[:-1]), tiny_base)
    with pytest.raises(BundleUnreadable, match="another transcript"):
        verify_bundle(tmp_path / "odd.zip", tmp_path / "elsewhere", again)


@pytest.mark.parametrize("name", ["../outside", "base/../../outside", "base/sub/file", "base/"])
def test_a_bundle_writes_nowhere_else(tmp_path, tiny_base, run, name):
    """A name that leads out of the folder, or into another one, is refused before unpacking."""
    path = tmp_path / "bad.zip"
    inputs, outcome, transcript = run
    write_bundle(path, inputs, outcome, transcript, tiny_base)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(BundleUnreadable, match="does not hold what"):
        extract_bundle(path, tmp_path / "elsewhere")
    assert not (tmp_path / "outside").exists()


def test_what_is_no_bundle_is_named(tmp_path):
    """Another file, a missing one, and inputs that are not an order with rows are errors."""
    (tmp_path / "text.zip").write_text("no archive")
    for name in ("text.zip", "missing.zip"):
        with pytest.raises(BundleUnreadable, match=name):
            extract_bundle(tmp_path / name, tmp_path / f"to {name}")
    for data in (b"", encode_blob([]), encode_blob([b"x"])):
        with pytest.raises(OrderInvalid, match="inputs of a run"):
            decode_inputs(data)


def test_inputs_come_back_as_they_were(make_rows, make_order):
    """Order and rows survive their file."""
    rows = make_rows(5)
    order = make_order(rows)
    assert decode_inputs(encode_inputs(order, rows)) == (order, tuple(rows))
