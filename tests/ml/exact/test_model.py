"""Base models of every family, against transformers in float64; and folders that are refused."""

import json
import shutil

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from ml.errors import ModelUnusable
from ml.exact.gradients import evaluate, row_gradients
from ml.exact.model import ExactModel
from ml.exact.shape import MODULES, shape_of
from tests.ml.exact.conftest import CONFIGS, SIZES, random_adapter, rows_of_lengths

# peft 0.21 asks transformers 5.23 for a property that version 6 renames.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
LOSS_ERROR = 5e-4
GRADIENT_ERROR = 5e-3


@pytest.fixture(autouse=True, scope="module")
def float64_modules():
    """Transformers builds rotary tables in the default type."""
    before = torch.get_default_dtype()
    yield
    torch.set_default_dtype(before)


@pytest.mark.parametrize("family", list(CONFIGS))
def test_losses_and_gradients_are_those_of_transformers(directories, family):
    """Relative to float64: losses within 5e-4, gradients within 0.5 %, bits equal in both."""
    models = [ExactModel.load(directories[family], backend) for backend in ("int8", "float64")]
    adapter = random_adapter(models[0])
    rows = rows_of_lengths(5, 23, 40)
    found, other = (row_gradients(model, adapter, rows) for model in models)
    assert found.losses == other.losses == evaluate(models[0], adapter, rows)
    assert torch.equal(found.gradients, other.gradients)
    layout = adapter.layout
    base = AutoModelForCausalLM.from_pretrained(
        directories[family], dtype=torch.float64, attn_implementation="eager"
    ).requires_grad_(requires_grad=False)
    config = LoraConfig(r=4, lora_alpha=6, target_modules=list(MODULES))
    inject_adapter_in_model(config, base)
    named = {
        f"base_model.model.{name.replace('.default.', '.')}": parameter
        for name, parameter in base.named_parameters()
        if parameter.requires_grad
    }
    for name, tensor in layout.tensors(adapter.vector).items():
        named[name].data = tensor.double().clone()
    for number, row in enumerate(rows):
        logits = base(input_ids=torch.tensor([row.ids])).logits[0, row.start - 1 : -1]
        labels = torch.tensor(row.ids[row.start :])
        loss = torch.nn.functional.cross_entropy(logits, labels)
        loss.backward()
        assert found.losses[number] / 2**30 == pytest.approx(loss.item(), rel=LOSS_ERROR)
        exact = torch.cat([named[name].grad.reshape(-1) for name in layout.entries])
        error = (found.gradients[number].double() / 2**40 - exact).norm() / exact.norm()
        assert error < GRADIENT_ERROR
        for parameter in named.values():
            parameter.grad = None


def test_shards_are_one_model(directories, tmp_path, model):
    """Weights in several files with an index are the same model."""
    shutil.copytree(directories["llama"], tmp_path, dirs_exist_ok=True)
    tensors = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    names = sorted(tensors)
    places: dict[str, str] = {}
    for number, part in enumerate((names[:5], names[5:])):
        file = f"model-{number}.safetensors"
        save_file({name: tensors[name] for name in part}, tmp_path / file)
        places |= dict.fromkeys(part, file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    rows = rows_of_lengths(9)
    assert evaluate(ExactModel.load(tmp_path), None, rows) == evaluate(model, None, rows)
    index.write_text(json.dumps({"weight_map": dict.fromkeys(names, "../x.safetensors")}))
    with pytest.raises(ModelUnusable, match="outside its directory"):
        ExactModel.load(tmp_path)
    index.write_text("[]")
    with pytest.raises(ModelUnusable, match="not an index"):
        ExactModel.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"model_type": "gpt2"}, "of type gpt2"),
        ({"hidden_act": "gelu"}, "activation is gelu"),
        ({"num_hidden_layers": None}, "lacks a size"),
        ({"vocab_size": 2**18}, "vocabulary is 262144"),
        ({"head_dim": 512}, "head width is 512"),
        ({"num_attention_heads": 3}, "cannot be grouped"),
        ({"num_attention_heads": 34}, "query heads per key head"),
    ],
)
def test_models_beyond_the_exact_limits_are_refused(change, complaint):
    """Before any weight is read, with the limit in the sentence."""
    with pytest.raises(ModelUnusable, match=complaint):
        shape_of({"model_type": "llama", "head_dim": 8, **SIZES} | change)


def test_damaged_folders_are_refused(directories, tmp_path):
    """A missing folder, missing or misshapen tensors, and files that are not safetensors."""
    with pytest.raises(ModelUnusable, match="cannot be read"):
        ExactModel.load(tmp_path / "nothing")
    shutil.copytree(directories["llama"], tmp_path, dirs_exist_ok=True)
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    name = "model.layers.0.mlp.down_proj.weight"
    save_file(tensors | {name: tensors[name].t().contiguous()}, file)
    with pytest.raises(ModelUnusable, match="has the sizes"):
        ExactModel.load(tmp_path)
    del tensors[name]
    save_file(tensors, file)
    with pytest.raises(ModelUnusable, match=f"no tensor {name}"):
        ExactModel.load(tmp_path)
    file.write_bytes(b"x")
    with pytest.raises(ModelUnusable, match="no weights that can be read"):
        ExactModel.load(tmp_path)
