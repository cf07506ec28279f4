"""The routes of the plain server.

GET  /health                   the server answers
GET  /metrics                  what the engine does, for Prometheus
GET  /v1/models[/<name>]       the base model and all adapters
POST /v1/chat/completions      an answer to the last user message
POST /v1/completions           the continuation of a raw prompt
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import trio

from ml.serving.requests import FinishReason, GenerationRequest
from ml.serving.texts import AnswerStream, TextEngine
from node.api.answering import answered, explained
from node.api.errors import Overloaded
from node.api.keys import ApiKeys, account_of_request
from node.api.requests import LANE, Shape
from node.api.responses import Delta, usage_of
from node.api.streams import Piece, envelope_of, explain, streamed, whole
from node.errors import HttpError
from node.http.messages import Limits, Request, Response, Site
from node.lora.catalogue import Catalogue
from node.lora.metrics import metrics_text
from node.lora.requests import BASE, PlainRequest, parse_plain
from node.metrics import CONTENT_TYPE

ANSWER_TIMEOUT_S = 600.0
"""For an answer that is not streamed, from the whole request to its end."""
BODY_BYTES_MAX = 1024 * 1024
ACTIVE_MAX = 128
"""Answers in progress, each of which waits in a thread; the engine computes fewer at once."""


@dataclass(frozen=True, slots=True)
class PlainEnding:
    """The end of an answer that nobody is paid for."""

    finish: FinishReason
    prompt_tokens: int
    output_tokens: int
    shares: dict[str, int]
    """Of a merge: the share of each adapter in 10**-9."""

    @property
    def reason(self) -> str:
        """OpenAI's `finish_reason`."""
        return self.finish

    @property
    def usage(self) -> dict[str, int]:
        """Token counts."""
        return usage_of(self.prompt_tokens, self.output_tokens)

    def extension(self) -> dict[str, Any]:
        """The lane, and whose a merge is."""
        return {"lane": LANE} | ({"merge_shares_ppb": self.shares} if self.shares else {})


class LoraApi:
    """Answers requests through the adapters of a catalogue."""

    def __init__(
        self, engine: TextEngine, catalogue: Catalogue, base_name: str, keys: ApiKeys | None
    ) -> None:
        """Call the base model `base_name`; without `keys` anybody may ask."""
        self._engine = engine
        self._catalogue = catalogue
        self._base_name = base_name
        self._keys = keys
        self._active_count = 0
        self._threads = trio.CapacityLimiter(ACTIVE_MAX)

    def site(self, hosts: frozenset[str]) -> Site:
        """The API as the HTTP server takes it."""
        limits = Limits(body_bytes_max=BODY_BYTES_MAX, handler_timeout_s=ANSWER_TIMEOUT_S)
        return Site(self.handle, limits, hosts, explain=explain)

    async def handle(self, request: Request) -> Response:
        """Answer one request; every expected error is an answer in OpenAI's shape."""
        return await answered(self._route, request)

    async def _route(self, request: Request) -> Response:
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["health"]:
                return Response.from_json({"status": "ok"})
            case "GET", ["metrics"]:
                text = metrics_text(self._engine.engine.figures())
                return Response(text, content_type=CONTENT_TYPE)
        if self._keys is not None:
            await trio.to_thread.run_sync(account_of_request, self._keys, request)
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["v1", "models"]:
                names = await trio.to_thread.run_sync(self._catalogue.names)
                data = [self._view(name) for name in (self._base_name, *names)]
                return Response.from_json({"object": "list", "data": data})
            case "GET", ["v1", "models", name]:
                await trio.to_thread.run_sync(self._hash_of, name)
                return Response.from_json(self._view(name))
            case "POST", ["v1", "chat", "completions"]:
                return await self._complete(request, "chat")
            case "POST", ["v1", "completions"]:
                return await self._complete(request, "text")
            case _:
                raise HttpError(
                    404,
                    f"There is no {request.method} {request.path[:200]}.",
                    remedy="See GET /v1/models, POST /v1/chat/completions, POST /v1/completions.",
                )

    async def _complete(self, request: Request, shape: Shape) -> Response:
        parse = partial(parse_plain, request.json(), shape, self._hash_of)
        wanted = await trio.to_thread.run_sync(parse)
        envelope = envelope_of(shape, wanted.model, states_usage=wanted.common.include_usage)
        pieces = self._pieces(wanted)
        if wanted.common.stream:
            return await streamed(pieces, envelope)
        return await whole(pieces, envelope)

    async def _pieces(self, wanted: PlainRequest) -> AsyncGenerator[Piece, None]:
        if self._active_count >= ACTIVE_MAX:
            raise Overloaded(
                f"{self._active_count} answers are in progress.", remedy="Try again in a moment."
            )
        self._active_count += 1
        try:
            begin = partial(self._begin, wanted)
            with explained():
                generation, stream = await trio.to_thread.run_sync(begin, limiter=self._threads)
            with closing(stream):
                yield Delta()
                finish: FinishReason | None = None
                while finish is None:
                    with explained():
                        event = await trio.to_thread.run_sync(next, stream, limiter=self._threads)
                    finish = event.finish
                    if event.text or event.stated:
                        yield Delta(event.text, (event.stated,) if event.stated else ())
                shares = dict(zip(wanted.merged, stream.shares_ppb, strict=True))
                prompt_tokens = len(generation.prompt_tokens)
                yield PlainEnding(finish, prompt_tokens, event.output_tokens, shares)
        finally:
            self._active_count -= 1

    def _begin(self, wanted: PlainRequest) -> tuple[GenerationRequest, AnswerStream]:
        common, engine = wanted.common, self._engine
        if common.shape == "text":
            tokens = engine.encode_text(common.prompt)
        elif wanted.framing == "row":
            tokens = engine.encode_question(common.prompt)
        else:
            tokens = engine.encode_chat(common.messages)
        room = engine.context_tokens_max - len(tokens)
        generation = GenerationRequest(
            prompt_tokens=tokens,
            adapter=wanted.adapter,
            # A long prompt shortens its answer; `finish_reason` says so.
            tokens_max=max(1, min(common.tokens_max, room)),
            temperature_ppb=common.temperature_ppb,
            seed=common.seed,
            stops=common.stops,
            top_p_ppb=wanted.top_p_ppb,
            top_k=wanted.top_k,
            presence_penalty_ppb=wanted.presence_penalty_ppb,
            frequency_penalty_ppb=wanted.frequency_penalty_ppb,
            logprobs=common.logprobs,
        )
        return generation, engine.stream(generation)

    def _hash_of(self, name: object) -> bytes:
        if name == self._base_name:
            return BASE
        return self._catalogue.hash_of(name if isinstance(name, str) else "")

    def _view(self, name: str) -> dict[str, Any]:
        """A model as OpenAI lists it; vLLM's `root` and `parent` name the adapter and its base."""
        parent = None if name == self._base_name else self._base_name
        return {
            "id": name,
            "object": "model",
            "created": 0,
            "owned_by": "openledger",
            "root": name,
            "parent": parent,
        }
