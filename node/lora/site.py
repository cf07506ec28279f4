"""The routes of the plain server.

GET  /health                      the server answers
GET  /metrics                     what the engine does, for Prometheus
GET  /openapi.json                all of this, for programs
GET  /v1/models[/<name>]          the base model and all adapters
POST /v1/chat/completions         an answer to a conversation
POST /v1/completions              the continuation of a raw prompt
POST /v1/embeddings               vectors of the base model
POST /v1/load_lora_adapter        a name for a folder of adapters, for operators
POST /v1/unload_lora_adapter      the name stands for nothing again
"""

from __future__ import annotations

from functools import partial
from typing import Any

import trio

from ml.serving.texts import TextEngine
from node.api.answering import answered
from node.api.callers import Callers
from node.api.metrics import ServingMetrics
from node.api.requests import Shape
from node.api.streams import envelope_of, explain, streamed, whole
from node.errors import HttpError
from node.http.messages import Handler, Limits, Request, Response, Site
from node.lora.answering import PlainAnswering
from node.lora.catalogue import Catalogue
from node.lora.embeddings import embedding_answer, parse_embedding
from node.lora.loading import parse_load, parse_unload
from node.lora.openapi import document
from node.lora.requests import BASE, parse_plain
from node.metrics import CONTENT_TYPE

ANSWER_TIMEOUT_S = 600.0
"""For an answer that is not streamed, from the whole request to its end."""
BODY_BYTES_MAX = 1024 * 1024
MODELS = "/v1/models/"


class LoraApi:
    """Answers requests through the adapters of a catalogue."""

    def __init__(
        self, engine: TextEngine, catalogue: Catalogue, base_name: str, callers: Callers
    ) -> None:
        """Call the base model `base_name`, and answer `callers`."""
        self.callers = callers
        self._engine = engine
        self._serving_metrics = ServingMetrics(engine.figures)
        self._answering = PlainAnswering(engine, callers.meter, self._serving_metrics)
        self._catalogue = catalogue
        self._base_name = base_name
        self._routes: dict[tuple[str, str], Handler] = {
            ("GET", "/health"): self._health,
            ("GET", "/metrics"): self._metrics,
            ("GET", "/openapi.json"): self._document,
            ("GET", "/v1/models"): self._models,
            ("POST", "/v1/chat/completions"): partial(self._complete, shape="chat"),
            ("POST", "/v1/completions"): partial(self._complete, shape="text"),
            ("POST", "/v1/embeddings"): self._embed,
            ("POST", "/v1/load_lora_adapter"): self._load,
            ("POST", "/v1/unload_lora_adapter"): self._unload,
        }

    def site(self, hosts: frozenset[str]) -> Site:
        """The API as the HTTP server takes it."""
        limits = Limits(body_bytes_max=BODY_BYTES_MAX, handler_timeout_s=ANSWER_TIMEOUT_S)
        return Site(self.handle, limits, hosts, explain=explain)

    async def handle(self, request: Request) -> Response:
        """Answer one request; every expected error is an answer in OpenAI's shape."""
        return await answered(self._route, request)

    async def _route(self, request: Request) -> Response:
        route = self._routes.get((request.method, request.path))
        if route is not None:
            return await route(request)
        if request.method == "GET" and request.path.startswith(MODELS):
            return await self._model(request, request.path.removeprefix(MODELS))
        raise HttpError(
            404,
            f"There is no {request.method} {request.path[:200]}.",
            remedy="GET /openapi.json says what there is.",
        )

    async def _health(self, _request: Request) -> Response:
        return Response.from_json({"status": "ok"})

    async def _document(self, _request: Request) -> Response:
        return Response.from_json(document())

    async def _metrics(self, _request: Request) -> Response:
        return Response(self._serving_metrics.text(), content_type=CONTENT_TYPE)

    async def _models(self, request: Request) -> Response:
        await self.callers.admit(request)
        names = await trio.to_thread.run_sync(self._catalogue.names)
        data = [self._view(name) for name in (self._base_name, *names)]
        return Response.from_json({"object": "list", "data": data})

    async def _model(self, request: Request, name: str) -> Response:
        await self.callers.admit(request)
        adapter = await trio.to_thread.run_sync(self._hash_of, name)
        version = {} if adapter == BASE else {"version": adapter.hex()}
        return Response.from_json(self._view(name) | version)

    async def _complete(self, request: Request, shape: Shape) -> Response:
        key = await self.callers.admit(request)
        parse = partial(parse_plain, request.json(), shape, self._hash_of)
        wanted = await trio.to_thread.run_sync(parse)
        envelope = envelope_of(shape, wanted.model, states_usage=wanted.common.include_usage)
        pieces = self._answering.pieces(wanted, key)
        if wanted.common.stream:
            return await streamed(pieces, envelope)
        return await whole(pieces, envelope)

    async def _embed(self, request: Request) -> Response:
        key = await self.callers.admit(request)
        wanted = parse_embedding(request.json(), self._base_name, self._engine.engine.width)
        vectors, tokens = await self._answering.vectors(wanted, key)
        return Response.from_json(embedding_answer(wanted, vectors, tokens))

    async def _load(self, request: Request) -> Response:
        await self.callers.admit_operator(request)
        wanted = parse_load(request.json(), self._base_name)
        place = (wanted.name, wanted.folder)
        find = partial(self._catalogue.find, *place, replace=wanted.replaces)
        adapter = await trio.to_thread.run_sync(find)
        # What is wrong with it is said now, and not to whom asks for it first.
        await self._answering.load(adapter)
        link = partial(self._catalogue.link, *place, replace=wanted.replaces)
        await trio.to_thread.run_sync(link)
        return Response.from_json(self._view(wanted.name) | {"version": adapter.hex()})

    async def _unload(self, request: Request) -> Response:
        await self.callers.admit_operator(request)
        name = parse_unload(request.json())
        await trio.to_thread.run_sync(self._catalogue.unlink, name)
        return Response.from_json({"id": name, "object": "model", "deleted": True})

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
