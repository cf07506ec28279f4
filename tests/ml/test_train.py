"""A training run: repeatable to the bit, useful, in PEFT's layout, and honest about faults."""

import dataclasses
import json
import shutil

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from ml.errors import ModelUnusable, OrderInvalid, TrainingFault
from ml.manifest import manifest_of
from ml.training.adam import AdamW
from ml.training.adapter import (
    CHECKPOINTS_FILE,
    CONFIG_FILE,
    WEIGHTS_FILE,
    AdaptedModel,
    LoraShape,
    load_base,
    load_checkpoints,
    load_shape,
)
from ml.training.encode import encode_rows, load_tokenizer, pad
from ml.training.loss import add_gradients, batch_losses, mean_loss
from ml.training.order import plan_of
from ml.training.train import ADAPTER_DIRECTORY, TRANSCRIPT_FILE, StepMetrics, train
from ml.training.transcript import GRID, Fault, state_root
from runtime.codec import codec_of
from runtime.hashing import hash_content
from runtime.merkle import list_root
from runtime.types import PPB
from runtime.wire.blobs import decode_blob
from runtime.wire.rows import Row
from runtime.wire.training_parameters import TARGET_MODULES
from runtime.wire.transcripts import TranscriptLeaf

SHAPE = LoraShape(rank=8, alpha=8, target_modules=TARGET_MODULES)
# peft 0.21 asks transformers 5.23 for a property that version 6 renames.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


def leaves_of(output) -> list[TranscriptLeaf]:
    codec = codec_of(TranscriptLeaf)
    data = (output / TRANSCRIPT_FILE).read_bytes()
    return [codec.decode(item) for item in decode_blob(data, 1_000)]


@pytest.fixture(scope="module")
def model(tiny_base):
    adapted = AdaptedModel(load_base(tiny_base, TARGET_MODULES), SHAPE)
    adapted.initialise(b"key")
    return adapted


def test_a_repeated_run_gives_the_same_bytes(tmp_path, tiny_base, make_rows, make_order):
    """Adapter, checkpoints, transcript and losses repeat; another beacon gives another adapter."""
    rows = make_rows(24)
    order = make_order(rows)
    seen: list[StepMetrics] = []
    first = train(order, rows, tiny_base, tmp_path / "a", seen.append)
    second = train(order, rows, tiny_base, tmp_path / "b", lambda _: None)
    assert first == second
    assert [metrics.step for metrics in seen] == list(range(1, 7))
    assert tuple(metrics.loss for metrics in seen) == first.losses
    assert {metrics.step_count for metrics in seen} == {6}
    other = dataclasses.replace(order, beacon=bytes(32))
    third = train(other, rows, tiny_base, tmp_path / "b", lambda _: None)
    assert third.outcome.adapter != first.outcome.adapter
    assert third.outcome.adapter == manifest_of(tmp_path / "b" / ADAPTER_DIRECTORY).hash()


def test_training_lowers_the_held_out_loss(tmp_path, tiny_base, make_rows, make_order):
    """What is learnt from the training rows helps on the rows that were kept out."""
    rows = make_rows(48)
    order = make_order(rows, steps=30, warmup_steps=4, learning_rate_ppb=20_000_000)
    report = train(order, rows, tiny_base, tmp_path, lambda _: None)
    assert report.validation_loss_after < 0.8 * report.validation_loss_before
    assert report.outcome.validation_loss_after_ppb == round(report.validation_loss_after * PPB)
    assert report.losses[-1] < report.losses[0]


def test_the_outcome_commits_to_what_was_written(tmp_path, tiny_base, make_rows, make_order):
    """Adapter hash, transcript root and transcript hash are those of the files."""
    rows = make_rows(24)
    order = make_order(rows)
    report = train(order, rows, tiny_base, tmp_path, lambda _: None)
    data = (tmp_path / TRANSCRIPT_FILE).read_bytes()
    assert report.outcome.transcript == hash_content(data)
    assert report.outcome.transcript_root == list_root(decode_blob(data, 8))
    assert report.outcome.adapter == manifest_of(tmp_path / ADAPTER_DIRECTORY).hash()
    plan = plan_of(order, rows)
    start, *steps, conclusion = leaves_of(tmp_path)
    for step, leaf in enumerate(steps):
        hashes = [rows[index].record.row_hash for index in plan.batches[step]]
        assert leaf.step == step + 1
        assert leaf.batch_root == list_root(hashes)
        assert leaf.loss_grid == round(report.losses[step] * GRID)
        assert leaf.fault == Fault.NONE
    assert start.loss_grid == round(report.validation_loss_before * GRID)
    assert conclusion.batch_root == report.outcome.adapter
    assert (conclusion.step, conclusion.state_root) == (order.parameters.steps + 1, leaf.state_root)


def test_peft_loads_the_adapter_and_computes_the_same(tmp_path, tiny_base, make_rows, make_order):
    """The adapter directory is an ordinary PEFT directory: the same losses, computed by others."""
    rows = make_rows(24)
    report = train(make_order(rows), rows, tiny_base, tmp_path, lambda _: None)
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
    assert total / len(texts) == pytest.approx(report.validation_loss_after, rel=1e-5)


def test_the_adapter_directory_names_no_machine(tmp_path, tiny_base, make_rows, make_order):
    """Its identity does not hold where it was trained, or by which version of a library."""
    rows = make_rows(24)
    train(make_order(rows), rows, tiny_base, tmp_path, lambda _: None)
    directory = tmp_path / ADAPTER_DIRECTORY
    config = json.loads((directory / CONFIG_FILE).read_text())
    assert config["base_model_name_or_path"] == f"openledger:{manifest_of(tiny_base).hash().hex()}"
    assert "peft_version" not in config
    assert config["target_modules"] == sorted(TARGET_MODULES)
    assert load_shape(directory) == dataclasses.replace(
        SHAPE, target_modules=tuple(sorted(TARGET_MODULES))
    )


def test_checkpoints_lead_to_the_adapter(tmp_path, tiny_base, make_rows, make_order):
    """Checkpoints carry their step and rate; the last one is the adapter itself."""
    rows = make_rows(24)
    order = make_order(rows, steps=6, checkpoint_count=3, warmup_steps=4)
    train(order, rows, tiny_base, tmp_path, lambda _: None)
    directory = tmp_path / ADAPTER_DIRECTORY
    points = load_checkpoints(directory)
    assert [point.step for point in points] == [2, 4, 6]
    assert [point.learning_rate for point in points] == pytest.approx([0.003, 0.006, 0.006])
    assert points[-1].file == WEIGHTS_FILE
    weights = [load_file(directory / point.file) for point in points]
    assert all(set(one) == set(weights[0]) for one in weights)
    assert not torch.equal(*[next(iter(one.values())) for one in weights[:2]])


def test_the_first_state_is_the_documented_one(tiny_base, model):
    """A is uniform within 1/sqrt(inputs) from the job's stream, B is 0: no torch generator."""
    again = AdaptedModel(load_base(tiny_base, TARGET_MODULES), SHAPE)
    torch.manual_seed(99)
    again.initialise(b"key")
    for name, tensor in again.tensors().items():
        assert torch.equal(tensor, model.tensors()[name])
        if ".lora_A." in name:
            assert 0 < tensor.abs().max() <= tensor.shape[1] ** -0.5
        else:
            assert not tensor.any()


def test_a_batch_is_the_sum_of_its_rows(model, tiny_base, make_rows):
    """A row's loss and gradient do not depend on padding or on the other rows of its batch."""
    texts = [Row("q", "short"), *(row.row for row in make_rows(30))]
    rows = encode_rows(load_tokenizer(tiny_base), texts, 48)
    alone = torch.cat([batch_losses(model, [row]) for row in rows])
    torch.testing.assert_close(alone, batch_losses(model, rows), rtol=1e-5, atol=1e-5)
    assert mean_loss(model, rows) == pytest.approx(alone.mean().item(), rel=1e-5)
    value = add_gradients(model, rows)
    parts = [parameter.grad.clone() for parameter in model.parameters.values()]
    assert value == pytest.approx(alone.mean().item(), rel=1e-5)
    for parameter in model.parameters.values():
        parameter.grad = None
    alone.mean().backward()
    for part, parameter in zip(parts, model.parameters.values(), strict=True):
        torch.testing.assert_close(part, parameter.grad, rtol=1e-3, atol=1e-6)
        parameter.grad = None


def test_the_loss_is_the_models_own(model, tiny_base):
    """Applying the output layer at the labels only gives the logits' cross-entropy."""
    rows = encode_rows(load_tokenizer(tiny_base), [Row("hello", "a"), Row("hi", "good day")], 48)
    ids, labels = pad(rows)
    logits = AutoModelForCausalLM.from_pretrained(tiny_base)(input_ids=ids).logits
    expected = [torch.nn.functional.cross_entropy(logits[n], labels[n]) for n in range(len(rows))]
    torch.testing.assert_close(batch_losses(model, rows), torch.stack(expected))


def test_the_state_root_covers_weights_and_both_moments(model):
    """Changing any one number of the state changes its root."""
    optimiser = AdamW(model.parameters, epsilon=1e-5, weight_decay=0.0)
    roots = {state_root(model, optimiser)}
    name = next(iter(model.parameters))
    for tensor in (optimiser.moments[name].mean, optimiser.moments[name].square):
        tensor[0, 0] += 1
        roots.add(state_root(model, optimiser))
    with torch.no_grad():
        model.parameters[name][0, 0] += 1
    roots.add(state_root(model, optimiser))
    assert len(roots) == 4


def test_a_fault_ends_the_job_with_its_transcript(tmp_path, tiny_base, make_rows, make_order):
    """A loss that is not finite is a typed fault; the transcript up to it is on disk."""
    broken = tmp_path / "base"
    shutil.copytree(tiny_base, broken)
    tensors = load_file(broken / "model.safetensors")
    tensors["model.layers.1.mlp.down_proj.weight"] *= torch.inf
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    rows = make_rows(24)
    with pytest.raises(TrainingFault) as caught:
        train(make_order(rows, base=broken), rows, broken, tmp_path / "run", lambda _: None)
    assert (caught.value.step, caught.value.code) == (0, Fault.LOSS_NOT_FINITE)
    *_, leaf = leaves_of(tmp_path / "run")
    assert (leaf.fault, leaf.loss_grid) == (Fault.LOSS_NOT_FINITE, 0)


def test_a_state_that_overflows_is_a_fault_too(
    tmp_path, tiny_base, make_rows, make_order, monkeypatch
):
    """A step that leaves the finite numbers is named in its own leaf."""

    def explode(self, learning_rate: float) -> None:
        for parameter in self._parameters.values():
            parameter.data.fill_(torch.inf)

    monkeypatch.setattr(AdamW, "step", explode)
    rows = make_rows(24)
    with pytest.raises(TrainingFault, match="state_not_finite"):
        train(make_order(rows), rows, tiny_base, tmp_path, lambda _: None)
    assert [leaf.fault for leaf in leaves_of(tmp_path)] == [Fault.NONE, Fault.STATE_NOT_FINITE]


def test_only_the_orders_base_model_is_trained(
    tmp_path, tiny_base, plain_base, make_rows, make_order
):
    """Another directory, a directory without a model, and too long rows are refused."""
    rows = make_rows(24)
    with pytest.raises(OrderInvalid, match="not the base model"):
        train(make_order(rows), rows, plain_base, tmp_path, lambda _: None)
    with pytest.raises(OrderInvalid, match="up to 97 tokens"):
        train(make_order(rows, tokens_max=97), rows, tiny_base, tmp_path, lambda _: None)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelUnusable, match="can be loaded"):
        load_base(tmp_path, TARGET_MODULES)
    with pytest.raises(ModelUnusable, match="no layer called w_pack"):
        load_base(tiny_base, ("w_pack",))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (CONFIG_FILE, "{"),
        (CONFIG_FILE, "[]"),
        (CONFIG_FILE, '{"r": 0, "lora_alpha": 1, "target_modules": ["q_proj"]}'),
        (CONFIG_FILE, '{"r": 1, "lora_alpha": 1, "target_modules": [1]}'),
        (CHECKPOINTS_FILE, "[]"),
        (CHECKPOINTS_FILE, "[1]"),
        (CHECKPOINTS_FILE, '[{"step": 1, "learning_rate": 0.1, "file": "../x"}]'),
        (CHECKPOINTS_FILE, None),
    ],
)
def test_damaged_adapter_files_are_refused(tmp_path, file, text):
    """What cannot be an adapter's description is named, never followed out of its directory."""
    if text is not None:
        (tmp_path / file).write_text(text)
    read = load_shape if file == CONFIG_FILE else load_checkpoints
    with pytest.raises(ModelUnusable, match=file) as caught:
        read(tmp_path)
    assert caught.value.remedy
