"""The answering engine: one base model, any of its adapters, one token at a time.

Invariants:

- An adapter is bound to a step, not to the engine: answers through different adapters may be taken
  in turns, and each is the same as if it had been alone (batch of one, its own key-value cache).
- One lock is held while a step computes, none between two tokens: a caller that stops asking has
  cancelled the answer.
- A bad adapter or request fails itself only: everything is checked before the first token.
- Sampling is a function of the logits, the seed and the position (`sampling.py`).

Everything is float32: the lane `fast` of a receipt promises a good answer, not the same bits on
every machine.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers.cache_utils import DynamicCache

from ml.manifest import manifest_of
from ml.serving.adapter import Adapter, AdapterStore, layer_hook
from ml.serving.errors import RequestRefused
from ml.serving.sampling import choose_token
from ml.serving.text import TextAssembler
from ml.training.adapter import load_base
from ml.training.encode import encode_plain, encode_prompt, load_tokenizer
from ml.training.recipe import TARGET_MODULES
from runtime.types import PPB

TEMPERATURE_PPB_MAX = 2 * PPB
SEED_MAX = 2**63 - 1
STOPS_MAX = 4
STOP_CHARACTERS_MAX = 256

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The engine's limits."""

    adapters_resident_max: int = 64
    context_tokens_max: int = 2_048
    """Prompt and output together; the base model's own limit, if lower, wins."""
    prompt_characters_max: int = 65_536


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One answer to generate; integers only, as its receipt will state them."""

    prompt_tokens: tuple[int, ...]
    adapter: bytes | None
    """Manifest hash, or None for the base model alone."""
    tokens_max: int = 48
    temperature_ppb: int = 0
    seed: int = 0
    stops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """A step of an answer: the text that became certain, and how many tokens it took so far."""

    text: str
    output_tokens: int
    """Tokens of the answer up to here; the token that ends an answer is not one of them."""
    finish: FinishReason | None
    """Why the answer ends here; None while it goes on."""


class Engine:
    """Answers through adapters of one base model."""

    def __init__(
        self, base_model: Path, adapters: Path, settings: EngineSettings | None = None
    ) -> None:
        """Load the base model; adapters are read from `adapters/<hash in hex>/` when first used.

        Raises `ModelUnusable`.
        """
        self.settings = settings or EngineSettings()
        self.base_hash = manifest_of(base_model).hash()
        self._tokenizer = load_tokenizer(base_model)
        # The engine refuses long prompts itself, in a sentence; the tokenizer need not warn.
        self._tokenizer.model_max_length = sys.maxsize
        self._model = load_base(base_model, TARGET_MODULES)
        self._ends = _end_tokens(self._model, self._tokenizer)
        self._lock = threading.Lock()
        self._active: Adapter | None = None
        linears = _linear_layers(self._model)
        for name, layer in linears.items():
            layer.register_forward_hook(layer_hook(name, lambda: self._active))
        shapes = {name: (layer.out_features, layer.in_features) for name, layer in linears.items()}
        self._adapters = AdapterStore(adapters, shapes, self.settings.adapters_resident_max)

    @property
    def context_tokens_max(self) -> int:
        """The most tokens of prompt and output together."""
        model_limit = int(self._model.config.max_position_embeddings)
        return min(model_limit, self.settings.context_tokens_max)

    def encode_question(self, prompt: str) -> tuple[int, ...]:
        """The tokens after which an adapter trained on rows writes the completion of `prompt`."""
        self._check_text(prompt)
        return tuple(encode_prompt(self._tokenizer, prompt))

    def encode_text(self, prompt: str) -> tuple[int, ...]:
        """The tokens of a raw prompt: the beginning of a document that the model continues."""
        self._check_text(prompt)
        begin = self._tokenizer.bos_token_id
        tokens = encode_plain(self._tokenizer, prompt)
        return tuple(tokens if begin is None else [begin, *tokens])

    def stream(self, request: GenerationRequest) -> Iterator[TokenEvent]:
        """Yield the answer token by token; the last event, and no other, has a `finish`.

        Raises `RequestRefused`, `AdapterMissing` and `AdapterRefused`, all before the first token.
        """
        self._check(request)
        adapter = None if request.adapter is None else self._adapters.get(request.adapter)
        return self._events(request, adapter)

    def _events(self, request: GenerationRequest, adapter: Adapter | None) -> Iterator[TokenEvent]:
        cache = DynamicCache(config=self._model.config)
        assembler = TextAssembler(self._decode, request.stops)
        tokens: tuple[int, ...] = request.prompt_tokens
        for position in range(request.tokens_max):
            logits = self._step(tokens, cache, adapter)
            token = choose_token(logits, request.temperature_ppb, request.seed, position)
            if token in self._ends:
                yield TokenEvent(assembler.finish(), position, "stop")
                return
            text, count = assembler.add(token), position + 1
            if assembler.stopped:
                yield TokenEvent(text, count, "stop")
                return
            if count == request.tokens_max:
                yield TokenEvent(text + assembler.finish(), count, "length")
                return
            yield TokenEvent(text, count, None)
            tokens = (token,)

    def _step(
        self, tokens: tuple[int, ...], cache: DynamicCache, adapter: Adapter | None
    ) -> torch.Tensor:
        """Feed `tokens` and return the logits [vocabulary] of what comes next."""
        with self._lock, torch.inference_mode():
            self._active = adapter
            try:
                output = self._model(
                    input_ids=torch.tensor([tokens]),
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=1,
                )
            finally:
                self._active = None
            logits: torch.Tensor = output.logits[0, -1]
            return logits

    def _decode(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(
            list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def _check_text(self, prompt: str) -> None:
        limit = self.settings.prompt_characters_max
        if len(prompt) > limit:
            raise RequestRefused(
                f"The prompt has {len(prompt)} characters.",
                remedy=f"Send at most {limit}.",
                parameter="prompt",
            )

    def _check(self, request: GenerationRequest) -> None:
        prompt_count, limit = len(request.prompt_tokens), self.context_tokens_max
        room = limit - prompt_count
        checks = (
            (prompt_count > 0, "prompt", "an empty prompt", "at least one token"),
            (room > 0, "prompt", f"{prompt_count} tokens", f"at most {limit - 1} tokens"),
            (1 <= request.tokens_max <= room, "max_tokens", request.tokens_max, f"1 to {room}"),
            (
                0 <= request.temperature_ppb <= TEMPERATURE_PPB_MAX,
                "temperature",
                request.temperature_ppb / PPB,
                f"0 to {TEMPERATURE_PPB_MAX // PPB}",
            ),
            (0 <= request.seed <= SEED_MAX, "seed", request.seed, f"0 to {SEED_MAX}"),
            (
                len(request.stops) <= STOPS_MAX
                and all(0 < len(stop) <= STOP_CHARACTERS_MAX for stop in request.stops),
                "stop",
                len(request.stops),
                f"at most {STOPS_MAX} texts of 1 to {STOP_CHARACTERS_MAX} characters",
            ),
        )
        for holds, parameter, found, wanted in checks:
            if not holds:
                raise RequestRefused(
                    f"The request's {parameter} is {found}.",
                    remedy=f"It must be {wanted}.",
                    parameter=parameter,
                )


def _linear_layers(model: Any) -> dict[str, torch.nn.Linear]:
    return {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and name.rpartition(".")[2] in TARGET_MODULES
    }


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends an answer, as the model and its tokenizer name them."""
    named = (model.generation_config.eos_token_id, tokenizer.eos_token_id)
    flat = (one for item in named for one in (item if isinstance(item, list) else [item]))
    return frozenset(one for one in flat if one is not None)
