"""What else could answer: transformers without adapters (the ceiling), and PEFT's mixed batches."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import GenerationConfig

from bench.serving_models import BenchModel
from ml.exact.adapter import WEIGHTS_FILE
from ml.serving.requests import GenerationRequest

BATCH = 32


def generate(
    network: Any, requests: Sequence[GenerationRequest], **options: Any
) -> list[list[int]]:
    """Greedy answers by `generate`, batches of 32 padded on the left; returns the new tokens."""
    answers: list[list[int]] = []
    for start in range(0, len(requests), BATCH):
        batch = requests[start : start + BATCH]
        width = max(len(request.prompt_tokens) for request in batch)
        tokens = torch.zeros(len(batch), width, dtype=torch.int64)
        mask = torch.zeros_like(tokens)
        for row, request in enumerate(batch):
            tokens[row, width - len(request.prompt_tokens) :] = torch.tensor(request.prompt_tokens)
            mask[row, width - len(request.prompt_tokens) :] = 1
        settings = GenerationConfig(
            max_new_tokens=batch[0].tokens_max,
            min_new_tokens=batch[0].tokens_max,
            do_sample=False,
            pad_token_id=0,
            eos_token_id=None,
        )
        with torch.inference_mode():
            output = network.generate(
                input_ids=tokens, attention_mask=mask, generation_config=settings, **options
            )
        answers.extend(output[:, width:].tolist())
    return answers


def mixed_batch(model: BenchModel, requests: Sequence[GenerationRequest]) -> int:
    """PEFT with `adapter_names`, each adapter loaded first; returns how many tokens it made."""
    keys = list(dict.fromkeys(_key_of(request) for request in requests))
    network = _peft_model(model, keys[0])
    for key in keys[1:]:
        network.load_adapter(model.adapters / key.hex(), key.hex())
    names = [_key_of(request).hex() for request in requests]
    return sum(map(len, generate(network, requests, adapter_names=names)))


class PeftOneByOne:
    """PEFT with one adapter whose weights are exchanged: quick enough for thousands."""

    def __init__(self, model: BenchModel) -> None:
        """Load the first adapter."""
        self._model = model
        self._network = _peft_model(model, model.hashes[0])
        name = model.hashes[0].hex()
        self._parameters = {
            key.replace(f".{name}.", "."): parameter
            for key, parameter in self._network.named_parameters()
            if "lora_" in key
        }

    def answer(self, request: GenerationRequest) -> list[int]:
        """The greedy answer."""
        weights = load_file(self._model.adapters / _key_of(request).hex() / WEIGHTS_FILE)
        with torch.no_grad():
            for key, tensor in weights.items():
                self._parameters[key].copy_(tensor)
        return generate(self._network, [request])[0]


def _peft_model(model: BenchModel, key: bytes) -> Any:
    network = copy.deepcopy(model.network)
    folder = model.adapters / key.hex()
    return PeftModel.from_pretrained(network, folder, adapter_name=key.hex()).eval()


def _key_of(request: GenerationRequest) -> bytes:
    if not isinstance(request.adapter, bytes):
        raise TypeError("The benchmark asks for single adapters.")
    return request.adapter
