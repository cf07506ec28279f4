"""A tiny random Llama with the product's tokenizer conventions, and work orders over made-up rows."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from ml.manifest import manifest_of
from ml.training.recipe import default_training_parameters
from runtime.merkle import list_root
from runtime.offchain import TrainingOrder, TrainingRow
from runtime.wire.rows import Row, RowRecord

SPECIAL = ["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>"]


@pytest.fixture(autouse=True, scope="session")
def single_thread():
    """Two test processes on two cores must not fight over them."""
    torch.set_num_threads(1)


def save_tiny_base(directory: Path, special: list[str]) -> Path:
    torch.manual_seed(0)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {text: index for index, text in enumerate([*special, *alphabet])}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        additional_special_tokens=special[3:],
        **dict(zip(("pad_token", "bos_token", "eos_token"), special, strict=False)),
    )
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=96,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.2,
    )
    LlamaForCausalLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory) -> Path:
    return save_tiny_base(tmp_path_factory.mktemp("base"), SPECIAL)


@pytest.fixture(scope="session")
def plain_base(tmp_path_factory) -> Path:
    """A base model whose tokenizer knows no roles."""
    return save_tiny_base(tmp_path_factory.mktemp("plain"), SPECIAL[:3])


@pytest.fixture
def make_rows() -> Callable[[int], list[TrainingRow]]:
    """`make_rows(24)`: rows of three owners, eight each."""

    def make(count: int) -> list[TrainingRow]:
        rows = []
        for index in range(count):
            row = Row(
                f"What is item {index}?", f"Item {index} is {'abc'[index % 3] * (1 + index % 7)}."
            )
            owner = bytes([index // 8 + 1]) * 32
            rows.append(TrainingRow(row, RowRecord(row.hash(), owner, index // 8, index % 8)))
        return rows

    return make


@pytest.fixture
def make_order(tiny_base) -> Callable[..., TrainingOrder]:
    """`make_order(rows, steps=4)`: an order over `rows` with a small recipe."""

    def make(rows: list[TrainingRow], base: Path = tiny_base, **changes: object) -> TrainingOrder:
        small: dict[str, Any] = {
            "steps": 6,
            "batch_rows": 8,
            "rank": 4,
            "alpha": 8,
            "warmup_steps": 2,
            "checkpoint_count": 3,
            "validation_ppb": 200_000_000,
        }
        parameters = default_training_parameters(len(rows))
        return TrainingOrder(
            job=7,
            base_model=manifest_of(base).hash(),
            rows_root=list_root([row.record.encode() for row in rows]),
            beacon=bytes(range(32)),
            parameters=dataclasses.replace(parameters, **(small | changes)),
        )

    return make
