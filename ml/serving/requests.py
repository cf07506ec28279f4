"""What is asked of the engine, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ml.exact.sampling import TEMPERATURE_MIN, Sampler
from ml.serving.errors import RequestRefused
from ml.serving.merging import Merge
from runtime.types import PPB

TEMPERATURE_PPB_MAX = 2 * PPB
PENALTY_PPB_MAX = 2 * PPB
REPETITION_PPB_MIN, REPETITION_PPB_MAX = PPB // 100, 2 * PPB
SEED_MAX = 2**63 - 1
STOPS_MAX = 4
STOP_CHARACTERS_MAX = 256
LOGPROBS_MAX = 20
TOP_K_MAX = 1_000_000

SEED_BYTES = 8

FinishReason = Literal["stop", "length"]
Lane = Literal["fast", "verifiable"]
"""Int8 products and float32 beside them, or the exact operators, which a prefill checks."""
LANES: tuple[Lane, ...] = ("fast", "verifiable")


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One answer to generate; integers only, as its receipt will state them."""

    prompt_tokens: tuple[int, ...]
    adapter: bytes | Merge | None
    """Manifest hash, a merge of adapters, or None for the base model alone."""
    tokens_max: int = 48
    temperature_ppb: int = 0
    seed: int = 0
    stops: tuple[str, ...] = ()
    top_p_ppb: int = PPB
    """Draw from the likeliest tokens that hold this share of the probability."""
    top_k: int = 0
    """Draw from so many likeliest tokens; 0 for all."""
    presence_penalty_ppb: int = 0
    """Taken off the logit of every token that the answer has."""
    frequency_penalty_ppb: int = 0
    """The same for each time it has it."""
    repetition_penalty_ppb: int = PPB
    """Divides the positive logits of tokens of prompt and answer, multiplies the negative ones."""
    logprobs: int | None = None
    """State each token's log-probability and those of so many likeliest ones."""
    lane: Lane = "fast"

    @property
    def adapter_key(self) -> bytes | None:
        """What the adapter is known by: a hash of its content."""
        return self.adapter.hash() if isinstance(self.adapter, Merge) else self.adapter

    @property
    def is_greedy(self) -> bool:
        """Whether the first maximum of the logits is all that is wanted of a step."""
        return not (self.temperature_ppb or self.is_penalised) and self.logprobs is None

    @property
    def is_penalised(self) -> bool:
        """Whether tokens that were said count for less, or more."""
        repeats = self.repetition_penalty_ppb != PPB
        return repeats or bool(self.presence_penalty_ppb or self.frequency_penalty_ppb)


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """Natural logarithms of probabilities, before temperature and cuts."""

    chosen: float
    likeliest: tuple[tuple[int, float], ...]
    """(token, logarithm), likeliest first."""


@dataclass(frozen=True, slots=True)
class ExactToken:
    """A token of the lane `verifiable`, the one that ends an answer included."""

    token: int
    state: bytes
    """The last hidden state that it was chosen from, float32, little-endian."""


@dataclass(frozen=True, slots=True)
class TokenStep:
    """A step of an answer in tokens: a token, or why the answer ends, or both."""

    token: int | None
    finish: FinishReason | None
    logprobs: TokenLogprobs | None = None
    exact: ExactToken | None = None
    """In the lane `verifiable`."""


@dataclass(frozen=True, slots=True)
class StatedToken:
    """A token of an answer as text, with natural logarithms of probabilities."""

    text: str
    logprob: float
    likeliest: tuple[tuple[str, float], ...]
    """(text, logarithm), likeliest first."""


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """A step of an answer: the text that became certain, and how many tokens it took so far."""

    text: str
    output_tokens: int
    """Tokens of the answer up to here; the token that ends an answer is not one of them."""
    finish: FinishReason | None
    """Why the answer ends here; None while it goes on."""
    stated: StatedToken | None = None
    """The token that was added, if its log-probability was asked for."""


def sampler_of(request: GenerationRequest) -> Sampler:
    """How the lane `verifiable` chooses tokens."""
    seed = request.seed.to_bytes(SEED_BYTES, "big")
    return Sampler(request.temperature_ppb / PPB, seed)


def _lane_checks(request: GenerationRequest) -> tuple[tuple[bool, str, object, str], ...]:
    """What the lane `verifiable` does not offer: cuts and penalties are not exact operators."""
    if request.lane != "verifiable":
        return ()
    least_ppb = round(TEMPERATURE_MIN * PPB)
    return (
        (
            not 0 < request.temperature_ppb < least_ppb,
            "temperature",
            request.temperature_ppb / PPB,
            f"0, or at least {TEMPERATURE_MIN} in the lane 'verifiable'",
        ),
        *(
            (found == neutral, name, found / PPB, "left out in the lane 'verifiable'")
            for name, found, neutral in (
                ("top_p", request.top_p_ppb, PPB),
                ("top_k", request.top_k * PPB, 0),
                ("presence_penalty", request.presence_penalty_ppb, 0),
                ("frequency_penalty", request.frequency_penalty_ppb, 0),
                ("repetition_penalty", request.repetition_penalty_ppb, PPB),
            )
        ),
    )


def check_request(request: GenerationRequest, context_tokens_max: int, vocabulary: int) -> None:
    """Raise `RequestRefused`, naming the parameter, for what cannot be answered."""
    prompt_count = len(request.prompt_tokens)
    room = context_tokens_max - prompt_count
    known = all(0 <= token < vocabulary for token in request.prompt_tokens)
    checks = (
        (prompt_count > 0, "prompt", "an empty prompt", "at least one token"),
        (room > 0, "prompt", f"{prompt_count} tokens", f"at most {context_tokens_max - 1} tokens"),
        (known, "prompt", "of unknown tokens", f"of tokens from 0 to {vocabulary - 1}"),
        (1 <= request.tokens_max <= room, "max_tokens", request.tokens_max, f"1 to {room}"),
        _range_check("temperature", request.temperature_ppb, 0, TEMPERATURE_PPB_MAX),
        _range_check("top_p", request.top_p_ppb, 1, PPB),
        _range_check(
            "presence_penalty", request.presence_penalty_ppb, -PENALTY_PPB_MAX, PENALTY_PPB_MAX
        ),
        _range_check(
            "frequency_penalty", request.frequency_penalty_ppb, -PENALTY_PPB_MAX, PENALTY_PPB_MAX
        ),
        _range_check(
            "repetition_penalty",
            request.repetition_penalty_ppb,
            REPETITION_PPB_MIN,
            REPETITION_PPB_MAX,
        ),
        (0 <= request.top_k <= TOP_K_MAX, "top_k", request.top_k, f"0 to {TOP_K_MAX}"),
        (0 <= request.seed <= SEED_MAX, "seed", request.seed, f"0 to {SEED_MAX}"),
        (
            0 <= (request.logprobs or 0) <= LOGPROBS_MAX,
            "logprobs",
            request.logprobs,
            f"0 to {LOGPROBS_MAX}",
        ),
        (
            len(request.stops) <= STOPS_MAX
            and all(0 < len(stop) <= STOP_CHARACTERS_MAX for stop in request.stops),
            "stop",
            len(request.stops),
            f"at most {STOPS_MAX} texts of 1 to {STOP_CHARACTERS_MAX} characters",
        ),
        *_lane_checks(request),
    )
    for holds, parameter, found, wanted in checks:
        if not holds:
            raise RequestRefused(
                f"The request's {parameter} is {found}.",
                remedy=f"It must be {wanted}.",
                parameter=parameter,
            )


def _range_check(name: str, ppb: int, least: int, most: int) -> tuple[bool, str, object, str]:
    return least <= ppb <= most, name, ppb / PPB, f"{least / PPB:g} to {most / PPB:g}"
