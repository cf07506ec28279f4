"""Texts as vectors of the base model: the mean of its last hidden states, of length 1.

A text is computed as a prompt is, in chunks at fixed positions, over pages of its own; in the
precision `int8` the same text has the same bits whatever else the engine does meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch
from torch.nn import functional

from ml.serving.pages import PAGE_TOKENS, KeyValuePages, PageTable, page_count_of
from ml.serving.passes import Network, Pass
from ml.serving.slab import SlotAdapters

_NO_ADAPTERS = SlotAdapters((), slice(0, 1), 0, torch.ones(1))


class Embedder:
    """Computes one text at a time; threads may share it."""

    def __init__(self, network: Network, chunk_tokens: int) -> None:
        """Reserve the pages of one text; `chunk_tokens` is a multiple of the page's."""
        count = page_count_of(network.shape.positions_max)
        self._network = network
        self._chunk_tokens = chunk_tokens
        self._past = KeyValuePages(network.shape, count, network.device)
        self._pages = PageTable(count).allocate(count) or []
        self._turn = threading.Lock()

    def embed(self, tokens: Sequence[int]) -> list[float]:
        """The vector, as wide as the base model, of 1 token up to a whole context."""
        with self._turn, torch.inference_mode():
            total = torch.zeros(self._network.shape.width, device=self._network.device)
            for start in range(0, len(tokens), self._chunk_tokens):
                total += self._states(tokens, start).sum(0)
            return functional.normalize(total, dim=0).tolist()

    def _states(self, tokens: Sequence[int], start: int) -> torch.Tensor:
        """The last hidden states [tokens, width] of the chunk at `start`."""
        piece = tokens[start : start + self._chunk_tokens]
        end = start + page_count_of(len(piece)) * PAGE_TOKENS
        # What pads a chunk to whole pages is masked for all real tokens, which come before it.
        padded = torch.zeros(1, end - start, dtype=torch.int64)
        padded[0, : len(piece)] = torch.tensor(piece)
        device = self._network.device
        batch = Pass(
            padded.to(device),
            torch.arange(start, end, device=device)[None],
            torch.tensor([self._pages[: end // PAGE_TOKENS]], device=device),
            _NO_ADAPTERS,
        )
        return self._network.forward(self._past, [batch])[: len(piece)]
