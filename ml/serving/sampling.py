"""Choosing the next token: greedily, or by a seed that makes the choice repeatable anywhere.

The uniform numbers come from a hash of seed and position, never from torch's generators: those
depend on the build and on who else drew, and a receipt names the seed so that somebody else can
draw the same number.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ml.serving.requests import GenerationRequest, TokenLogprobs
from runtime.hashing import hasher
from runtime.types import PPB

_hash_draw = hasher(b"sampler draw")
_MANTISSA_BITS = 53


def uniform(seed: int, position: int) -> float:
    """The number in [0, 1) that belongs to `position` of the answer with `seed`; both are U64."""
    digest = _hash_draw(seed.to_bytes(8, "big") + position.to_bytes(8, "big"))
    return float((int.from_bytes(digest[:8], "big") >> (64 - _MANTISSA_BITS)) / 2.0**_MANTISSA_BITS)


def choose_token(logits: torch.Tensor, request: GenerationRequest, answer: Sequence[int]) -> int:
    """The token after `logits` [vocabulary] and the `answer` so far.

    It is the first maximum at temperature 0, else a draw from the tokens that the cuts leave.
    """
    scores = _penalised(logits, request, answer)
    if request.temperature_ppb == 0:
        return int(scores.argmax())
    scaled = scores.to(torch.float64) * (PPB / request.temperature_ppb)
    probabilities = _cut(torch.softmax(scaled, dim=-1), request)
    cumulative = probabilities.cumsum(dim=-1)
    # The sum may end beside 1; scaling the draw keeps it inside the distribution.
    draw = torch.tensor([uniform(request.seed, len(answer))], dtype=torch.float64) * cumulative[-1]
    return int(torch.searchsorted(cumulative, draw, right=True)[0])


def logprobs_of(logits: torch.Tensor, token: int, count: int) -> TokenLogprobs:
    """The logarithms for `token` and the `count` likeliest, from `logits` [vocabulary]."""
    logarithms = torch.log_softmax(logits.to(torch.float64), dim=-1)
    ordered, tokens = logarithms.sort(descending=True, stable=True)
    likeliest = zip(tokens[:count].tolist(), ordered[:count].tolist(), strict=True)
    return TokenLogprobs(float(logarithms[token]), tuple(likeliest))


def _penalised(
    logits: torch.Tensor, request: GenerationRequest, answer: Sequence[int]
) -> torch.Tensor:
    """Take the penalties off: repetition's (Keskar et al. 2019, CTRL), then OpenAI's two."""
    if not request.is_penalised:
        return logits
    factor = request.repetition_penalty_ppb / PPB
    said = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
    said[torch.tensor([*request.prompt_tokens, *answer], device=logits.device)] = True
    changed = torch.where(logits > 0, logits / factor, logits * factor)
    scores = torch.where(said, changed, logits)
    counts = torch.bincount(
        torch.tensor(answer, dtype=torch.int64, device=logits.device), minlength=len(logits)
    ).to(logits)
    penalties = counts * (request.frequency_penalty_ppb / PPB)
    return scores - penalties - (counts > 0) * (request.presence_penalty_ppb / PPB)


def _cut(probabilities: torch.Tensor, request: GenerationRequest) -> torch.Tensor:
    """Zero what top-k and top-p leave out; the likeliest token always stays."""
    if request.top_k == 0 and request.top_p_ppb == PPB:
        return probabilities
    ordered, tokens = probabilities.sort(descending=True, stable=True)
    dropped = ordered.cumsum(dim=-1) - ordered >= request.top_p_ppb / PPB
    if request.top_k:
        dropped[request.top_k :] = True
    dropped[0] = False
    return probabilities.index_fill(0, tokens[dropped], 0.0)
