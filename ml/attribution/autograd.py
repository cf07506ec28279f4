"""A base model with an adapter as ordinary torch, for gradients by autograd.

Training itself is exact (`ml/exact`); influence needs gradients of rows and answers at a few
checkpoints, where the last bits of a float do not matter.

The loss of a row is the mean of -log p over the tokens of its completion, in nats, as in training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ml.errors import ModelUnusable
from ml.exact.adapter import AdapterShape
from ml.exact.loss import IGNORED


class AdaptedModel:
    """A frozen base model with one trainable adapter, seen as the maps that training needs."""

    def __init__(self, base: Any, shape: AdapterShape) -> None:
        """Attach an adapter to `base`, which belongs to this object from now on."""
        from peft import LoraConfig, inject_adapter_in_model

        config = LoraConfig(
            r=shape.rank,
            lora_alpha=shape.alpha,
            target_modules=list(shape.target_modules),
            lora_dropout=0.0,
            bias="none",
            task_type="CAUSAL_LM",
        )
        self.shape = shape
        self.network: Any = inject_adapter_in_model(config, base)
        self.parameters: dict[str, torch.nn.Parameter] = {
            _peft_name(name): parameter
            for name, parameter in sorted(self.network.named_parameters())
            if parameter.requires_grad
        }
        self.embedding: torch.nn.Module = base.get_input_embeddings()
        self.head: torch.nn.Module = base.get_output_embeddings()
        self.decoder: torch.nn.Module = base.get_decoder()
        self.context_tokens_max = int(base.config.max_position_embeddings)

    def hidden(self, embedded: torch.Tensor) -> torch.Tensor:
        """The last hidden states [rows, tokens, width] of embedded, right-padded tokens."""
        states: torch.Tensor = self.decoder(
            inputs_embeds=embedded, use_cache=False
        ).last_hidden_state
        return states

    @torch.no_grad()
    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Set the adapter's weights; raises `ModelUnusable` unless names and shapes fit."""
        wanted = {name: tuple(parameter.shape) for name, parameter in self.parameters.items()}
        found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        if wanted != found:
            odd = sorted({name for name, _ in wanted.items() ^ found.items()})
            message = f"The adapter does not fit the base model, first at {odd[0]}."
            raise ModelUnusable(message, remedy="Use the base model that the adapter names.")
        for name, parameter in self.parameters.items():
            parameter.copy_(tensors[name])


def row_losses(hidden: torch.Tensor, labels: torch.Tensor, head: torch.nn.Module) -> torch.Tensor:
    """Return the losses [rows] for hidden states [rows, tokens, width] and labels [rows, tokens].

    The output layer, the widest of the model, is applied only where a loss is taken.
    """
    taken = labels != IGNORED
    rows = taken.nonzero()[:, 0]
    losses = torch.nn.functional.cross_entropy(head(hidden[taken]), labels[taken], reduction="none")
    sums = torch.zeros(len(labels), dtype=losses.dtype).index_add(0, rows, losses)
    return sums / taken.sum(dim=1)


def _peft_name(name: str) -> str:
    """The name in PEFT's files: under its wrapper, and without the adapter's name (`default`)."""
    return f"base_model.model.{name.replace('.default.', '.')}"
