"""Adapters as vectors and as PEFT's directories."""

import json

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from ml.errors import ModelUnusable
from ml.exact.adapter import (
    WEIGHTS_FILE,
    AdapterLayout,
    AdapterShape,
    adapter_files,
    load_adapter,
    load_adapter_shape,
)
from ml.exact.gradients import evaluate
from ml.exact.shape import MODULES
from ml.lora_config import CONFIG_FILE
from tests.ml.exact.conftest import rows_of_lengths

# peft 0.21 asks transformers 5.23 for a property that version 6 renames.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


@pytest.fixture
def saved(tmp_path, adapter):
    for name, data in adapter_files(adapter, bytes(32)).items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_peft_loads_the_adapter_and_computes_the_same(saved, directories, model, adapter):
    """The directory is PEFT's: the same losses, computed by others."""
    base = AutoModelForCausalLM.from_pretrained(directories["llama"], dtype=torch.float32)
    peft = PeftModel.from_pretrained(base, saved).eval()
    (row,) = rows_of_lengths(20)
    logits = peft(input_ids=torch.tensor([row.ids])).logits[0, row.start - 1 : -1]
    labels = torch.tensor(row.ids[row.start :])
    expected = torch.nn.functional.cross_entropy(logits, labels).item()
    (loss,) = evaluate(model, adapter, [row])
    assert loss / 2**30 == pytest.approx(expected, rel=5e-4)
    assert evaluate(model, None, [row]) != (loss,)


def test_an_adapter_comes_back_to_the_bit(saved, model, adapter):
    """And written again it has the same bytes; its configuration names no machine."""
    loaded = load_adapter(saved, model.shape)
    assert torch.equal(loaded.vector, adapter.vector)
    assert set(loaded.layout.shape.target_modules) == set(MODULES)
    again = adapter_files(loaded, bytes(32))
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        assert again[name] == (saved / name).read_bytes()
    config = json.loads((saved / CONFIG_FILE).read_text())
    assert config["base_model_name_or_path"] == f"openledger:{bytes(32).hex()}"
    assert "peft_version" not in config


def test_a_fresh_adapter_is_the_documented_one(model):
    """A is uniform within 1/sqrt(inputs) from the job's stream, B is 0: no torch generator."""
    layout = AdapterLayout(model.shape, AdapterShape(4, 8, ("q_proj", "down_proj")))
    torch.manual_seed(99)
    vector = layout.initial(b"key")
    assert torch.equal(vector, layout.initial(b"key"))
    assert not torch.equal(vector, layout.initial(b"another"))
    for name, tensor in layout.tensors(vector).items():
        if ".lora_A." in name:
            assert 0 < tensor.abs().max() <= tensor.shape[1] ** -0.5
        else:
            assert not tensor.any()


def test_tensors_of_another_model_are_refused(saved, model):
    """Names and shapes must be exactly those of the layout."""
    tensors = load_file(saved / WEIGHTS_FILE)
    name = min(tensors)
    save_file(tensors | {name: tensors[name][:, :-1].contiguous()}, saved / WEIGHTS_FILE)
    with pytest.raises(ModelUnusable, match="does not fit the base model"):
        load_adapter(saved, model.shape)
    (saved / WEIGHTS_FILE).write_bytes(b"x")
    with pytest.raises(ModelUnusable, match="cannot be read"):
        load_adapter(saved, model.shape)


@pytest.mark.parametrize(
    "shape",
    [
        AdapterShape(0, 1, ("q_proj",)),
        AdapterShape(257, 1, ("q_proj",)),
        AdapterShape(8, 0, ("q_proj",)),
        AdapterShape(8, 8, ()),
        AdapterShape(8, 8, ("q_proj", "q_proj")),
        AdapterShape(8, 8, ("lm_head",)),
    ],
)
def test_shapes_without_sense_are_refused(model, shape):
    """With a sentence that says what can be chosen."""
    with pytest.raises(ModelUnusable) as caught:
        AdapterLayout(model.shape, shape)
    assert "Choose" in caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"r": 0, "lora_alpha": 1, "target_modules": ["q_proj"]}',
        '{"r": 1, "lora_alpha": 1, "target_modules": [1]}',
    ],
)
def test_damaged_configurations_are_refused(tmp_path, text):
    """What cannot be an adapter's description is named."""
    (tmp_path / CONFIG_FILE).write_text(text)
    with pytest.raises(ModelUnusable, match=CONFIG_FILE):
        load_adapter_shape(tmp_path)
