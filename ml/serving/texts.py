"""The engine's answers as text.

Text is made in the thread that asks, so a tokenizer costs no step anything.  A stop string is found
there too: the answer is then cancelled, and the few tokens computed beyond are nobody's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ml.serving.chat import ChatTemplate, Message, last_question
from ml.serving.embedding import Embedder
from ml.serving.engine import Engine, EngineSettings
from ml.serving.errors import RequestRefused
from ml.serving.requests import GenerationRequest, StatedToken, TokenEvent, TokenStep
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
        self._assembler = assembler
        self._count = 0
        self._ended = False

    @property
    def shares_ppb(self) -> tuple[int, ...]:
        """What part of a merge each of its adapters has; empty without merge."""
        return self._ticket.shares_ppb

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
        ends = frozenset() if end is None else frozenset([end])
        self.engine = Engine(base_model, adapters, settings, ends)
        self.engine.start()
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
        self.engine.close()

    def encode_question(self, prompt: str) -> tuple[int, ...]:
        """The tokens after which an adapter trained on rows writes the completion of `prompt`."""
        self._check_text(prompt)
        return tuple(encode_prompt(self._tokenizer, prompt))

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
        ticket = self.engine.submit(request)
        ticket.wait_until_ready()
        assembler = TextAssembler(self._decode, request.stops)
        return AnswerStream(ticket, assembler, lambda token: self._decode([token]))

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
