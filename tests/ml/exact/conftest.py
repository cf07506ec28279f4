"""Tiny models of every family, and rows for them."""

import random
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from ml.exact.adapter import Adapter, AdapterLayout, AdapterShape
from ml.exact.loss import IGNORED
from ml.exact.model import ExactModel
from ml.exact.shape import MODULES

VOCABULARY = 97
CONTEXT = 64
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
    "initializer_range": 0.2,
}
CONFIGS: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**SIZES, tie_word_embeddings=True),
    "llama3": LlamaConfig(
        **SIZES,
        tie_word_embeddings=False,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 10_000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16,
        },
    ),
    "mistral": MistralConfig(**SIZES, sliding_window=None),
    "qwen2": Qwen2Config(**SIZES),
    "qwen3": Qwen3Config(**SIZES, head_dim=16),
}


@dataclass(frozen=True)
class TestRow:
    """A row as tokens; `start` is the index of the first one that a loss is taken on."""

    __test__ = False
    ids: tuple[int, ...]
    start: int

    @property
    def labels(self) -> tuple[int, ...]:
        return (*[IGNORED] * (self.start - 1), *self.ids[self.start :], IGNORED)


def save_model(directory: Path, family: str) -> Path:
    """Write a random model, with biases and norms that are not the identity."""
    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_config(CONFIGS[family])
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.uniform_(-0.2, 0.2)
            elif "norm" in name:
                parameter.uniform_(0.7, 1.3)
    network.save_pretrained(directory)
    return directory


def rows_of_lengths(*lengths: int, seed: int = 0) -> list[TestRow]:
    """Random rows; the loss is on their second halves."""
    source = random.Random(seed)
    return [
        TestRow(tuple(source.randrange(VOCABULARY) for _ in range(length)), max(1, length // 2))
        for length in lengths
    ]


def random_adapter(model: ExactModel, rank: int = 4, seed: int = 1) -> Adapter:
    """An adapter of all modules whose B is not 0."""
    layout = AdapterLayout(model.shape, AdapterShape(rank, 6, MODULES))
    noise = torch.rand(layout.size, generator=torch.Generator().manual_seed(seed)) - 0.5
    return Adapter(layout, layout.initial(b"key") + noise * 0.1)


@pytest.fixture(scope="session")
def directories(tmp_path_factory) -> dict[str, Path]:
    return {family: save_model(tmp_path_factory.mktemp(family), family) for family in CONFIGS}


@pytest.fixture(scope="session")
def model(directories) -> ExactModel:
    return ExactModel.load(directories["llama"])


@pytest.fixture(scope="session")
def reference(directories) -> ExactModel:
    """The same model in the other backend."""
    return ExactModel.load(directories["llama"], "float64")


@pytest.fixture(scope="session")
def adapter(model) -> Adapter:
    return random_adapter(model)
