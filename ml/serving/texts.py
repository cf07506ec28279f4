"""The engine's answers as text.

Text is made in the thread that asks, so a tokenizer costs no step anything.  A stop string is found
there too: the answer is then cancelled, and the few tokens computed beyond are nobody's.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ml.errors import ModelUnusable
from ml.exact.inference import ExactAnswer, hashes_of_states
from ml.serving.chat import ChatTemplate, Message, last_question
from ml.serving.embedding import Embedder
from ml.serving.engine import Engine, EngineFigures, EngineSettings
from ml.serving.errors import RequestRefused
from ml.serving.requests import (
    ExactToken,
    GenerationRequest,
    Lane,
    StatedToken,
    TokenEvent,
    TokenStep,
)
from ml.serving.text import TextAssembler
from ml.serving.ticket import Ticket
from ml.training.encode import encode_plain, encode_prompt, load_tokenizer


class AnswerStream:
    """An answer token by token: the last event, and no other, has a `finish`."""

    def __init__(
        self, ticket: Ticket, assembler: TextAssembler, text_of: Callable[[int], str]
    ) -> None:
        """Read from `ticket`, whose adapter is loaded; `text_of` is a token's own text."""
        self._ticket = ticket
        self._text_of = text_of
        self._exact: list[ExactToken] = []
        self._assembler = assembler
        self._count = 0
        self._ended = False

    @property
    def shares_ppb(self) -> tuple[int, ...]:
        """What part of a merge each of its adapters has; empty without merge."""
        return self._ticket.shares_ppb

    @property
    def exact_answer(self) -> ExactAnswer | None:
        """What the server commits to in the lane `verifiable`, as far as the answer has come."""
        if not self._exact:
            return None
        states = tuple(hashes_of_states([each.state for each in self._exact]))
        return ExactAnswer(tuple(each.token for each in self._exact), states)

    def __iter__(self) -> AnswerStream:
        return self

    def __next__(self) -> TokenEvent:
        """Wait for the next event.

        Raises `EngineStopped`, and `AdapterRefused` for an adapter whose numbers are not finite.
        """
        if self._ended:
            raise StopIteration
        step = self._ticket.next_step()
        text, finish = "", step.finish
        if step.exact is not None:
            self._exact.append(step.exact)
        if step.token is not None:
            text = self._assembler.add(step.token)
            self._count += 1
        if self._assembler.stopped:
            finish = "stop"
        elif finish is not None:
            text += self._assembler.finish()
        if finish is not None:
            self.close()
        return TokenEvent(text, self._count, finish, self._stated(step))

    def _stated(self, step: TokenStep) -> StatedToken | None:
        if step.token is None or step.logprobs is None:
            return None
        likeliest = tuple((self._text_of(token), each) for token, each in step.logprobs.likeliest)
        return StatedToken(self._text_of(step.token), step.logprobs.chosen, likeliest)

    def close(self) -> None:
        """Cancel what is not answered yet."""
        self._ended = True
        self._ticket.cancel()


class TextEngine:
    """Answers questions in text through adapters of one base model; threads may share it."""

    def __init__(
        self, base_model: Path, adapters: Path, settings: EngineSettings | None = None
    ) -> None:
        """Load the base model and start computing; raises `ModelUnusable`."""
        self._tokenizer = load_tokenizer(base_model)
        # The engine refuses long prompts itself, in a sentence; the tokenizer need not warn.
        self._tokenizer.model_max_length = sys.maxsize
        self._template = ChatTemplate(self._tokenizer)
        end = self._tokenizer.eos_token_id
        self._ends: frozenset[int] = frozenset() if end is None else frozenset([end])
        self._folders = base_model, adapters
        self.engine = Engine(*self._folders, settings, self._ends)
        self.engine.start()
        self._verifiable: Engine | None = None
        self._turn = threading.Lock()
        self._embedder = Embedder(self.engine.network, self.engine.settings.chunk_tokens)

    @property
    def base_hash(self) -> bytes:
        """The base model's manifest hash."""
        return self.engine.base_hash

    @property
    def context_tokens_max(self) -> int:
        """The most tokens of prompt and output together."""
        return self.engine.context_tokens_max

    def close(self) -> None:
        """Stop computing; answers in progress fail with `EngineStopped`."""
        with self._turn:
            engines = [self.engine] + ([self._verifiable] if self._verifiable else [])
        for engine in engines:
            engine.close()

    def figures(self) -> dict[Lane, EngineFigures]:
        """The counters of each lane that was asked for."""
        found: dict[Lane, EngineFigures] = {"fast": self.engine.figures()}
        if self._verifiable is not None:
            found["verifiable"] = self._verifiable.figures()
        return found

    def encode_question(self, prompt: str, template: str = "") -> tuple[int, ...]:
        """The tokens after which an adapter trained on rows writes the completion of `prompt`.

        `template` is the one that it was trained with, if that was not the tokenizer's own form.
        """
        self._check_text(prompt)
        return tuple(encode_prompt(self._tokenizer, prompt, template))

    def encode_chat(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """The tokens of a conversation after which the model writes the next message.

        A tokenizer without a chat template answers the last message of the user alone.  Raises
        `RequestRefused`.
        """
        for message in messages:
            self._check_text(message.text)
        if self._template.exists:
            return self._template.encode(messages)
        return self.encode_question(last_question(messages))

    def encode_text(self, prompt: str) -> tuple[int, ...]:
        """The tokens of a raw prompt: the beginning of a document that the model continues."""
        self._check_text(prompt)
        begin = self._tokenizer.bos_token_id
        tokens = encode_plain(self._tokenizer, prompt)
        return tuple(tokens if begin is None else [begin, *tokens])

    def embed(self, tokens: Sequence[int]) -> list[float]:
        """The base model's vector of a text, of length 1; raises `RequestRefused`."""
        limit = self.context_tokens_max
        known = all(0 <= token < self.engine.vocabulary_size for token in tokens)
        if not known or not 1 <= len(tokens) <= limit:
            raise RequestRefused(
                f"An input has {len(tokens)} tokens, or unknown ones.",
                remedy=f"Send texts of 1 to {limit} tokens.",
                parameter="input",
            )
        return self._embedder.embed(tokens)

    def load(self, adapter: bytes) -> None:
        """Read an adapter and check it; raises `AdapterMissing`, `AdapterRefused`, `QueueFull`."""
        ticket = self.engine.submit(GenerationRequest((0,), adapter, tokens_max=1))
        try:
            ticket.wait_until_ready()
        finally:
            ticket.cancel()

    def stream(self, request: GenerationRequest) -> AnswerStream:
        """Ask, and return the answer's events once the adapter is loaded.

        Raises what `Engine.submit` raises, `AdapterMissing` and `AdapterRefused`.
        """
        ticket = self._engine_of(request.lane).submit(request)
        ticket.wait_until_ready()
        assembler = TextAssembler(self._decode, request.stops)
        return AnswerStream(ticket, assembler, lambda token: self._decode([token]))

    def _engine_of(self, lane: Lane) -> Engine:
        """The engine of a lane; the verifiable one is made for whoever asks first."""
        if lane == "fast":
            return self.engine
        with self._turn:
            if self._verifiable is None:
                settings = replace(self.engine.settings, lane=lane)
                try:
                    engine = Engine(*self._folders, settings, self._ends, self.engine.shelf)
                except ModelUnusable as error:
                    raise RequestRefused(
                        f"This base model has no lane {lane!r}: {error.message}",
                        remedy="Ask in the lane 'fast'.",
                        parameter="lane",
                    ) from error
                engine.start()
                self._verifiable = engine
            return self._verifiable

    def _decode(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(
            list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def _check_text(self, prompt: str) -> None:
        limit = self.engine.settings.prompt_characters_max
        if len(prompt) > limit:
            raise RequestRefused(
                f"The prompt has {len(prompt)} characters.",
                remedy=f"Send at most {limit}.",
                parameter="prompt",
            )
