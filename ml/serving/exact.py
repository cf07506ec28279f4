"""The base model in the lane `verifiable`: the exact operators over a batch of many adapters.

Every sum is exact and every scale is one token's (`ml.exact`), so an answer has the bits that
`ml.exact.inference.answer` gives it alone, however it is batched, chunked or paged: the tests say
so.  Three facts make the engine's own parts fit:

- keys on their grid have 19 bits and values at most 24, so that pages hold them as float32;
- zeros beside a smaller rank, and masked tokens, add nothing to an exact sum;
- adapters on their grids have 21 bits; a slot holds them as float64, which the products want.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from ml.exact.attention import attention_weights, key_grid, value_grid
from ml.exact.elementary import rms_norm
from ml.exact.grids import absolute_maximum, on_grid, on_row_grid
from ml.exact.inference import logits_of
from ml.exact.linears import ADAPTER_BITS, Passed
from ml.exact.model import Block, ExactModel
from ml.exact.network import Linear, feed, heads_of
from ml.exact.products import Rows, rows_of
from ml.exact.sampling import choose
from ml.serving.base import BaseShape, base_shape
from ml.serving.layout import RowLayout
from ml.serving.pages import KeyValuePages
from ml.serving.passes import Pass, joined, spans_of
from ml.serving.requests import GenerationRequest, sampler_of
from ml.serving.rows import AdapterRow
from ml.serving.slab import Slab, SlotAdapters


class ExactNetwork:
    """A base model by the exact operators."""

    def __init__(self, model: ExactModel, positions_max: int) -> None:
        """Compute with `model`, in contexts of up to `positions_max`."""
        self._model = model
        self._shape = base_shape(model.shape, positions_max)

    @classmethod
    def load(cls, directory: Path, positions_max: int) -> ExactNetwork:
        """Read a base model; raises `ModelUnusable`, also beyond the limits of exactness."""
        return cls(ExactModel.load(directory), positions_max)

    @property
    def shape(self) -> BaseShape:
        """Its sizes."""
        return self._shape

    @property
    def vocabulary_size(self) -> int:
        """How many tokens it knows."""
        return self._model.shape.vocabulary

    @property
    def end_tokens(self) -> frozenset[int]:
        """Tokens that end an answer, by the model's generation configuration."""
        return self._model.end_tokens

    @property
    def device(self) -> torch.device:
        """Exact answers are computed on the CPU."""
        return self._model.embedding.device

    def slab(self, slot_count: int, rank_max: int) -> Slab:
        """Slots in float64, each matrix on its grid."""
        layout = RowLayout(self.shape)
        return Slab(layout, slot_count, rank_max, self.device, torch.float64, on_grids)

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """float32 [tokens, vocabulary] of hidden states."""
        return logits_of(self._model, states)

    def choose(
        self,
        logits: torch.Tensor,
        answers: Sequence[tuple[GenerationRequest, Sequence[int]]],
    ) -> list[int]:
        """The next token of each answer."""
        return [
            choose(logits[row : row + 1], len(tokens), sampler_of(request))[0]
            for row, (request, tokens) in enumerate(answers)
        ]

    def forward(self, past: KeyValuePages, passes: Sequence[Pass]) -> torch.Tensor:
        """The hidden states [tokens, width] after the last norm; writes keys and values."""
        model = self._model
        hidden = model.embedding[joined([each.tokens.view(-1) for each in passes])]
        positions = joined([each.positions.reshape(-1) for each in passes])
        tables = model.cosines[positions, None], model.sines[positions, None]
        places = joined([each.places() for each in passes])
        unseen = [each.hidden()[:, None, None] for each in passes]
        for number, block in enumerate(model.blocks):
            linear = _linear_of(block, number, passes)
            heads = heads_of(model, block, linear, hidden, tables)
            grids = torch.stack([key_grid(heads.keys[0]), value_grid(heads.values[0])])
            past.write(number, places, grids.permute(2, 0, 1, 3).flatten(1).float())
            attended = _attend(past, number, passes, unseen, heads.queries)
            hidden, _ = feed(model, block, linear, hidden, attended)
        return rms_norm(hidden, model.epsilon).values * model.final_norm


def on_grids(layout: RowLayout, row: AdapterRow) -> torch.Tensor:
    """A row whose matrices are rounded as `ml.exact.linears.LinearGroup.part_of` rounds them."""
    values = row.values.clone()
    for parts in layout.parts(values, row.rank):
        for part in parts:
            _round(part.down)
            for up in part.ups:
                for matrix in up:
                    _round(matrix)
    return values


def _round(matrix: torch.Tensor) -> None:
    largest = absolute_maximum(matrix, tuple(range(matrix.dim())))
    matrix.copy_(on_grid(matrix, largest, ADAPTER_BITS))


def _linear_of(block: Block, layer: int, passes: Sequence[Pass]) -> Linear:
    """The block's groups of linear layers, by their index, on the tokens of all passes."""

    def linear(index: int, values: torch.Tensor) -> tuple[torch.Tensor, Passed]:
        group, rows = block.groups[index], rows_of(values)
        outputs = group.matrix.times(rows)
        for each, span in spans_of(passes):
            if each.adapters.rank:
                shape = each.tokens.shape
                some = Rows(rows.integers[span], rows.scales[span])
                _add_adapters(outputs[span].view(*shape, -1), some, each.adapters, layer, index)
        result = outputs.float()
        result = result if group.bias is None else result.add_(group.bias)
        return result, Passed(rows, None, None)

    return linear


def _add_adapters(
    outputs: torch.Tensor, rows: Rows, adapters: SlotAdapters, layer: int, group: int
) -> None:
    """Add each row's update to float64 `outputs` [rows, tokens, outputs of the group] in place."""
    part, rank = adapters.parts[layer][group], adapters.rank
    count, tokens, _ = outputs.shape
    inputs = rows.doubles().view(count, tokens, -1)
    down = part.down[adapters.rows, :rank].flatten(1, 2)
    lows = torch.bmm(inputs, down.transpose(1, 2)).mul_(rows.scales.view(count, tokens, 1))
    scaled = lows.float().mul_(adapters.scales[:, None, None])
    # [rows, tokens, rank, modules] -> [rows, modules, tokens, rank]
    grid = on_row_grid(scaled.view(count, tokens, rank, -1).permute(0, 3, 1, 2), ADAPTER_BITS)
    module, start = 0, 0
    for up in part.ups:
        modules, width = up.shape[1], up.shape[3]
        update = grid[:, module : module + modules] @ up[adapters.rows, :, :rank]
        place = outputs[..., start : start + modules * width]
        place.view(count, tokens, modules, width).add_(update.transpose(1, 2))
        module, start = module + modules, start + modules * width


def _attend(
    past: KeyValuePages,
    layer: int,
    passes: Sequence[Pass],
    unseen: Sequence[torch.Tensor],
    queries: torch.Tensor,
) -> torch.Tensor:
    """What all heads have attended to; as the queries [1, key heads, group * tokens, width]."""
    _, key_heads, _, width = queries.shape
    by_token = queries.view(key_heads, -1, sum(each.size for each in passes), width)
    attended = torch.empty_like(by_token)
    for (each, span), mask in zip(spans_of(passes), unseen, strict=True):
        rows, tokens = each.tokens.shape
        keys, values = past.read(layer, each.pages)
        own = by_token[:, :, span].reshape(key_heads, -1, rows, tokens, width)
        own = own.permute(2, 0, 1, 3, 4).flatten(2, 3)
        weights = attention_weights(own, keys.double(), mask)
        found = (weights.double() @ values.double()).float()
        found = found.view(rows, key_heads, -1, tokens, width).permute(1, 2, 0, 3, 4)
        attended[:, :, span] = found.flatten(2, 3)
    return attended.view(queries.shape)
