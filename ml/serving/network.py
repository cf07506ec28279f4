"""One forward pass of the base model over a batch in which each row has its own adapter."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from ml.serving.base import BaseModel, BlockWeights
from ml.serving.pages import PAGE_TOKENS, KeyValuePages
from ml.serving.slab import SlotAdapters

ATTENTION_INPUT, ATTENTION_OUTPUT, FEEDFORWARD_INPUT, FEEDFORWARD_OUTPUT = range(4)
"""Indices of the groups of `ml.serving.layout.RowLayout`."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What a pass computes: some tokens of each row, and where their past is."""

    tokens: torch.Tensor
    """int64 [rows, tokens]"""
    positions: torch.Tensor
    """int64 [rows, tokens]; padding has positions like any other token."""
    pages: torch.Tensor
    """int64 [rows, pages]: the table of each row, as far as this pass looks and writes."""
    adapters: SlotAdapters


def forward(base: BaseModel, past: KeyValuePages, batch: Pass) -> torch.Tensor:
    """The hidden states [rows, tokens, width] after the last norm; writes keys and values."""
    shape = base.shape
    hidden = functional.embedding(batch.tokens, base.embedding)
    cosines, sines = base.cosines[batch.positions], base.sines[batch.positions]
    places = _places(batch)
    mask = _mask(batch)
    grouped = shape.head_count != shape.key_value_head_count
    rotated = shape.head_count + shape.key_value_head_count
    for index, block in enumerate(base.blocks):
        inputs = functional.rms_norm(hidden, (shape.width,), block.attention_norm, base.epsilon)
        joined = batch.adapters.add_to(
            block.query_key_value(inputs), inputs, index, ATTENTION_INPUT
        )
        heads = joined.view(*joined.shape[:2], -1, shape.head_width)
        turning = heads[:, :, :rotated]
        _normalise_heads(turning, block, shape.head_count, base.epsilon)
        swapped = turning.roll(shape.head_width // 2, -1)
        turning.mul_(cosines).addcmul_(swapped, sines)
        past.write(index, places, heads[:, :, shape.head_count :].reshape(len(places), -1))
        keys, values = past.read(index, batch.pages)
        attended = functional.scaled_dot_product_attention(
            heads[:, :, : shape.head_count].transpose(1, 2),
            keys,
            values,
            attn_mask=mask,
            enable_gqa=grouped,
        )
        inputs = attended.transpose(1, 2).reshape(*joined.shape[:2], -1)
        hidden = batch.adapters.add_to(
            block.attention_output(inputs), inputs, index, ATTENTION_OUTPUT
        ).add_(hidden)
        hidden = _feedforward(base, block, hidden, batch.adapters, index)
    return functional.rms_norm(hidden, (shape.width,), base.final_norm, base.epsilon)


def _feedforward(
    base: BaseModel,
    block: BlockWeights,
    hidden: torch.Tensor,
    adapters: SlotAdapters,
    index: int,
) -> torch.Tensor:
    inputs = functional.rms_norm(hidden, (base.shape.width,), block.feedforward_norm, base.epsilon)
    joined = adapters.add_to(block.gate_up(inputs), inputs, index, FEEDFORWARD_INPUT)
    gates, ups = joined.chunk(2, -1)
    inner = functional.silu(gates).mul_(ups)
    return adapters.add_to(block.down(inner), inner, index, FEEDFORWARD_OUTPUT).add_(hidden)


def _normalise_heads(
    turning: torch.Tensor, block: BlockWeights, head_count: int, epsilon: float
) -> None:
    """Normalise queries and keys head by head, in models that do."""
    if block.query_norm is None or block.key_norm is None:
        return
    width = (turning.shape[-1],)
    queries, keys = turning[:, :, :head_count], turning[:, :, head_count:]
    queries.copy_(functional.rms_norm(queries, width, block.query_norm, epsilon))
    keys.copy_(functional.rms_norm(keys, width, block.key_norm, epsilon))


def _places(batch: Pass) -> torch.Tensor:
    """The token index in the pages of every token of the batch, flat."""
    page = batch.pages.gather(1, batch.positions // PAGE_TOKENS)
    return (page * PAGE_TOKENS + batch.positions % PAGE_TOKENS).reshape(-1)


def _mask(batch: Pass) -> torch.Tensor:
    """0 where a token may look, else -infinity: [rows, 1, tokens, past]."""
    past = torch.arange(batch.pages.shape[1] * PAGE_TOKENS, device=batch.pages.device)
    hidden = past > batch.positions[:, :, None]
    return torch.zeros(hidden.shape, device=past.device).masked_fill_(hidden, -torch.inf)[:, None]
