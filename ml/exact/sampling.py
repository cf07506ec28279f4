"""Choosing the next token: the most likely, or one drawn by Gumbel's trick from a public seed.

The token with the largest `logit / temperature + g`, with g = -ln(-ln u) and u uniform, is
distributed as the softmax (Gumbel 1954; Maddison et al. 2014).  It is computed one exponential
later, as the largest `e**(logit / temperature) / -ln u`, which saves a logarithm.  Whoever knows
the seed draws the same token, and the seed is a hash of the request and of a beacon that nobody
could foresee: neither the server nor the user chooses the luck.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ml.errors import OrderInvalid
from ml.exact.elementary import exponential, logarithm
from ml.exact.streams import CounterStream
from runtime.hashing import hasher

TEMPERATURE_MIN = 0.01
TEMPERATURE_MAX = 100.0
_WORDS = 2.0**32

_hash_seed = hasher(b"sampler seed")


@dataclass(frozen=True, slots=True)
class Sampler:
    """How tokens are chosen; a temperature of 0 is greedy and needs no seed."""

    temperature: float = 0.0
    seed: bytes = b""

    def __post_init__(self) -> None:
        """Raise `OrderInvalid` for a temperature that logits cannot be divided by."""
        if self.temperature and not TEMPERATURE_MIN <= self.temperature <= TEMPERATURE_MAX:
            message = f"The temperature is {self.temperature}."
            remedy = f"Choose 0 or {TEMPERATURE_MIN} to {TEMPERATURE_MAX}."
            raise OrderInvalid(message, remedy=remedy)


def seed_of(request: bytes, beacon: bytes) -> bytes:
    """The seed of an answer: of the request's hash, and of a beacon drawn after it."""
    return _hash_seed(request + beacon)


def choose(logits: torch.Tensor, first: int, sampler: Sampler) -> list[int]:
    """The token of every row of float32 logits [tokens, vocabulary]; the lowest of equals.

    `first` is the place in the answer of the first row: every token has a stream of its own.
    """
    if not sampler.temperature:
        return [_first_largest(row) for row in logits]
    scaled = (logits - logits.amax(-1, keepdim=True)).mul_(1.0 / sampler.temperature)
    return [
        _first_largest(exponential(row).double().div_(_waits(sampler.seed, first + number, row)))
        for number, row in enumerate(scaled)
    ]


def _waits(seed: bytes, place: int, like: torch.Tensor) -> torch.Tensor:
    """-ln u in float64; u is never 0 or 1."""
    words = CounterStream(seed, f"token {place}").words(len(like)).astype("f8")
    return logarithm(torch.from_numpy(words).add_(0.5).mul_(1 / _WORDS)).neg_()


def _first_largest(values: torch.Tensor) -> int:
    """`torch.argmax` does not say which of equal numbers it takes."""
    return int((values == values.amax()).nonzero()[0, 0])
