"""The engine's answers as text.

Text is made in the thread that asks, so a tokenizer costs no step anything.  A stop string is found
there too: the answer is then cancelled, and the few tokens computed beyond are nobody's.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from pathlib import Path

from ml.serving.engine import Engine, EngineSettings
from ml.serving.errors import RequestRefused
from ml.serving.requests import GenerationRequest, TokenEvent
from ml.serving.text import TextAssembler
from ml.serving.ticket import Ticket
from ml.training.encode import encode_plain, encode_prompt, load_tokenizer


class TextEngine:
    """Answers questions in text through adapters of one base model; threads may share it."""

    def __init__(
        self, base_model: Path, adapters: Path, settings: EngineSettings | None = None
    ) -> None:
        """Load the base model and start computing; raises `ModelUnusable`."""
        self._tokenizer = load_tokenizer(base_model)
        # The engine refuses long prompts itself, in a sentence; the tokenizer need not warn.
        self._tokenizer.model_max_length = sys.maxsize
        end = self._tokenizer.eos_token_id
        ends = frozenset() if end is None else frozenset([end])
        self.engine = Engine(base_model, adapters, settings, ends)
        self.engine.start()

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

    def encode_text(self, prompt: str) -> tuple[int, ...]:
        """The tokens of a raw prompt: the beginning of a document that the model continues."""
        self._check_text(prompt)
        begin = self._tokenizer.bos_token_id
        tokens = encode_plain(self._tokenizer, prompt)
        return tuple(tokens if begin is None else [begin, *tokens])

    def stream(self, request: GenerationRequest) -> Generator[TokenEvent, None, None]:
        """Yield the answer token by token; the last event, and no other, has a `finish`.

        Returns when the adapter is loaded.  Raises before that what `Engine.submit` raises,
        `AdapterMissing` and `AdapterRefused`; after it, `EngineStopped`, and `AdapterRefused` for
        an adapter whose numbers do not stay finite.  Closing the iterator cancels the answer.
        """
        ticket = self.engine.submit(request)
        ticket.wait_until_ready()
        return self._events(ticket)

    def _events(self, ticket: Ticket) -> Generator[TokenEvent, None, None]:
        assembler = TextAssembler(self._decode, ticket.request.stops)
        count = 0
        try:
            while True:
                step = ticket.next_step()
                text = ""
                if step.token is not None:
                    text, count = assembler.add(step.token), count + 1
                if assembler.stopped:
                    yield TokenEvent(text, count, "stop", step.logprobs)
                    return
                if step.finish is not None:
                    text += assembler.finish()
                yield TokenEvent(text, count, step.finish, step.logprobs)
                if step.finish is not None:
                    return
        finally:
            ticket.cancel()

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
