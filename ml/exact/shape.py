"""The sizes of a Llama-family model, and the limits within which the exact operators are exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

from ml.errors import ModelUnusable
from ml.exact.products import INNER_MAX, INNER_MIN

MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The linear layers of a block, in the order of computation."""
GROUPS = (MODULES[:3], MODULES[3:4], MODULES[4:6], MODULES[6:])
"""Modules that share their input are one product."""
MODEL_TYPES = ("llama", "mistral", "qwen2", "qwen3")
"""Architectures whose logits are the last hidden states times the output embedding, no more."""
HEAD_WIDTH_MAX = 256
POSITIONS_MAX = 4096
"""The longest sequence: sums over tokens in attention have at most so many terms a head."""
GROUP_HEADS_MAX = 16
"""Query heads for each head of keys and values; sums over queries run over all of them."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The sizes of a model."""

    width: int
    inner_width: int
    layer_count: int
    head_count: int
    key_value_head_count: int
    head_width: int
    vocabulary: int
    positions_max: int
    """The longest sequence in tokens; a sliding window counts as the end of the context."""

    @property
    def query_width(self) -> int:
        """The queries of a token."""
        return self.head_count * self.head_width

    @property
    def key_value_width(self) -> int:
        """The keys of a token, and its values."""
        return self.key_value_head_count * self.head_width

    def sizes_of(self, module: str) -> tuple[int, int]:
        """(outputs, inputs) of a linear layer of a block."""
        return {
            "q_proj": (self.query_width, self.width),
            "k_proj": (self.key_value_width, self.width),
            "v_proj": (self.key_value_width, self.width),
            "o_proj": (self.width, self.query_width),
            "gate_proj": (self.inner_width, self.width),
            "up_proj": (self.inner_width, self.width),
            "down_proj": (self.width, self.inner_width),
        }[module]


def shape_of(config: Mapping[str, Any]) -> ModelShape:
    """The sizes that a `config.json` states; raises `ModelUnusable` outside the exact limits."""
    if config.get("model_type") not in MODEL_TYPES:
        message = f"The model is of type {config.get('model_type')}."
        raise ModelUnusable(message, remedy=f"Use one of type {', '.join(MODEL_TYPES)}.")
    if config.get("hidden_act", "silu") != "silu":
        message = f"The model's activation is {config['hidden_act']}."
        raise ModelUnusable(message, remedy="Use a model with silu.")
    try:
        heads = config["num_attention_heads"]
        window = config.get("sliding_window") or config["max_position_embeddings"]
        shape = ModelShape(
            width=config["hidden_size"],
            inner_width=config["intermediate_size"],
            layer_count=config["num_hidden_layers"],
            head_count=heads,
            key_value_head_count=config.get("num_key_value_heads") or heads,
            head_width=config.get("head_dim") or config["hidden_size"] // heads,
            vocabulary=config["vocab_size"],
            positions_max=min(config["max_position_embeddings"], window, POSITIONS_MAX),
        )
    except (KeyError, TypeError, ZeroDivisionError) as error:
        message = f"The model's configuration lacks a size: {error}."
        raise ModelUnusable(message, remedy="Fetch the model's config.json again.") from error
    if not all(type(size) is int and size >= 1 for size in astuple(shape)):
        message = "The model's configuration lacks a size, or has one that is not a number."
        raise ModelUnusable(message, remedy="Fetch the model's config.json again.")
    _check_limits(shape)
    return shape


def _check_limits(shape: ModelShape) -> None:
    group_heads, odd = divmod(shape.head_count, shape.key_value_head_count)
    joined = shape.query_width + 2 * shape.key_value_width
    limits = (
        ("width", INNER_MIN, shape.width, INNER_MAX),
        ("joined outputs of queries, keys and values", INNER_MIN, joined, INNER_MAX),
        ("joined outputs of gate and up", 2 * INNER_MIN, 2 * shape.inner_width, INNER_MAX),
        ("vocabulary", INNER_MIN, shape.vocabulary, INNER_MAX),
        ("head width", 2, shape.head_width, HEAD_WIDTH_MAX),
        ("query heads per key head", 1, group_heads, GROUP_HEADS_MAX),
    )
    for name, least, value, limit in limits:
        if not least <= value <= limit:
            message = f"The model's {name} is {value}; exact sums reach from {least} to {limit}."
            raise ModelUnusable(message, remedy="Use a model within the limits of ml/exact.")
    if odd or shape.head_width % 2:
        message = f"{shape.head_count} heads of {shape.head_width} cannot be grouped and turned."
        raise ModelUnusable(message, remedy="Use a model with even heads in equal groups.")
