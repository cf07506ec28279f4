"""What is not a plain LoRA adapter for this base model is refused by name."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from ml.exact.adapter import WEIGHTS_FILE
from ml.lora_config import CONFIG_FILE
from ml.serving.errors import AdapterMissing, AdapterRefused
from ml.serving.requests import GenerationRequest
from tests.ml.serving.adapters import PROMPT, rename_to_hash, save_adapter

# peft 0.21 asks transformers 5.23 for a property that version 6 renames.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


@pytest.fixture
def staging(base, tmp_path):
    """A good adapter, still without its name."""
    digest = save_adapter(base, tmp_path, 1)
    return (tmp_path / digest.hex()).rename(tmp_path / "staging")


@pytest.fixture
def refusal_of(make_engine, hashes, adapters):
    """`refusal_of(staging)`: the error of a request through it, while another is answered."""

    def refuse(staging, digest=None):
        digest = digest or rename_to_hash(staging)
        folder = staging.parent
        if not (folder / hashes[0].hex()).exists():
            shutil.copytree(adapters / hashes[0].hex(), folder / hashes[0].hex())
        engine = make_engine(directory=folder)
        bad = engine.submit(GenerationRequest(PROMPT, digest))
        good = engine.submit(GenerationRequest(PROMPT, hashes[0], 2))
        while engine.step():
            pass
        good.wait_until_ready()
        with pytest.raises((AdapterRefused, AdapterMissing)) as error:
            bad.next_step()
        return error.value

    return refuse


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("use_dora", True, "use_dora"),
        ("modules_to_save", ["lm_head"], "modules_to_save"),
        ("bias", "all", "bias"),
        ("r", 10_000, "r is"),
        ("r", 5, "shape"),
        ("r", True, "r is"),
        ("lora_alpha", "large", "lora_alpha"),
        ("lora_alpha", float("inf"), "lora_alpha"),
        ("peft_type", "IA3", "peft_type"),
        ("rank_pattern", {"q_proj": 2}, "rank_pattern"),
        ("base_model_name_or_path", "openledger:" + "00" * 32, "base_model_name_or_path"),
    ],
)
def test_an_unsupported_configuration_is_refused_by_field(staging, refusal_of, field, value, named):
    """An adapter which is more, or other, than plain LoRA is refused; the sentence names why."""
    config = json.loads((staging / CONFIG_FILE).read_text())
    (staging / CONFIG_FILE).write_text(json.dumps(config | {field: value}))
    assert named in refusal_of(staging).message


def change_weights(staging, change):
    tensors = load_file(staging / WEIGHTS_FILE)
    save_file(change(tensors), staging / WEIGHTS_FILE, metadata={"format": "pt"})


def with_nan(tensors):
    next(iter(tensors.values()))[0, 0] = torch.nan
    return tensors


def with_half_a_pair(tensors):
    return {
        name: tensor
        for name, tensor in tensors.items()
        if "layers.1.mlp.up_proj.lora_B" not in name
    }


def with_an_unknown_layer(tensors):
    return {name.replace("layers.1", "layers.7"): tensor for name, tensor in tensors.items()}


def with_integers(tensors):
    return {name: tensor.to(torch.int32) for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (with_nan, "not finite"),
        (with_half_a_pair, "lora_A alone"),
        (with_an_unknown_layer, "tensor name"),
        (with_integers, "not finite"),
        (lambda _tensors: {}, "empty"),
    ],
)
def test_unusable_weights_are_refused(staging, refusal_of, change, named):
    """A NaN, half a pair, a layer of another model or nothing at all is found when it is loaded."""
    change_weights(staging, change)
    assert named in refusal_of(staging).message


def test_truncated_weights_are_refused(staging, refusal_of):
    """A file that ends early is not read past its end."""
    weights = staging / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-100])
    assert WEIGHTS_FILE in refusal_of(staging).message


def test_pickled_weights_are_refused(staging, refusal_of):
    """Only safetensors is read: a pickle is code."""
    tensors = load_file(staging / WEIGHTS_FILE)
    (staging / WEIGHTS_FILE).unlink()
    torch.save(tensors, staging / "adapter_model.bin")
    refusal = refusal_of(staging)
    assert "adapter_model.bin" in refusal.message
    assert "safetensors" in refusal.remedy


def test_oversized_weights_are_refused_unread(staging, refusal_of):
    """A file larger than any adapter of this base model is not opened."""
    with (staging / WEIGHTS_FILE).open("ab") as file:
        file.truncate(1 << 30)
    assert "size" in refusal_of(staging).message


def test_a_folder_with_other_files_than_its_name_says_is_refused(staging, refusal_of):
    """An adapter is its content: a stale or changed folder never answers in its name."""
    wanted = bytes(32)
    staging.rename(staging.parent / wanted.hex())
    assert "manifest hash" in refusal_of(staging, wanted).message


def test_an_unknown_adapter_is_missing(staging, refusal_of):
    """A hash without a folder is a typed error."""
    assert isinstance(refusal_of(staging, bytes(31) + b"\x01"), AdapterMissing)


def test_a_rank_above_the_slots_is_refused(staging, make_engine):
    """An engine of small slots says which rank it serves."""
    engine = make_engine(directory=staging.parent, rank_max=4)
    ticket = engine.submit(GenerationRequest(PROMPT, rename_to_hash(staging)))
    while engine.step():
        pass
    with pytest.raises(AdapterRefused, match="r is 8"):
        ticket.next_step()
