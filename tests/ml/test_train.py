"""A training run: the same bits wherever it runs, resumed or not, in PEFT's layout, faults included."""

import json
import shutil

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from ml.errors import OrderInvalid
from ml.exact.adapter import load_adapter_shape
from ml.exact.gradients import Fault
from ml.exact.loss import LOSS_UNITS
from ml.exact.optimiser import AdamState
from ml.lora_config import CONFIG_FILE
from ml.manifest import manifest_of
from ml.training import steps as steps_module
from ml.training.encode import encode_rows, load_tokenizer
from ml.training.job import prepare
from ml.training.order import plan_of, stream_key
from ml.training.recipe import kept_steps
from ml.training.run_files import (
    ABORT_FILE,
    ADAPTER_DIRECTORY,
    METRICS_FILE,
    TRANSCRIPT_FILE,
    RunFiles,
)
from ml.training.steps import begin, next_leaf
from ml.training.train import StepMetrics, train
from runtime.hashing import ZERO_HASH, hash_content
from runtime.merkle import list_root
from runtime.types import PPB
from runtime.wire.blobs import decode_blob
from runtime.wire.training_parameters import Schedule
from runtime.wire.transcripts import TranscriptLeaf, decode_leaf, state_root

# peft 0.21 asks transformers 5.23 for a property that version 6 renames.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


class Killed(Exception):
    """The process is gone, as far as the run can tell."""


def quiet(_metrics: StepMetrics) -> None:
    """Nobody watches."""


def leaves_of(output) -> list[TranscriptLeaf]:
    data = (output / TRANSCRIPT_FILE).read_bytes()
    return [decode_leaf(item) for item in decode_blob(data, 1_000)]


def killed_after(step: int):
    """An observer whose process is killed after a step."""

    def on_step(metrics: StepMetrics) -> None:
        if metrics.step == step:
            raise Killed

    return on_step


def test_both_backends_give_the_same_bytes(tmp_path, tiny_base, make_rows, make_order):
    """Adapter, transcript, states and losses repeat; another beacon gives another adapter."""
    rows = make_rows(24)
    order = make_order(rows, dropout_ppb=PPB // 10, packing=True)
    first = train(order, rows, tiny_base, tmp_path / "1", quiet)
    again = train(order, rows, tiny_base, tmp_path / "2", quiet, "float64")
    assert first == again
    for path in sorted((tmp_path / "1").rglob("*")):
        if path.is_file():
            assert (
                path.read_bytes()
                == (tmp_path / "2" / path.relative_to(tmp_path / "1")).read_bytes()
            )
    other = make_order(rows, dropout_ppb=PPB // 10, packing=True, seed=1)
    assert (
        train(other, rows, tiny_base, tmp_path / "3", quiet).outcome.adapter
        != first.outcome.adapter
    )


def test_a_run_learns_its_rows(tmp_path, tiny_base, make_rows, make_order):
    """The validation loss falls, and every step is told as it ends."""
    rows = make_rows(24)
    heard: list[StepMetrics] = []
    order = make_order(rows, steps=12, learning_rate_ppb=20_000_000)
    report = train(order, rows, tiny_base, tmp_path, heard.append)
    outcome = report.outcome
    assert outcome.validation_loss_after_ppb < 0.8 * outcome.validation_loss_before_ppb
    assert [metrics.step for metrics in heard] == list(range(1, 13))
    assert tuple(metrics.loss for metrics in heard) == report.losses
    assert report.losses[-1] < report.losses[0]


def test_the_outcome_commits_to_what_was_written(tmp_path, tiny_base, make_rows, make_order):
    """Hashes and roots are those of the files; each leaf names its rows, its state and its rate."""
    rows = make_rows(24)
    order = make_order(rows)
    report = train(order, rows, tiny_base, tmp_path, quiet)
    data, outcome = (tmp_path / TRANSCRIPT_FILE).read_bytes(), report.outcome
    assert outcome.transcript == hash_content(data)
    assert outcome.transcript_root == list_root(decode_blob(data, outcome.leaf_count))
    assert outcome.adapter == manifest_of(tmp_path / ADAPTER_DIRECTORY).hash()
    plan, files = plan_of(order, rows), RunFiles(tmp_path)
    start, *steps, conclusion = leaves_of(tmp_path)
    for number, leaf in enumerate(steps, 1):
        hashes = [rows[index].record.row_hash for index in plan.batches[number - 1]]
        assert (leaf.step, leaf.cursor, leaf.fault) == (number, 8 * number, Fault.NONE)
        assert leaf.batch_root == list_root(hashes)
        assert leaf.loss_grid / LOSS_UNITS == report.losses[number - 1]
        if number in kept_steps(order.parameters):
            assert state_root(files.state(number)) == leaf.state_root
    assert {leaf.job for leaf in leaves_of(tmp_path)} == {order.hash()}
    assert outcome.validation_loss_before_ppb == round(start.loss_grid * PPB / LOSS_UNITS)
    assert (conclusion.batch_root, conclusion.state_root) == (outcome.adapter, leaf.state_root)


def test_every_leaf_follows_from_the_one_before_and_one_state(
    tmp_path, tiny_base, make_rows, make_order
):
    """A judge who has a leaf and its state, and nothing else of the run, computes the next leaf."""
    rows = make_rows(24)
    order = make_order(rows, steps=4, schedule=Schedule.COSINE, clip_norm_ppb=PPB)
    train(order, rows, tiny_base, tmp_path, quiet)
    leaves, files = leaves_of(tmp_path), RunFiles(tmp_path)
    job = prepare(order, rows, tiny_base, "float64")
    assert next_leaf(job, None, None) == leaves[0]
    states = {0: begin(job)[0].encode()} | {step: files.state(step) for step in files.kept()}
    assert set(states) >= {0, 2, 4}
    for step, state in states.items():
        assert next_leaf(job, leaves[step], state) == leaves[step + 1]
    assert next_leaf(job, leaves[-1], states[4]) is None
    with pytest.raises(OrderInvalid, match="not the one that leaf 2"):
        next_leaf(job, leaves[2], states[4])
    stranger = prepare(make_order(rows, steps=4, seed=9), rows, tiny_base)
    with pytest.raises(OrderInvalid, match="not of job"):
        next_leaf(stranger, leaves[2], states[2])


@pytest.mark.parametrize("step", [1, 3, 4, 6])
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path, tiny_base, make_rows, make_order, step):
    """Wherever a run is killed, the next one ends with the very same results."""
    rows = make_rows(24)
    order = make_order(rows)
    whole = train(order, rows, tiny_base, tmp_path / "whole", quiet)
    with pytest.raises(Killed):
        train(order, rows, tiny_base, tmp_path / "killed", killed_after(step))
    heard: list[StepMetrics] = []
    assert train(order, rows, tiny_base, tmp_path / "killed", heard.append) == whole
    first = heard[0].step if heard else order.parameters.steps + 1
    assert first == max([0, *(at for at in kept_steps(order.parameters) if at <= step)]) + 1


@pytest.mark.parametrize("file", ["leaves", "states/00003"])
def test_damaged_progress_is_not_gone_on_from(tmp_path, tiny_base, make_rows, make_order, file):
    """A state without its leaf, or another one, is passed over, and the results are the same."""
    rows = make_rows(24)
    order = make_order(rows)
    whole = train(order, rows, tiny_base, tmp_path / "whole", quiet)
    with pytest.raises(Killed):
        train(order, rows, tiny_base, tmp_path / "killed", killed_after(3))
    path = tmp_path / "killed" / file
    path.write_bytes(path.read_bytes()[:-9])
    heard: list[StepMetrics] = []
    assert train(order, rows, tiny_base, tmp_path / "killed", heard.append) == whole
    assert heard[0].step <= 3


def test_the_progress_of_another_order_is_not_gone_on_from(
    tmp_path, tiny_base, make_rows, make_order
):
    """A folder in which another job was trained is begun anew."""
    rows = make_rows(24)
    whole = train(make_order(rows), rows, tiny_base, tmp_path / "1", quiet)
    train(make_order(rows, seed=3), rows, tiny_base, tmp_path / "2", quiet)
    assert train(make_order(rows), rows, tiny_base, tmp_path / "2", quiet) == whole


def test_an_aborted_run_commits_to_what_was_done(tmp_path, tiny_base, make_rows, make_order):
    """After the owner's word the run ends with the current step, without an adapter."""
    rows = make_rows(24)

    def abort(metrics: StepMetrics) -> None:
        if metrics.step == 2:
            (tmp_path / ABORT_FILE).touch()

    outcome = train(make_order(rows), rows, tiny_base, tmp_path, abort).outcome
    assert (outcome.leaf_count, outcome.fault, outcome.adapter) == (3, 0, ZERO_HASH)
    assert outcome.validation_loss_after_ppb == round(
        leaves_of(tmp_path)[-1].loss_grid * PPB / LOSS_UNITS
    )
    assert not (tmp_path / ADAPTER_DIRECTORY).exists()


def test_the_metrics_can_be_drawn_as_they_come(tmp_path, tiny_base, make_rows, make_order):
    """One line of JSON a leaf; the validation loss before, in between and after."""
    rows = make_rows(24)
    report = train(make_order(rows), rows, tiny_base, tmp_path, quiet)
    lines = [json.loads(line) for line in (tmp_path / METRICS_FILE).read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(8))
    assert tuple(line["loss"] for line in lines[1:-1]) == report.losses
    shown = [line["step"] for line in lines if line["validation_loss"] is not None]
    assert shown == [0, 2, 4, 7]
    assert lines[1]["learning_rate"] == pytest.approx(0.003)


def test_peft_loads_the_adapter_and_computes_the_same(tmp_path, tiny_base, make_rows, make_order):
    """The adapter directory is an ordinary PEFT directory: nearly the same losses by float32."""
    rows = make_rows(24)
    report = train(make_order(rows), rows, tiny_base, tmp_path, quiet)
    base = AutoModelForCausalLM.from_pretrained(tiny_base, dtype=torch.float32)
    peft = PeftModel.from_pretrained(base, tmp_path / ADAPTER_DIRECTORY).eval()
    plan = plan_of(make_order(rows), rows)
    texts = [rows[index].row for index in plan.validation]
    total = 0.0
    for row in encode_rows(load_tokenizer(tiny_base), texts, 48):
        ids = torch.tensor([row.ids])
        labels = ids.clone()
        labels[0, 1:] = torch.tensor(row.labels[:-1])
        total += peft(input_ids=ids, labels=labels).loss.item()
    expected = report.outcome.validation_loss_after_ppb / PPB
    assert total / len(texts) == pytest.approx(expected, rel=2e-3)


def test_the_adapter_directory_names_no_machine(tmp_path, tiny_base, make_rows, make_order):
    """Its identity does not hold where it was trained, or by which version of a library."""
    rows = make_rows(24)
    order = make_order(rows)
    train(order, rows, tiny_base, tmp_path, quiet)
    directory = tmp_path / ADAPTER_DIRECTORY
    config = json.loads((directory / CONFIG_FILE).read_text())
    assert config["base_model_name_or_path"] == f"openledger:{manifest_of(tiny_base).hash().hex()}"
    assert "peft_version" not in config
    shape = load_adapter_shape(directory)
    assert (shape.rank, shape.alpha) == (order.parameters.rank, order.parameters.alpha)
    assert set(shape.target_modules) == set(order.parameters.target_modules)


def test_the_first_state_is_the_documented_one(tiny_base, make_rows, make_order):
    """A is uniform within 1/sqrt(inputs) from the job's stream, B is 0: no torch generator."""
    rows = make_rows(24)
    job = prepare(make_order(rows), rows, tiny_base)
    torch.manual_seed(99)
    state, leaf = begin(job)
    assert torch.equal(state.parameters, job.layout.initial(stream_key(job.order)))
    assert leaf.batch_root == ZERO_HASH
    for name, tensor in job.layout.tensors(state.parameters).items():
        if ".lora_A." in name:
            assert 0 < tensor.abs().max() <= tensor.shape[1] ** -0.5
        else:
            assert not tensor.any()


def test_a_fault_ends_the_job_with_its_transcript(tmp_path, tiny_base, make_rows, make_order):
    """A loss that is not finite is a fault code in the last leaf, and there is no adapter."""
    broken = tmp_path / "base"
    shutil.copytree(tiny_base, broken)
    tensors = load_file(broken / "model.safetensors")
    tensors["model.layers.1.mlp.down_proj.weight"] *= torch.inf
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    rows = make_rows(24)
    order = make_order(rows, base=broken)
    outcome = train(order, rows, broken, tmp_path / "run", quiet).outcome
    (leaf,) = leaves_of(tmp_path / "run")
    assert (leaf.fault, leaf.loss_grid) == (Fault.LOSS_NOT_FINITE, 0)
    assert (outcome.fault, outcome.leaf_count) == (Fault.LOSS_NOT_FINITE, 1)
    assert (outcome.adapter, outcome.validation_loss_after_ppb) == (ZERO_HASH, 0)
    job = prepare(order, rows, broken)
    assert next_leaf(job, leaf, begin(job)[0].encode()) is None


def test_a_state_that_overflows_is_a_fault_too(
    tmp_path, tiny_base, make_rows, make_order, monkeypatch
):
    """A step that leaves the finite numbers is named in its own leaf, with the state before it."""

    def explode(state: AdamState, *_: object) -> AdamState:
        return AdamState.initial(torch.full_like(state.parameters, torch.inf))

    monkeypatch.setattr(steps_module, "adam_step", explode)
    rows = make_rows(24)
    outcome = train(make_order(rows), rows, tiny_base, tmp_path, quiet).outcome
    start, fault = leaves_of(tmp_path)
    assert (fault.fault, outcome.fault) == (Fault.STATE_NOT_FINITE, Fault.STATE_NOT_FINITE)
    assert fault.state_root == start.state_root


def test_only_the_orders_base_model_is_trained(
    tmp_path, tiny_base, plain_base, make_rows, make_order
):
    """Another directory and too long rows are refused before anything is computed."""
    rows = make_rows(24)
    with pytest.raises(OrderInvalid, match="not the base model"):
        train(make_order(rows), rows, plain_base, tmp_path, quiet)
    with pytest.raises(OrderInvalid, match="up to 97 tokens"):
        train(make_order(rows, tokens_max=97), rows, tiny_base, tmp_path, quiet)
    with pytest.raises(OrderInvalid, match="rank is 12"):
        train(make_order(rows, rank=12), rows, tiny_base, tmp_path, quiet)
