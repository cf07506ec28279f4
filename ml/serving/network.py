"""The base model in the lane `fast`: a forward pass in which each row has its own adapter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn import functional

from ml.serving.base import BaseModel, BaseShape, BlockWeights, load_base_model
from ml.serving.layout import RowLayout
from ml.serving.linears import Precision
from ml.serving.pages import KeyValuePages
from ml.serving.passes import Pass, joined, spans_of
from ml.serving.requests import GenerationRequest
from ml.serving.sampling import choose_token
from ml.serving.slab import Slab, as_it_is

ATTENTION_INPUT, ATTENTION_OUTPUT, FEEDFORWARD_INPUT, FEEDFORWARD_OUTPUT = range(4)
"""Indices of the groups of `ml.serving.layout.RowLayout`."""


class FloatNetwork:
    """A base model in float32, its linear layers in float32 or int8."""

    def __init__(self, base: BaseModel) -> None:
        """Compute with these weights."""
        self._base = base

    @classmethod
    def load(
        cls, directory: Path, precision: Precision, positions_max: int, device: torch.device
    ) -> FloatNetwork:
        """Read a base model for contexts of up to `positions_max`; raises `ModelUnusable`."""
        return cls(load_base_model(directory, precision, positions_max, device))

    @property
    def shape(self) -> BaseShape:
        """Its sizes."""
        return self._base.shape

    @property
    def vocabulary_size(self) -> int:
        """How many tokens it knows."""
        return len(self._base.embedding)

    @property
    def end_tokens(self) -> frozenset[int]:
        """Tokens that end an answer, by the model's generation configuration."""
        return self._base.end_tokens

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._base.embedding.device

    def slab(self, slot_count: int, rank_max: int) -> Slab:
        """Slots in float32."""
        layout = RowLayout(self.shape)
        return Slab(layout, slot_count, rank_max, self.device, torch.float32, as_it_is)

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """float32 [tokens, vocabulary] of hidden states."""
        return self._base.head(states)

    def choose(
        self,
        logits: torch.Tensor,
        answers: Sequence[tuple[GenerationRequest, Sequence[int]]],
    ) -> list[int]:
        """The next token of each answer."""
        greedy: list[int] = logits.argmax(dim=-1).tolist()
        return [
            greedy[row] if request.is_greedy else choose_token(logits[row], request, tokens)
            for row, (request, tokens) in enumerate(answers)
        ]

    def forward(self, past: KeyValuePages, passes: Sequence[Pass]) -> torch.Tensor:
        """The hidden states [tokens, width] after the last norm; writes keys and values."""
        base, shape = self._base, self._base.shape
        hidden = functional.embedding(
            joined([each.tokens.view(-1) for each in passes]), base.embedding
        )
        positions = joined([each.positions.reshape(-1) for each in passes])
        cosines, sines = base.cosines[positions], base.sines[positions]
        places = joined([each.places() for each in passes])
        masks = [_mask(each) for each in passes]
        rotated = shape.head_count + shape.key_value_head_count
        for index, block in enumerate(base.blocks):
            inputs = functional.rms_norm(hidden, (shape.width,), block.attention_norm, base.epsilon)
            outputs = block.query_key_value(inputs)
            _adapt(passes, outputs, inputs, index, ATTENTION_INPUT)
            heads = outputs.view(len(outputs), -1, shape.head_width)
            turning = heads[:, :rotated]
            _normalise_heads(turning, block, shape.head_count, base.epsilon)
            swapped = turning.roll(shape.head_width // 2, -1)
            turning.mul_(cosines).addcmul_(swapped, sines)
            past.write(index, places, heads[:, shape.head_count :].reshape(len(places), -1))
            inputs = _attended(shape, past, index, passes, masks, heads[:, : shape.head_count])
            outputs = block.attention_output(inputs)
            _adapt(passes, outputs, inputs, index, ATTENTION_OUTPUT)
            hidden = outputs.add_(hidden)
            hidden = _feedforward(base, block, hidden, passes, index)
        return functional.rms_norm(hidden, (shape.width,), base.final_norm, base.epsilon)


def _adapt(
    passes: Sequence[Pass], outputs: torch.Tensor, inputs: torch.Tensor, layer: int, group: int
) -> None:
    """Add the updates of every row's adapter in place."""
    for each, span in spans_of(passes):
        rows = each.tokens.shape
        each.adapters.add_to(
            outputs[span].view(*rows, -1), inputs[span].view(*rows, -1), layer, group
        )


def _attended(
    shape: BaseShape,
    past: KeyValuePages,
    layer: int,
    passes: Sequence[Pass],
    masks: Sequence[torch.Tensor],
    queries: torch.Tensor,
) -> torch.Tensor:
    """What the heads of all tokens have attended to, flat."""
    grouped = shape.head_count != shape.key_value_head_count
    parts = []
    for (each, span), mask in zip(spans_of(passes), masks, strict=True):
        keys, values = past.read(layer, each.pages)
        attended = functional.scaled_dot_product_attention(
            queries[span].view(*each.tokens.shape, *queries.shape[1:]).transpose(1, 2),
            keys,
            values,
            attn_mask=mask,
            enable_gqa=grouped,
        )
        parts.append(attended.transpose(1, 2).reshape(each.size, -1))
    return joined(parts)


def _feedforward(
    base: BaseModel,
    block: BlockWeights,
    hidden: torch.Tensor,
    passes: Sequence[Pass],
    index: int,
) -> torch.Tensor:
    inputs = functional.rms_norm(hidden, (base.shape.width,), block.feedforward_norm, base.epsilon)
    outputs = block.gate_up(inputs)
    _adapt(passes, outputs, inputs, index, FEEDFORWARD_INPUT)
    gates, ups = outputs.chunk(2, -1)
    inner = functional.silu(gates).mul_(ups)
    outputs = block.down(inner)
    _adapt(passes, outputs, inner, index, FEEDFORWARD_OUTPUT)
    return outputs.add_(hidden)


def _normalise_heads(
    turning: torch.Tensor, block: BlockWeights, head_count: int, epsilon: float
) -> None:
    """Normalise queries and keys head by head, in models that do."""
    if block.query_norm is None or block.key_norm is None:
        return
    width = (turning.shape[-1],)
    queries, keys = turning[:, :head_count], turning[:, head_count:]
    queries.copy_(functional.rms_norm(queries, width, block.query_norm, epsilon))
    keys.copy_(functional.rms_norm(keys, width, block.key_norm, epsilon))


def _mask(batch: Pass) -> torch.Tensor:
    """0 where a token may look, else -infinity: [rows, 1, tokens, past]."""
    hidden = batch.hidden()
    return torch.zeros(hidden.shape, device=hidden.device).masked_fill_(hidden, -torch.inf)[:, None]
