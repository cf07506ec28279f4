"""The base model as the engine computes it: its shape, its weights, its rotary tables.

It is read as the exact operators read it (`ml.exact.model`: safetensors only, no code of the folder
is run), layers that share their input joined into one product.  Without transformers, whose models
take seconds to import, a server starts in a few.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ml.exact.model import Tensors, ends_of, group_prefix, joined_layers, opened_model
from ml.exact.shape import GROUPS, ModelShape, shape_of
from ml.serving.linears import Linear, Precision, linear_of


@dataclass(frozen=True, slots=True)
class BaseShape:
    """The sizes of a Llama-family model."""

    width: int
    inner_width: int
    layer_count: int
    head_count: int
    key_value_head_count: int
    head_width: int
    positions_max: int
    """The longest context in tokens; a sliding window counts as the end of the context."""


@dataclass(frozen=True, slots=True)
class BlockWeights:
    """One block of the base model."""

    attention_norm: torch.Tensor
    query_key_value: Linear
    query_norm: torch.Tensor | None
    """Per head, as in Qwen 3; None in Llama."""
    key_norm: torch.Tensor | None
    attention_output: Linear
    feedforward_norm: torch.Tensor
    gate_up: Linear
    down: Linear


@dataclass(frozen=True, slots=True)
class BaseModel:
    """Everything of the base model that a step reads."""

    shape: BaseShape
    epsilon: float
    """Inside the root of every RMS norm."""
    embedding: torch.Tensor
    """[vocabulary, width], float32."""
    blocks: tuple[BlockWeights, ...]
    final_norm: torch.Tensor
    head: Linear
    """From the last hidden states to logits [..., vocabulary]."""
    cosines: torch.Tensor
    """[positions, 1, head width], for queries and keys alike."""
    sines: torch.Tensor
    """The same, negative in the first half: what rotates there is subtracted."""
    end_tokens: frozenset[int]
    """Tokens that end an answer, by the model's generation configuration."""


def load_base_model(
    directory: Path, precision: Precision, positions_max: int, device: torch.device
) -> BaseModel:
    """Read a base model for contexts of up to `positions_max`; raises `ModelUnusable`."""
    with opened_model(directory) as (config, read):
        sizes, tensors = shape_of(config), Tensors(read)
        shape, ends = base_shape(sizes, positions_max), ends_of(config, tensors)

        def join(layer: int, group: int) -> Linear:
            prefix = group_prefix(layer, group)
            weight, bias = joined_layers(GROUPS[group], prefix, sizes, tensors)
            return linear_of(
                precision, weight.to(device), None if bias is None else bias.to(device)
            )

        def norm(name: str, width: int) -> torch.Tensor:
            return tensors.get(name, width).to(device)

        def head_norm(layer: int, name: str) -> torch.Tensor | None:
            found = tensors.find(f"model.layers.{layer}.self_attn.{name}.weight", shape.head_width)
            return None if found is None else found.to(device)

        blocks = tuple(
            BlockWeights(
                norm(f"model.layers.{layer}.input_layernorm.weight", shape.width),
                join(layer, 0),
                head_norm(layer, "q_norm"),
                head_norm(layer, "k_norm"),
                join(layer, 1),
                norm(f"model.layers.{layer}.post_attention_layernorm.weight", shape.width),
                join(layer, 2),
                join(layer, 3),
            )
            for layer in range(shape.layer_count)
        )
    return BaseModel(
        shape=shape,
        epsilon=ends.epsilon,
        embedding=ends.embedding.to(device),
        blocks=blocks,
        final_norm=ends.final_norm.to(device),
        head=linear_of(precision, ends.head.to(device)),
        cosines=ends.cosines[: shape.positions_max, None].to(device),
        sines=ends.sines[: shape.positions_max, None].to(device),
        end_tokens=ends.end_tokens,
    )


def base_shape(sizes: ModelShape, positions_max: int) -> BaseShape:
    """The sizes of a model in contexts of up to `positions_max`."""
    return BaseShape(
        width=sizes.width,
        inner_width=sizes.inner_width,
        layer_count=sizes.layer_count,
        head_count=sizes.head_count,
        key_value_head_count=sizes.key_value_head_count,
        head_width=sizes.head_width,
        positions_max=min(sizes.positions_max, positions_max),
    )
