"""A frozen base model as the exact operators compute it, read from an ordinary Hugging Face folder.

Only `config.json`, `generation_config.json` and safetensors are read; no code of the folder is run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from ml.errors import ModelUnusable
from ml.exact.linears import LinearGroup
from ml.exact.products import Backend, FrozenMatrix
from ml.exact.rotary import rotary_tables
from ml.exact.shape import GROUPS, ModelShape, shape_of
from ml.lora_config import read_json

CONFIG_FILE = "config.json"
CONFIG_BYTES_MAX = 1_048_576
INDEX_BYTES_MAX = 16_777_216
_SINGLE_FILE = "model.safetensors"
_INDEX_FILE = "model.safetensors.index.json"

TensorReader = Callable[[str], torch.Tensor | None]
"""The tensor of a name, or None."""


def load_shape(directory: Path) -> ModelShape:
    """The sizes of the model in a directory; raises `ModelUnusable`."""
    return shape_of(read_json(directory / CONFIG_FILE, CONFIG_BYTES_MAX))


@dataclass(frozen=True, slots=True)
class Block:
    """One block of the base model."""

    attention_norm: torch.Tensor
    groups: tuple[LinearGroup, ...]
    """As `ml.exact.shape.GROUPS`: queries, keys and values; outputs; gate and up; down."""
    query_norm: torch.Tensor | None
    """Per head, as in Qwen 3; None in Llama."""
    key_norm: torch.Tensor | None
    feedforward_norm: torch.Tensor


@dataclass(frozen=True, slots=True)
class ExactModel:
    """Everything of a base model that a forward or backward pass reads."""

    shape: ModelShape
    epsilon: float
    """Inside the root of every RMS norm."""
    embedding: torch.Tensor
    """float32 [vocabulary, width]."""
    blocks: tuple[Block, ...]
    final_norm: torch.Tensor
    head: FrozenMatrix
    cosines: torch.Tensor
    """float32 [positions, head width]."""
    sines: torch.Tensor
    """The same, negative in the first half: what rotates there is subtracted."""
    end_tokens: frozenset[int]
    """Tokens that end an answer, by the generation configuration."""

    @classmethod
    def load(cls, directory: Path, backend: Backend = "int8") -> ExactModel:
        """Read a base model; raises `ModelUnusable`, also beyond the limits of exactness."""
        with opened_model(directory) as (config, read):
            return cls.assemble(config, read, backend)

    @classmethod
    def assemble(
        cls, config: Mapping[str, Any], read: TensorReader, backend: Backend
    ) -> ExactModel:
        """Build a model from a configuration and its tensors; raises `ModelUnusable`."""
        shape, tensors = shape_of(config), Tensors(read)
        ends = ends_of(config, tensors)
        return cls(
            shape=shape,
            epsilon=ends.epsilon,
            embedding=ends.embedding,
            blocks=tuple(_blocks(shape, tensors, backend)),
            final_norm=ends.final_norm,
            head=FrozenMatrix(ends.head, backend),
            cosines=ends.cosines,
            sines=ends.sines,
            end_tokens=ends.end_tokens,
        )


@contextmanager
def opened_model(directory: Path) -> Iterator[tuple[dict[str, Any], TensorReader]]:
    """The configuration of a base model and its tensors; raises `ModelUnusable`."""
    config = read_json(directory / CONFIG_FILE, CONFIG_BYTES_MAX)
    path = directory / "generation_config.json"
    generation = read_json(path, CONFIG_BYTES_MAX) if path.exists() else {}
    ends = {key: generation[key] for key in ("eos_token_id",) if key in generation}
    with ExitStack() as stack:
        yield config | ends, _reader(directory, stack)


@dataclass(frozen=True, slots=True)
class ModelEnds:
    """What a model has before its blocks and behind them."""

    epsilon: float
    embedding: torch.Tensor
    """float32 [vocabulary, width]."""
    final_norm: torch.Tensor
    head: torch.Tensor
    """float32 [vocabulary, width]; the embedding itself where they are tied."""
    cosines: torch.Tensor
    sines: torch.Tensor
    """Negative in the first half."""
    end_tokens: frozenset[int]


def ends_of(config: Mapping[str, Any], tensors: Tensors) -> ModelEnds:
    """Read them; raises `ModelUnusable`."""
    shape = shape_of(config)
    embedding = tensors.get("model.embed_tokens.weight", shape.vocabulary, shape.width)
    tied = bool(config.get("tie_word_embeddings", False))
    rope = config.get("rope_parameters") or _old_rope(config)
    try:
        epsilon = float(config["rms_norm_eps"])
        cosines, sines = rotary_tables(shape.positions_max, shape.head_width, rope)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        message = f"The model's norms or positions cannot be computed: {error!r}."
        raise ModelUnusable(message, remedy="Fetch the model's config.json again.") from error
    sines[:, : shape.head_width // 2].neg_()
    return ModelEnds(
        epsilon,
        embedding,
        tensors.get("model.norm.weight", shape.width),
        embedding if tied else tensors.get("lm_head.weight", shape.vocabulary, shape.width),
        cosines,
        sines,
        _as_set(config.get("eos_token_id")),
    )


class Tensors:
    """The named tensors of a model, as float32."""

    def __init__(self, read: TensorReader) -> None:
        self._read = read

    def get(self, name: str, *sizes: int) -> torch.Tensor:
        """The tensor of this name and these sizes; raises `ModelUnusable`."""
        found = self.find(name, *sizes)
        if found is None:
            message = f"The model has no tensor {name}."
            raise ModelUnusable(message, remedy="Fetch the model's files again.")
        return found

    def find(self, name: str, *sizes: int) -> torch.Tensor | None:
        """The same, or None without such a tensor."""
        tensor = self._read(name)
        if tensor is None:
            return None
        if tuple(tensor.shape) != sizes:
            message = f"The model's tensor {name} has the sizes {tuple(tensor.shape)}, not {sizes}."
            raise ModelUnusable(message, remedy="Fetch the model's files again.")
        return tensor.float().contiguous()


def _reader(directory: Path, stack: ExitStack) -> TensorReader:
    """Opens the safetensors files of a folder, until `stack` closes."""
    files: dict[str, Any] = {}
    try:
        for name in _file_names(directory):
            file = stack.enter_context(safe_open(directory / name, framework="pt"))
            files |= dict.fromkeys(file.keys(), file)
    except (OSError, SafetensorError) as error:
        message = f"{directory} has no weights that can be read: {error}."
        remedy = "Give a directory with config.json and model.safetensors."
        raise ModelUnusable(message, remedy=remedy) from error
    return lambda name: files[name].get_tensor(name) if name in files else None


def _blocks(shape: ModelShape, tensors: Tensors, backend: Backend) -> Iterator[Block]:
    for number in range(shape.layer_count):
        prefix = f"model.layers.{number}"
        attention, width = f"{prefix}.self_attn", shape.head_width
        yield Block(
            attention_norm=tensors.get(f"{prefix}.input_layernorm.weight", shape.width),
            groups=tuple(
                _group(modules, group_prefix(number, index), shape, tensors, backend)
                for index, modules in enumerate(GROUPS)
            ),
            query_norm=tensors.find(f"{attention}.q_norm.weight", width),
            key_norm=tensors.find(f"{attention}.k_norm.weight", width),
            feedforward_norm=tensors.get(f"{prefix}.post_attention_layernorm.weight", shape.width),
        )


def group_prefix(layer: int, group: int) -> str:
    """Where a block's group of linear layers is found among the tensors."""
    return f"model.layers.{layer}.{'mlp' if group > 1 else 'self_attn'}"


def _group(
    modules: tuple[str, ...], prefix: str, shape: ModelShape, tensors: Tensors, backend: Backend
) -> LinearGroup:
    outputs = tuple(shape.sizes_of(module)[0] for module in modules)
    weight, bias = joined_layers(modules, prefix, shape, tensors)
    return LinearGroup(modules, outputs, FrozenMatrix(weight, backend), bias)


def joined_layers(
    modules: Sequence[str], prefix: str, shape: ModelShape, tensors: Tensors
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Weights and biases of layers that share their input, one behind the other."""
    outputs = tuple(shape.sizes_of(module)[0] for module in modules)
    weights = [
        tensors.get(f"{prefix}.{module}.weight", *shape.sizes_of(module)) for module in modules
    ]
    biases = [
        tensors.find(f"{prefix}.{module}.bias", count)
        for module, count in zip(modules, outputs, strict=True)
    ]
    present = [bias for bias in biases if bias is not None]
    if present:
        present = [
            torch.zeros(count) if bias is None else bias
            for bias, count in zip(biases, outputs, strict=True)
        ]
    return torch.cat(weights), torch.cat(present) if present else None


def _file_names(directory: Path) -> list[str]:
    if (directory / _SINGLE_FILE).exists() or not (directory / _INDEX_FILE).exists():
        return [_SINGLE_FILE]
    index = read_json(directory / _INDEX_FILE, INDEX_BYTES_MAX)
    try:
        names = sorted(set(index["weight_map"].values()))
    except (KeyError, TypeError, AttributeError) as error:
        message = f"{directory / _INDEX_FILE} is not an index of tensors: {error}."
        raise ModelUnusable(message, remedy="Fetch the model's files again.") from error
    if not all(isinstance(name, str) and Path(name).name == name for name in names):
        message = f"{directory / _INDEX_FILE} names a file outside its directory."
        raise ModelUnusable(message, remedy="Fetch the model's files again.")
    return names


def _old_rope(config: Mapping[str, Any]) -> dict[str, Any]:
    """Rotary parameters as `config.json` had them before transformers 5."""
    scaling = dict(config.get("rope_scaling") or {})
    scaling.setdefault("rope_type", scaling.get("type", "default"))
    return scaling | {"rope_theta": config.get("rope_theta", 10_000.0)}


def _as_set(tokens: int | list[int] | None) -> frozenset[int]:
    if tokens is None:
        return frozenset()
    return frozenset([tokens] if isinstance(tokens, int) else tokens)
