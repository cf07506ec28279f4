"""The base model as the engine computes it: its shape, its weights, its rotary tables.

It is read by the one loader of base models (`ml.base_model.load_base`: safetensors only, no
code of the folder is run) and taken apart, layers that share their input joined into one product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ml.base_model import load_base
from ml.serving.linears import Linear, Precision, linear_of
from runtime.wire.training_parameters import TARGET_MODULES


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


@torch.no_grad()
def load_base_model(
    directory: Path, precision: Precision, positions_max: int, device: torch.device
) -> BaseModel:
    """Read a base model for contexts of up to `positions_max`; raises `ModelUnusable`."""
    model = load_base(directory, TARGET_MODULES)
    config = model.config
    shape = shape_of_config(config, positions_max)
    cosines, sines = _rotary_tables(model, shape.positions_max)
    body = model.model

    def join(layers: Sequence[Any]) -> Linear:
        weight = torch.cat([layer.weight.detach() for layer in layers]).to(device)
        biases = [layer.bias for layer in layers if layer.bias is not None]
        return linear_of(precision, weight, torch.cat(biases).to(device) if biases else None)

    blocks = tuple(_block_of(block, join, device) for block in body.layers)
    return BaseModel(
        shape=shape,
        epsilon=float(config.rms_norm_eps),
        embedding=body.embed_tokens.weight.detach().to(device),
        blocks=blocks,
        final_norm=body.norm.weight.detach().to(device),
        head=join([model.lm_head]),
        cosines=cosines.to(device),
        sines=sines.to(device),
        end_tokens=_as_set(model.generation_config.eos_token_id),
    )


def shape_of_config(config: Any, positions_max: int) -> BaseShape:
    """The sizes that a transformers configuration states."""
    head_width = getattr(config, "head_dim", None) or (
        config.hidden_size // config.num_attention_heads
    )
    window = getattr(config, "sliding_window", None) or config.max_position_embeddings
    return BaseShape(
        width=config.hidden_size,
        inner_width=config.intermediate_size,
        layer_count=config.num_hidden_layers,
        head_count=config.num_attention_heads,
        key_value_head_count=config.num_key_value_heads,
        head_width=head_width,
        positions_max=min(config.max_position_embeddings, window, positions_max),
    )


def _block_of(block: Any, join: Any, device: torch.device) -> BlockWeights:
    attention, feedforward = block.self_attn, block.mlp

    def norm_of(name: str) -> torch.Tensor | None:
        norm = getattr(attention, name, None)
        return None if norm is None else norm.weight.detach().to(device)

    return BlockWeights(
        attention_norm=block.input_layernorm.weight.detach().to(device),
        query_key_value=join([attention.q_proj, attention.k_proj, attention.v_proj]),
        query_norm=norm_of("q_norm"),
        key_norm=norm_of("k_norm"),
        attention_output=join([attention.o_proj]),
        feedforward_norm=block.post_attention_layernorm.weight.detach().to(device),
        gate_up=join([feedforward.gate_proj, feedforward.up_proj]),
        down=join([feedforward.down_proj]),
    )


def _rotary_tables(model: Any, positions: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ask the model for its own tables, so that every kind of scaling is the model's."""
    index = torch.arange(positions)[None]
    cosines, sines = model.model.rotary_emb(torch.zeros(1), index)
    half = sines.shape[-1] // 2
    signs = torch.ones_like(sines[0, 0])
    signs[:half] = -1
    return cosines[0, :, None].contiguous(), (sines[0] * signs)[:, None].contiguous()


def _as_set(tokens: int | list[int] | None) -> frozenset[int]:
    if tokens is None:
        return frozenset()
    return frozenset([tokens] if isinstance(tokens, int) else tokens)
