"""What a step computes, and what computes it: the seam between the batch and the two lanes.

A step is several passes at once: chunks of prompts, and one token of every answer.  What is of each
token alone (norms, the base model's products) is computed for all of them together; adapters and
attention are computed pass by pass, in the shapes that a pass has whatever else is in the step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from ml.serving.base import BaseShape
from ml.serving.pages import PAGE_TOKENS, KeyValuePages
from ml.serving.requests import GenerationRequest
from ml.serving.slab import Slab, SlotAdapters


@dataclass(frozen=True, slots=True)
class Pass:
    """Some tokens of each row, and where their past is."""

    tokens: torch.Tensor
    """int64 [rows, tokens]"""
    positions: torch.Tensor
    """int64 [rows, tokens]; padding has positions like any other token."""
    pages: torch.Tensor
    """int64 [rows, pages]: the table of each row, as far as this pass looks and writes."""
    adapters: SlotAdapters

    @property
    def size(self) -> int:
        """How many tokens it computes."""
        return self.tokens.numel()

    def places(self) -> torch.Tensor:
        """The token index in the pages of every token, flat."""
        page = self.pages.gather(1, self.positions // PAGE_TOKENS)
        return (page * PAGE_TOKENS + self.positions % PAGE_TOKENS).reshape(-1)

    def hidden(self) -> torch.Tensor:
        """Whether a token may not look: bool [rows, tokens, past]."""
        past = torch.arange(self.pages.shape[1] * PAGE_TOKENS, device=self.pages.device)
        return past > self.positions[:, :, None]


class Network(Protocol):
    """A base model as one lane computes it."""

    @property
    def shape(self) -> BaseShape:
        """Its sizes."""

    @property
    def vocabulary_size(self) -> int:
        """How many tokens it knows."""

    @property
    def end_tokens(self) -> frozenset[int]:
        """Tokens that end an answer, by the model's generation configuration."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    def slab(self, slot_count: int, rank_max: int) -> Slab:
        """Empty slots as this network reads adapters."""

    def forward(self, past: KeyValuePages, passes: Sequence[Pass]) -> torch.Tensor:
        """The hidden states after the last norm, pass behind pass; writes keys and values."""

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """float32 [tokens, vocabulary] of hidden states."""

    def choose(
        self,
        logits: torch.Tensor,
        answers: Sequence[tuple[GenerationRequest, Sequence[int]]],
    ) -> list[int]:
        """The next token of each answer, of its row of logits and its tokens so far."""


def spans_of(passes: Sequence[Pass]) -> Iterator[tuple[Pass, slice]]:
    """Each pass and where its tokens lie among those of all."""
    start = 0
    for each in passes:
        yield each, slice(start, start + each.size)
        start += each.size


def joined(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """One behind the other, without a copy where there is one alone."""
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))
