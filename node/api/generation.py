"""From what a client asks to what the engine computes: one place for both servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from ml.serving.merging import Merge
from ml.serving.requests import GenerationRequest
from node.api.requests import CompletionRequest


def generation_of(
    wanted: CompletionRequest,
    tokens: Sequence[int],
    adapter: bytes | Merge | None,
    context_tokens_max: int,
) -> GenerationRequest:
    """The engine's request for a prompt of `tokens`.

    A long prompt shortens its answer, and `finish_reason` says so; one that leaves no room at all
    is the engine's to refuse.
    """
    room = context_tokens_max - len(tokens)
    return GenerationRequest(
        prompt_tokens=tuple(tokens),
        adapter=adapter,
        tokens_max=max(1, min(wanted.tokens_max, room)),
        stops=wanted.stops,
        logprobs=wanted.logprobs,
        lane=wanted.lane,
        **asdict(wanted.sampling),
    )
