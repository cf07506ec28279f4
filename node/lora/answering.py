"""Answers and vectors of the plain server: nobody is paid, and limits of keys are kept."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import trio

from ml.serving.errors import AdapterMissing, AdapterRefused
from ml.serving.requests import FinishReason, GenerationRequest, Lane, TokenEvent
from ml.serving.texts import AnswerStream, TextEngine
from node.api.answering import explained
from node.api.errors import InvalidRequest, Overloaded
from node.api.evidence import Evidence
from node.api.generation import generation_of
from node.api.keys import ApiKey
from node.api.meter import Amounts, Meter
from node.api.metrics import ServingMetrics, TokenClock
from node.api.responses import Delta, usage_of
from node.api.streams import Piece
from node.lora.embeddings import EmbeddingRequest
from node.lora.requests import PlainRequest

ACTIVE_MAX = 128
"""Answers in progress, each of which waits in a thread; the engine computes fewer at once."""

T = TypeVar("T")
Vector = list[float]
NOTHING_YET = TokenEvent("", 0, None)


@dataclass(frozen=True, slots=True)
class PlainEnding:
    """The end of an answer that nobody is paid for."""

    lane: Lane
    finish: FinishReason
    prompt_tokens: int
    output_tokens: int
    version: str
    """The content hash of the adapter; empty for the base model and for merges."""
    shares: dict[str, int]
    """Of a merge: the share of each adapter in 10**-9."""
    evidence: Evidence | None
    """In the lane `verifiable`."""

    @property
    def reason(self) -> str:
        """OpenAI's `finish_reason`."""
        return self.finish

    @property
    def usage(self) -> dict[str, int]:
        """Token counts."""
        return usage_of(self.prompt_tokens, self.output_tokens)

    def extension(self) -> dict[str, Any]:
        """The lane, which content has answered, whose a merge is, and what checks the answer."""
        evidence = {} if self.evidence is None else {"evidence": self.evidence.view()}
        version = {"version": self.version} if self.version else {}
        shares = {"merge_shares_ppb": self.shares} if self.shares else {}
        return {"lane": self.lane} | version | shares | evidence


class PlainAnswering:
    """What the engine computes for callers."""

    def __init__(self, engine: TextEngine, meter: Meter, metrics: ServingMetrics) -> None:
        """Answer with `engine`, and count in `meter` what it took, in `metrics` how long."""
        self._engine = engine
        self._meter = meter
        self._metrics = metrics
        self._active_count = 0
        self._threads = trio.CapacityLimiter(ACTIVE_MAX)

    async def pieces(self, wanted: PlainRequest, key: ApiKey) -> AsyncGenerator[Piece, None]:
        """Yield an empty piece once the answer is certain to begin, texts, then its end.

        Raises `ApiError` before the first piece for everything a client can do wrong.
        """
        with self._counted():
            generation = await self._compute(partial(self._generation, wanted))
            prompt_tokens = len(generation.prompt_tokens)
            most = Amounts(prompt_tokens + generation.tokens_max)
            clock = TokenClock(self._metrics)
            with self._meter.metered(key, most) as tally:
                stream = await self._compute(partial(self._engine.stream, generation))
                with closing(stream):
                    tally.taken = Amounts(prompt_tokens)
                    yield Delta()
                    event = NOTHING_YET
                    while event.finish is None:
                        event = await self._compute(stream.__next__)
                        clock.tick()
                        tally.taken = Amounts(prompt_tokens + event.output_tokens)
                        if event.text or event.stated:
                            yield Delta.of(event)
                    yield self._ending(wanted, generation, event, stream)

    async def vectors(self, wanted: EmbeddingRequest, key: ApiKey) -> tuple[list[Vector], int]:
        """The base model's vector of each input, and how many tokens they have in all."""
        tokens = await self._compute(partial(self._inputs, wanted))
        amounts = Amounts(sum(map(len, tokens)))
        with self._meter.metered(key, amounts) as tally:
            found = [await self._compute(partial(self._engine.embed, each)) for each in tokens]
            tally.taken = amounts
        return found, amounts.tokens

    async def load(self, adapter: bytes) -> None:
        """Read an adapter; raises `InvalidRequest` for what is wrong with it."""
        await self._compute(partial(self._load, adapter))

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._active_count >= ACTIVE_MAX:
            raise Overloaded(
                f"{self._active_count} answers are in progress.", remedy="Try again in a moment."
            )
        self._active_count += 1
        try:
            yield
        finally:
            self._active_count -= 1

    async def _compute(self, work: Callable[[], T]) -> T:
        with explained():
            return await trio.to_thread.run_sync(work, limiter=self._threads)

    def _load(self, adapter: bytes) -> None:
        try:
            self._engine.load(adapter)
        except (AdapterMissing, AdapterRefused) as error:
            raise InvalidRequest(
                error.message, remedy=error.remedy, parameter="lora_path"
            ) from error

    def _inputs(self, wanted: EmbeddingRequest) -> list[tuple[int, ...]]:
        encode = self._engine.encode_text
        return [encode(each) if isinstance(each, str) else each for each in wanted.inputs]

    def _generation(self, wanted: PlainRequest) -> GenerationRequest:
        common, engine = wanted.common, self._engine
        if common.shape == "text":
            tokens = engine.encode_text(common.prompt)
        elif wanted.framing == "row":
            tokens = engine.encode_question(common.prompt)
        else:
            tokens = engine.encode_chat(common.messages)
        return generation_of(common, tokens, wanted.adapter, engine.context_tokens_max)

    def _ending(
        self,
        wanted: PlainRequest,
        generation: GenerationRequest,
        last: TokenEvent,
        stream: AnswerStream,
    ) -> PlainEnding:
        exact = stream.exact_answer
        base_hash = self._engine.base_hash
        return PlainEnding(
            generation.lane,
            last.finish or "stop",
            len(generation.prompt_tokens),
            last.output_tokens,
            "" if wanted.merged else wanted.common.model.hex(),
            dict(zip(wanted.merged, stream.shares_ppb, strict=True)),
            None if exact is None else Evidence.of(generation, base_hash, exact),
        )
