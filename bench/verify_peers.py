"""What the exact operators are measured against: the same training in torch's own float32.

An ordinary step: transformers' Llama with PEFT's adapter, fused attention, autograd, the output
layer only where a loss is taken, and torch's AdamW.
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

from ml.exact.adapter import AdapterLayout
from ml.exact.loss import IGNORED
from ml.exact.optimiser import BETA_MEAN, BETA_SQUARE

PART_ROWS = 25
"""How many rows go through the peer at once."""


@dataclass(frozen=True, slots=True)
class BenchRow:
    """A row as tokens."""

    ids: tuple[int, ...]
    completion_start: int

    @property
    def labels(self) -> tuple[int, ...]:
        """For each token the one after it where a loss is taken, else `IGNORED`."""
        skipped = self.completion_start - 1
        return (*[IGNORED] * skipped, *self.ids[self.completion_start :], IGNORED)


class TorchTraining:
    """One adapter in training by torch, from the same start as the exact one."""

    def __init__(
        self, directory: Path, layout: AdapterLayout, vector: torch.Tensor, learning_rate: float
    ) -> None:
        """Attach the adapter `vector` to the base model of `directory`."""
        logging.disable_progress_bar()
        shape = layout.shape
        base: Any = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
        config = LoraConfig(
            r=shape.rank,
            lora_alpha=shape.alpha,
            target_modules=list(shape.target_modules),
            lora_dropout=0.0,
        )
        inject_adapter_in_model(config, base.requires_grad_(requires_grad=False))
        self._base = base
        tensors = layout.tensors(vector)
        parameters = []
        for name, parameter in base.named_parameters():
            if parameter.requires_grad:
                peft_name = f"base_model.model.{name.replace('.default.', '.')}"
                parameter.data.copy_(tensors[peft_name])
                parameters.append(parameter)
        self._optimiser = torch.optim.AdamW(
            parameters, lr=learning_rate, betas=(BETA_MEAN, BETA_SQUARE), weight_decay=0.0
        )

    def step(self, rows: Sequence[BenchRow], learning_rate: float) -> float:
        """Train on a batch; returns its mean loss in nats."""
        total = 0.0
        for part in _parts(rows):
            loss = self._losses(part).sum() / len(rows)
            loss.backward()  # type: ignore[no-untyped-call] # torch leaves it unannotated
            total += float(loss.detach())
        self._optimiser.param_groups[0]["lr"] = learning_rate
        self._optimiser.step()
        self._optimiser.zero_grad()
        return total

    @torch.inference_mode()
    def evaluate(self, rows: Sequence[BenchRow]) -> float:
        """The mean loss of rows, in nats."""
        return sum(float(self._losses(part).double().sum()) for part in _parts(rows)) / len(rows)

    def _losses(self, rows: Sequence[BenchRow]) -> torch.Tensor:
        width = max(len(row.ids) for row in rows)
        tokens = torch.zeros((len(rows), width), dtype=torch.int64)
        labels = torch.full_like(tokens, IGNORED)
        for number, row in enumerate(rows):
            ids = torch.tensor(row.ids)
            tokens[number, : len(ids)] = ids
            labels[number, : len(ids)] = torch.tensor(row.labels)
        taken = labels != IGNORED
        hidden = self._base.get_decoder()(input_ids=tokens, use_cache=False).last_hidden_state
        losses = torch.nn.functional.cross_entropy(
            self._base.get_output_embeddings()(hidden[taken]), labels[taken], reduction="none"
        )
        sums = torch.zeros(len(rows)).index_add(0, taken.nonzero()[:, 0], losses)
        return sums / taken.sum(dim=1)


def save_random_model(directory: Path, **sizes: int) -> Path:
    """Write a Llama with random weights; returns its directory."""
    torch.manual_seed(0)
    config = LlamaConfig(
        **sizes, max_position_embeddings=512, tie_word_embeddings=False, bos_token_id=None
    )
    LlamaForCausalLM(config).save_pretrained(directory)
    return directory


def _parts(rows: Sequence[BenchRow]) -> list[list[BenchRow]]:
    by_length = sorted(rows, key=lambda row: len(row.ids))
    return [by_length[start : start + PART_ROWS] for start in range(0, len(rows), PART_ROWS)]
