"""Causal attention with exact sums, forth and back; queries of a group share keys and values.

Forth, every scale is one token's, or absolute, so that a token's result does not depend on what
follows it, and decoding with a cache gives the bits of a prefill:

    scores     q and k 19 bits below the maximum of their own head   head width <= 2**8
    weights    e**(score - maximum) on the grid 2**-24, divided by its sum, on the grid 2**-22
    outputs    values on the grid 2**-20, clamped to +-500 < 2**9     sum of weights < 2

Back, the whole row is there: one scale for each row and head of keys, over tokens, query heads and
width.  With t tokens, g query heads a group and width d the bounds are

    dP = dO V       15 + 29 bits, d terms          d <= 2**8
    dV = P' dO      22 + 15 bits, t * g terms      t * g <= 2**16
    dQ = dS K       20 + 17 bits, t terms
    dK = dS' Q      20 + 17 bits, t * g terms      t * g <= 2**16
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ml.exact.elementary import exponential
from ml.exact.grids import absolute_maximum, on_grid, on_row_grid, row_sum

SCORE_BITS = 19
EXPONENTIAL_UNITS = 2.0**24
WEIGHT_UNITS = 2.0**22
VALUE_UNITS = 2.0**20
VALUE_MAX = 500.0
"""Values beyond are cut: a grid that followed them would let a later token change an earlier."""
OUTPUT_GRADIENT_BITS = 15
SCORE_GRADIENT_BITS = 20
OPERAND_BITS = 17
_UNSEEN = -1e30


@dataclass(frozen=True, slots=True)
class Attended:
    """What the way back reads."""

    queries: torch.Tensor
    """float32 [rows, key heads, group * tokens, width]"""
    keys: torch.Tensor
    """float32 [rows, key heads, tokens, width]"""
    values: torch.Tensor
    """float64, on the grid."""
    weights: torch.Tensor
    """float32 [rows, key heads, group * tokens, tokens], on the grid."""
    outputs: torch.Tensor
    """float32, as the queries."""


def key_grid(keys: torch.Tensor) -> torch.Tensor:
    """float64 keys [..., width] as the scores multiply them."""
    return on_row_grid(keys, SCORE_BITS)


def value_grid(values: torch.Tensor) -> torch.Tensor:
    """float64 values as the outputs sum them."""
    bounded = values.clamp(-VALUE_MAX, VALUE_MAX).mul_(VALUE_UNITS).round_()
    return bounded.double().mul_(1 / VALUE_UNITS)


def attention_weights(
    queries: torch.Tensor, keys: torch.Tensor, unseen: torch.Tensor
) -> torch.Tensor:
    """float32 weights [rows, key heads, group * tokens, past], on the grid 2**-22.

    `keys` are on their grid; `unseen` [tokens, past] says what a query may not see: never itself.
    """
    scores = (on_row_grid(queries, SCORE_BITS) @ keys.transpose(-1, -2)).float()
    scores = scores.mul_(queries.shape[-1] ** -0.5)
    scores = scores.view(*scores.shape[:2], -1, *unseen.shape[-2:])
    scores.masked_fill_(unseen, _UNSEEN)
    units = exponential(scores.sub_(scores.amax(-1, keepdim=True)))
    units.mul_(EXPONENTIAL_UNITS).round_().masked_fill_(unseen, 0.0)
    total = units.sum(-1, keepdim=True, dtype=torch.float64).float()
    return units.div_(total).mul_(WEIGHT_UNITS).round_().mul_(1 / WEIGHT_UNITS).flatten(2, 3)


def attend(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, unseen: torch.Tensor
) -> Attended:
    """Attention of whole rows; its result is `outputs`."""
    weights = attention_weights(queries, key_grid(keys), unseen)
    grid = value_grid(values)
    outputs = (weights.double() @ grid).float()
    return Attended(queries, keys, grid, weights, outputs)


def attend_backward(
    gradient: torch.Tensor, past: Attended
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The gradients at queries, keys and values, of one at the outputs."""
    incoming = _on_head_grid(gradient, OUTPUT_GRADIENT_BITS)
    values_gradient = (past.weights.double().transpose(-1, -2) @ incoming).float()
    scores = (incoming @ past.values.transpose(-1, -2)).float()
    # The weighted mean of a query's score gradients is its output times the gradient there.
    scores.sub_(row_sum(gradient * past.outputs)).mul_(past.weights)
    slopes = _on_head_grid(scores.mul_(gradient.shape[-1] ** -0.5), SCORE_GRADIENT_BITS)
    queries_gradient = (slopes @ _on_head_grid(past.keys, OPERAND_BITS)).float()
    queries = _on_head_grid(past.queries, OPERAND_BITS)
    keys_gradient = (slopes.transpose(-1, -2) @ queries).float()
    return queries_gradient, keys_gradient, values_gradient


def _on_head_grid(values: torch.Tensor, bits: int) -> torch.Tensor:
    return on_grid(values, absolute_maximum(values, (-2, -1)), bits)
