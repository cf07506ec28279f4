"""What the exact operators are measured against: the same training in torch's own arithmetic.

An ordinary step: transformers' Llama with PEFT's adapter, fused attention, autograd, the output
layer only where a loss is taken, and the same optimiser's formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from ml.exact.adapter import Adapter
from ml.exact.loss import IGNORED
from ml.exact.optimiser import BETA_MEAN, BETA_SQUARE, StepSettings
from ml.training.encode import EncodedRow, pad

PART_ROWS = 25
"""How many rows go through the peer at once."""


@dataclass(slots=True)
class _Trained:
    """A parameter and its optimiser's state."""

    parameter: torch.nn.Parameter
    mean: torch.Tensor
    square: torch.Tensor


class TorchTraining:
    """One adapter in training by torch."""

    def __init__(
        self, directory: Path, start: Adapter, precision: torch.dtype = torch.float32
    ) -> None:
        """Attach the adapter to the base model of `directory`."""
        logging.disable_progress_bar()
        shape = start.layout.shape
        self._base: Any = AutoModelForCausalLM.from_pretrained(directory, dtype=precision)
        config = LoraConfig(
            r=shape.rank, lora_alpha=shape.alpha, target_modules=list(shape.target_modules)
        )
        inject_adapter_in_model(config, self._base.requires_grad_(requires_grad=False))
        found = {
            f"base_model.model.{name.replace('.default.', '.')}": parameter
            for name, parameter in self._base.named_parameters()
        }
        self._trained: dict[str, _Trained] = {}
        for name, tensor in start.layout.tensors(start.vector).items():
            found[name].data = tensor.to(precision, copy=True)
            zeros = torch.zeros_like(found[name])
            self._trained[name] = _Trained(found[name], zeros, zeros.clone())
        self._steps = 0

    def gradient(self, rows: Sequence[EncodedRow]) -> torch.Tensor:
        """The gradient of the rows' mean loss, as the adapter's vector."""
        self._backward(rows)
        return torch.cat([self._take(each).reshape(-1) for each in self._trained.values()])

    def step(self, rows: Sequence[EncodedRow], settings: StepSettings) -> None:
        """Train on a batch."""
        self._backward(rows)
        self._steps += 1
        for each in self._trained.values():
            gradient = self._take(each)
            each.mean.lerp_(gradient, 1 - BETA_MEAN)
            each.square.mul_(BETA_SQUARE).addcmul_(gradient, gradient, value=1 - BETA_SQUARE)
            root = (each.square / (1 - BETA_SQUARE**self._steps) + settings.epsilon).sqrt_()
            rate = settings.learning_rate / (1 - BETA_MEAN**self._steps)
            each.parameter.data.addcdiv_(each.mean, root, value=-rate)

    @torch.inference_mode()
    def losses(self, rows: Sequence[EncodedRow]) -> list[float]:
        """The loss of each row in nats, in their order."""
        return [float(self._losses([row])[0]) for row in rows]

    def vector(self) -> torch.Tensor:
        """The adapter as it is now."""
        return torch.cat([each.parameter.detach().reshape(-1) for each in self._trained.values()])

    def _backward(self, rows: Sequence[EncodedRow]) -> None:
        by_length = sorted(rows, key=lambda row: len(row.ids))
        for start in range(0, len(rows), PART_ROWS):
            loss = self._losses(by_length[start : start + PART_ROWS]).sum() / len(rows)
            loss.backward()  # type: ignore[no-untyped-call] # torch leaves it unannotated

    def _losses(self, rows: Sequence[EncodedRow]) -> torch.Tensor:
        tokens, labels = pad(rows)
        taken = labels != IGNORED
        hidden = self._base.get_decoder()(input_ids=tokens, use_cache=False).last_hidden_state
        losses = torch.nn.functional.cross_entropy(
            self._base.get_output_embeddings()(hidden[taken]), labels[taken], reduction="none"
        )
        sums = torch.zeros(len(rows), dtype=losses.dtype)
        return sums.index_add(0, taken.nonzero()[:, 0], losses) / taken.sum(dim=1)

    @staticmethod
    def _take(each: _Trained) -> torch.Tensor:
        gradient = each.parameter.grad
        assert gradient is not None  # noqa: S101 # every parameter takes part in every row
        each.parameter.grad = None
        return gradient


def save_random_model(directory: Path, **sizes: int) -> Path:
    """Write a Llama with random weights; returns its directory."""
    torch.manual_seed(0)
    config = LlamaConfig(
        **sizes, max_position_embeddings=512, tie_word_embeddings=False, eos_token_id=None
    )
    LlamaForCausalLM(config).save_pretrained(directory)
    return directory
