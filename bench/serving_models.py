"""Random base models and adapters for the serving benchmark, and the traffic on them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from ml.exact.adapter import WEIGHTS_FILE
from ml.exact.shape import shape_of
from ml.lora_config import CONFIG_FILE
from ml.manifest import manifest_of
from ml.serving.base import base_shape
from ml.serving.layout import RowLayout
from ml.serving.requests import GenerationRequest
from runtime.wire.training_parameters import TARGET_MODULES

CONTEXT_TOKENS = 128
PROMPT_TOKENS = (16, 48)
ANSWER_TOKENS = 32
SIZES: dict[str, dict[str, int]] = {
    "tiny": {
        "vocab_size": 8_192,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
    },
    "10m": {
        "vocab_size": 4_096,
        "hidden_size": 320,
        "intermediate_size": 864,
        "num_hidden_layers": 6,
        "num_attention_heads": 5,
        "num_key_value_heads": 5,
    },
    "100m": {
        "vocab_size": 8_192,
        "hidden_size": 768,
        "intermediate_size": 2_048,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "num_key_value_heads": 12,
    },
}


@dataclass(frozen=True, slots=True)
class BenchModel:
    """A base model on disk and in memory, and adapters for it."""

    directory: Path
    adapters: Path
    network: Any
    """As transformers has it, for the peers."""
    hashes: tuple[bytes, ...]
    rank: int


def make_model(root: Path, size: str, rank: int, count: int) -> BenchModel:
    """Write a random base model and `count` adapters of `rank` below `root`."""
    torch.manual_seed(0)
    config = LlamaConfig(
        **SIZES[size],
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=False,
        eos_token_id=None,
        bos_token_id=None,
    )
    network = LlamaForCausalLM(config).eval()
    directory, adapters = root / f"base-{size}-{rank}", root / f"adapters-{size}-{rank}"
    network.save_pretrained(directory)
    adapters.mkdir()
    layout = RowLayout(base_shape(shape_of(config.to_dict()), CONTEXT_TOKENS))
    hashes = tuple(_write_adapter(adapters, layout, rank, seed) for seed in range(count))
    return BenchModel(directory, adapters, network, hashes, rank)


def _write_adapter(adapters: Path, layout: RowLayout, rank: int, seed: int) -> bytes:
    staging = adapters / "staging"
    staging.mkdir()
    source = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    for layer in range(layout.shape.layer_count):
        for group in layout.groups:
            for module in group.modules:
                name = f"base_model.model.model.layers.{layer}.{module.name}"
                down = torch.randn(rank, group.inputs, generator=source) / group.inputs**0.5
                up = torch.randn(module.outputs, rank, generator=source) * 0.05
                tensors |= {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
    save_file(tensors, staging / WEIGHTS_FILE, metadata={"format": "pt"})
    config = {
        "base_model_name_or_path": "base",
        "bias": "none",
        "inference_mode": True,
        "lora_alpha": 2 * rank,
        "lora_dropout": 0.0,
        "peft_type": "LORA",
        "r": rank,
        "target_modules": list(TARGET_MODULES),
        "task_type": "CAUSAL_LM",
    }
    (staging / CONFIG_FILE).write_text(json.dumps(config))
    digest = manifest_of(staging).hash()
    staging.rename(adapters / digest.hex())
    return digest


def uniform_traffic(hashes: Sequence[bytes], count: int, seed: int) -> list[GenerationRequest]:
    """Requests through adapters drawn evenly."""
    return _traffic(hashes, [1.0] * len(hashes), count, seed)


def zipf_traffic(hashes: Sequence[bytes], count: int, seed: int) -> list[GenerationRequest]:
    """Requests through adapters of which the n-th is asked 1 / n as often as the first."""
    return _traffic(hashes, [1 / (place + 1) for place in range(len(hashes))], count, seed)


def _traffic(
    hashes: Sequence[bytes], weights: Sequence[float], count: int, seed: int
) -> list[GenerationRequest]:
    source = random.Random(seed)  # noqa: S311 # repeatable traffic, not secrets
    drawn = source.choices(hashes, weights, k=count)
    vocabulary = min(size["vocab_size"] for size in SIZES.values())
    return [
        GenerationRequest(
            tuple(source.randrange(3, vocabulary) for _ in range(source.randint(*PROMPT_TOKENS))),
            adapter,
            ANSWER_TOKENS,
        )
        for adapter in drawn
    ]
