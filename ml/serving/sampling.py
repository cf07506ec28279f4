"""Choosing the next token: greedily, or by a seed that makes the choice repeatable anywhere.

The uniform numbers come from a hash of seed and position, never from torch's generators: those
depend on the build, and a receipt names the seed so that somebody else can draw the same number.
"""

from __future__ import annotations

import torch

from runtime.hashing import hasher
from runtime.types import PPB

_hash_draw = hasher(b"sampler draw")
_MANTISSA_BITS = 53


def uniform(seed: int, position: int) -> float:
    """The number in [0, 1) that belongs to `position` of the answer with `seed`; both are U64."""
    digest = _hash_draw(seed.to_bytes(8, "big") + position.to_bytes(8, "big"))
    return float((int.from_bytes(digest[:8], "big") >> (64 - _MANTISSA_BITS)) / 2.0**_MANTISSA_BITS)


def choose_token(logits: torch.Tensor, temperature_ppb: int, seed: int, position: int) -> int:
    """The token after `logits` [vocabulary]: the first maximum at temperature 0, else a draw."""
    if temperature_ppb == 0:
        return int((logits == logits.max()).nonzero()[0, 0])
    scaled = logits.to(torch.float64) * (PPB / temperature_ppb)
    cumulative = torch.softmax(scaled, dim=-1).cumsum(dim=-1)
    # The sum may end a rounding below 1; scaling the draw keeps it inside the distribution.
    draw = torch.tensor([uniform(seed, position)], dtype=torch.float64) * cumulative[-1]
    return int(torch.searchsorted(cumulative, draw, right=True)[0])
