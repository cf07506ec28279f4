"""A base model with an adapter in float64, as a function of the adapter's vector."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from transformers import AutoModelForCausalLM

from ml.exact.adapter import AdapterLayout
from ml.exact.gradients import TokenRow
from ml.exact.loss import IGNORED


@contextmanager
def float64_norms() -> Iterator[None]:
    """Transformers computes norms and positions in float32, whatever the model's type: not here."""
    original = torch.Tensor.to

    def kept(self: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
        if self.dtype is torch.float64 and arguments[:1] == (torch.float32,):
            return self
        return original(self, *arguments, **options)

    torch.Tensor.to = kept  # type: ignore[method-assign,assignment]  # for the length of a test
    try:
        yield
    finally:
        torch.Tensor.to = original  # type: ignore[method-assign]  # likewise


class FloatModel:
    """Ordinary torch, differentiable as often as one likes."""

    def __init__(self, directory: Path, layout: AdapterLayout) -> None:
        """Load a base model for adapters of this layout."""
        base = AutoModelForCausalLM.from_pretrained(
            directory, dtype=torch.float64, attn_implementation="eager"
        ).requires_grad_(requires_grad=False)
        config = LoraConfig(
            r=layout.shape.rank,
            lora_alpha=layout.shape.alpha,
            target_modules=list(layout.shape.target_modules),
        )
        self._network: Any = inject_adapter_in_model(config, base)
        self._layout = layout

    def losses(self, vector: torch.Tensor, rows: Sequence[TokenRow]) -> torch.Tensor:
        """float64 mean losses [rows] over the labelled tokens of each row."""
        named = {
            name.removeprefix("base_model.model.").replace(".weight", ".default.weight"): tensor
            for name, tensor in self._layout.tensors(vector).items()
        }
        found = []
        with float64_norms():
            for row in rows:
                logits = torch.func.functional_call(
                    self._network, named, kwargs={"input_ids": torch.tensor([row.ids])}
                ).logits[0]
                labels = torch.tensor(row.labels)
                found.append(
                    torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED)
                )
        return torch.stack(found)
