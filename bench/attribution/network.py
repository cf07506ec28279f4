"""A base model with an adapter in torch's own arithmetic, as a function of the adapter's vector.

Truth is hundreds of trainings, and a replay differentiates through a whole one: both want the plain
function `vector -> loss of each row`, without modules, hooks or state.  It is what the exact
operators compute (`ml/exact`), rounded otherwise; a test holds the two against each other.

Attention is written out: fused kernels have no second derivative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy, linear, rms_norm, silu, softmax

from ml.exact.adapter import AdapterLayout
from ml.exact.loss import IGNORED
from ml.exact.model import ExactModel
from ml.exact.shape import GROUPS
from ml.training.encode import EncodedRow, pad

PART_ROWS = 25
"""How many rows go through at once: their activations stay in a core's cache."""


@dataclass(frozen=True, slots=True)
class _Block:
    """The frozen matrices of a block, those of layers with one input side by side."""

    groups: tuple[torch.Tensor, ...]
    attention_norm: torch.Tensor
    feedforward_norm: torch.Tensor


@dataclass(frozen=True)
class FloatModel:
    """A frozen Llama whose adapter's numbers come with every call."""

    layout: AdapterLayout
    embedding: torch.Tensor
    blocks: tuple[_Block, ...]
    final_norm: torch.Tensor
    head: torch.Tensor
    cosines: torch.Tensor
    sines: torch.Tensor
    epsilon: float

    @classmethod
    def load(
        cls, directory: Path, layout: AdapterLayout, precision: torch.dtype = torch.float32
    ) -> FloatModel:
        """Read a base model whose weights are one safetensors file."""
        exact = ExactModel.load(directory)
        tensors = {
            name: tensor.to(precision)
            for name, tensor in load_file(directory / "model.safetensors").items()
        }
        embedding = tensors["model.embed_tokens.weight"]
        return cls(
            layout,
            embedding,
            tuple(_block(tensors, number) for number in range(layout.model.layer_count)),
            tensors["model.norm.weight"],
            tensors.get("lm_head.weight", embedding),
            exact.cosines.to(precision),
            exact.sines.to(precision),
            exact.epsilon,
        )

    def losses(self, vector: torch.Tensor, rows: Sequence[EncodedRow]) -> torch.Tensor:
        """Each row's mean loss [rows] in nats, differentiable in the adapter's `vector`."""
        tokens, labels = pad(rows)
        hidden = self.embedding[tokens]
        for number in range(len(self.blocks)):
            hidden = self._attended(vector, number, hidden)
            hidden = self._fed(vector, number, hidden)
        taken = labels != IGNORED
        places = taken.nonzero()[:, 0]
        states = self._normed(hidden[taken], self.final_norm)
        found = cross_entropy(linear(states, self.head), labels[taken], reduction="none")
        sums = torch.zeros(len(rows), dtype=found.dtype).index_add(0, places, found)
        return sums / taken.sum(1)

    def _attended(self, vector: torch.Tensor, number: int, hidden: torch.Tensor) -> torch.Tensor:
        shape, block = self.layout.model, self.blocks[number]
        inputs = self._normed(hidden, block.attention_norm)
        rows, count = inputs.shape[:2]
        width, heads = shape.head_width, shape.head_count
        joined = self._linear(vector, number, 0, inputs).view(rows, count, -1, width)
        keys_at = heads + shape.key_value_head_count
        turned = self._turned(joined[:, :, :keys_at].transpose(1, 2))
        group = heads // shape.key_value_head_count
        queries = turned[:, :heads].reshape(rows, -1, group, count, width)
        keys = turned[:, heads:].unsqueeze(2)
        values = joined[:, :, keys_at:].transpose(1, 2).unsqueeze(2)
        scores = queries @ keys.transpose(-1, -2) * width**-0.5
        future = torch.ones(count, count, dtype=torch.bool).triu(1)
        weights = softmax(scores.masked_fill(future, -torch.inf), -1)
        outputs = (weights @ values).flatten(1, 2).transpose(1, 2).flatten(2)
        return hidden + self._linear(vector, number, 1, outputs)

    def _fed(self, vector: torch.Tensor, number: int, hidden: torch.Tensor) -> torch.Tensor:
        inputs = self._normed(hidden, self.blocks[number].feedforward_norm)
        gates, ups = self._linear(vector, number, 2, inputs).chunk(2, -1)
        return hidden + self._linear(vector, number, 3, silu(gates) * ups)

    def _linear(
        self, vector: torch.Tensor, number: int, group: int, inputs: torch.Tensor
    ) -> torch.Tensor:
        """The joined outputs of layers that share an input, adapters added."""
        outputs = linear(inputs, self.blocks[number].groups[group])
        shape = self.layout.shape
        changed = [module for module in GROUPS[group] if module in shape.target_modules]
        if not changed:
            return outputs
        downs = torch.cat([self.layout.view(vector, number, module, "A") for module in changed])
        lows = linear(inputs, downs) * (shape.alpha / shape.rank)
        parts = dict(zip(changed, torch.split(lows, shape.rank, -1), strict=True))
        added = [
            linear(parts[module], self.layout.view(vector, number, module, "B"))
            if module in parts
            else inputs.new_zeros(*inputs.shape[:-1], self.layout.model.sizes_of(module)[0])
            for module in GROUPS[group]
        ]
        return outputs + torch.cat(added, -1)

    def _turned(self, heads: torch.Tensor) -> torch.Tensor:
        """Rotary positions on [rows, heads, tokens, width]; the sines' first half is negative."""
        count, width = heads.shape[-2:]
        return heads * self.cosines[:count] + heads.roll(width // 2, -1) * self.sines[:count]

    def _normed(self, states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return rms_norm(states, weight.shape, weight, self.epsilon)


def _block(tensors: dict[str, torch.Tensor], number: int) -> _Block:
    prefix = f"model.layers.{number}."

    def joined(modules: Sequence[str]) -> torch.Tensor:
        return torch.cat([tensors[prefix + _path(module)] for module in modules])

    return _Block(
        tuple(joined(modules) for modules in GROUPS),
        tensors[prefix + "input_layernorm.weight"],
        tensors[prefix + "post_attention_layernorm.weight"],
    )


def _path(module: str) -> str:
    parent = "mlp" if module in {"gate_proj", "up_proj", "down_proj"} else "self_attn"
    return f"{parent}.{module}.weight"
