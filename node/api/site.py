"""The routes of the API, and who may use them.

GET  /health                     the server answers, and which account it signs with
GET  /metrics                    what the engine does, for Prometheus
GET  /v1/models[/<model>]        models that the caller may use
POST /v1/chat/completions        an answer to the last user message
POST /v1/completions             the continuation of a raw prompt
GET  /answers/<model>/<epoch>    settled answers, for bonded workers (`disclosure.py`)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
import trio

from node.api.answering import Answering, answered
from node.api.answers import Answer, AnswerLog
from node.api.callers import Callers
from node.api.disclosure import (
    PAGE_ANSWERS_MAX,
    DisclosedAnswer,
    answers_target,
    check_request,
)
from node.api.errors import InvalidRequest, NotDisclosed, UnknownModel
from node.api.ledger import Ledger
from node.api.metrics import ServingMetrics
from node.api.requests import Shape, parse_completion
from node.api.streams import envelope_of, explain, streamed, whole
from node.errors import HttpError
from node.http.messages import Limits, Request, Response, Site
from node.metrics import CONTENT_TYPE
from runtime.hashing import hash_receipt
from runtime.wire.blobs import encode_blob
from runtime.wire.records import Model

ANSWER_TIMEOUT_S = 600.0
"""For an answer that is not streamed, from the whole request to its end."""
BODY_BYTES_MAX = 1024 * 1024
EPOCH_DIGITS_MAX = 10
_log = structlog.get_logger("api")


@dataclass(frozen=True, slots=True)
class Api:
    """What the routes need."""

    answering: Answering
    ledger: Ledger
    log: AnswerLog
    callers: Callers
    metrics: ServingMetrics
    server: bytes
    """The account that signs this server's receipts."""

    def site(self, hosts: frozenset[str]) -> Site:
        """The API as the HTTP server takes it."""
        limits = Limits(body_bytes_max=BODY_BYTES_MAX, handler_timeout_s=ANSWER_TIMEOUT_S)
        return Site(self.handle, limits, hosts, explain=explain)

    async def handle(self, request: Request) -> Response:
        """Answer one request; every expected error is an answer in OpenAI's shape."""
        if (request.method, request.path) == ("GET", "/metrics"):
            return Response(self.metrics.text(), content_type=CONTENT_TYPE)
        return await answered(self._route, request)

    async def _route(self, request: Request) -> Response:
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["health"]:
                return Response.from_json({"status": "ok", "account": self.server.hex()})
            case "GET", ["v1", "models"]:
                return await self._models(request)
            case "GET", ["v1", "models", name]:
                return await self._model(request, name)
            case "POST", ["v1", "chat", "completions"]:
                return await self._complete(request, "chat")
            case "POST", ["v1", "completions"]:
                return await self._complete(request, "text")
            case "GET", ["answers", model, epoch]:
                return await self._answers(request, model, epoch)
            case _:
                raise HttpError(
                    404,
                    f"There is no {request.method} {request.path[:200]}.",
                    remedy="See GET /v1/models, POST /v1/chat/completions, POST /v1/completions.",
                )

    async def _models(self, request: Request) -> Response:
        user = (await self.callers.admit(request)).account
        models = await trio.to_thread.run_sync(self._usable_models, user)
        data = [_model_view(*each) for each in models]
        return Response.from_json({"object": "list", "data": data})

    def _usable_models(self, user: bytes) -> list[tuple[bytes, Model]]:
        """The models that take the user's questions."""
        return [
            (name, record)
            for name, record in self.ledger.models()
            if self.ledger.may_use(name, record, user) and not self.ledger.is_retired(name)
        ]

    async def _model(self, request: Request, name: str) -> Response:
        user = (await self.callers.admit(request)).account
        try:
            model_hash = bytes.fromhex(name)
        except ValueError:
            model_hash = b""
        if len(model_hash) != 32:
            raise UnknownModel(
                f"There is no model {name[:64]!r}.",
                remedy="GET /v1/models lists those that you may use.",
                parameter="model",
            )
        model = await trio.to_thread.run_sync(self.ledger.model, model_hash)
        if not await trio.to_thread.run_sync(self.ledger.may_use, model_hash, model, user):
            raise UnknownModel.of(model_hash)
        return Response.from_json(_model_view(model_hash, model))

    async def _complete(self, request: Request, shape: Shape) -> Response:
        key = await self.callers.admit(request)
        wanted = parse_completion(request.json(), shape)
        envelope = envelope_of(shape, wanted.model.hex(), states_usage=wanted.include_usage)
        pieces = self.answering.pieces(wanted, key)
        if wanted.stream:
            return await streamed(pieces, envelope)
        return await whole(pieces, envelope)

    async def _answers(self, request: Request, model: str, epoch: str) -> Response:
        model_hash, number, start = _answers_query(model, epoch, request.query.get("start", "0"))
        target = answers_target(model_hash, number, start)
        height = await trio.to_thread.run_sync(self.ledger.height)
        genesis_hash = await trio.to_thread.run_sync(lambda: self.ledger.genesis_hash)
        asked = check_request(request.headers, genesis_hash, self.server, target, height)
        if not await trio.to_thread.run_sync(self.ledger.checks_work, asked.account):
            raise NotDisclosed(
                f"The account {asked.account.hex()} is no bonded worker and no referee.",
                remedy="Register it with Workers.register, or name it with Disputes.name_referee.",
            )
        read = partial(self.log.settled_answers, model_hash, number, start, PAGE_ANSWERS_MAX)
        answers = await trio.to_thread.run_sync(read)
        items = [_disclosed(answer).encode() for answer in answers]
        return Response(encode_blob(items), content_type="application/cbor")


def _model_view(model_hash: bytes, model: Model) -> dict[str, Any]:
    """A model as OpenAI lists it; vLLM's `root` and `parent` name the adapter and its base."""
    return {
        "id": model_hash.hex(),
        "object": "model",
        "created": 0,
        "owned_by": model.owner.hex(),
        "root": model_hash.hex(),
        "parent": model.base_model.hex(),
        "public": model.public,
        "prices": {
            "input_per_1000": str(model.prices.input_per_1000),
            "output_per_1000": str(model.prices.output_per_1000),
        },
    }


def _disclosed(answer: Answer) -> DisclosedAnswer:
    receipt_hash = hash_receipt(answer.receipt.encode())
    if not answer.disclose:
        return DisclosedAnswer(receipt_hash, None, None)
    return DisclosedAnswer(receipt_hash, answer.prompt, answer.output)


def _answers_query(model: str, epoch: str, start: str) -> tuple[bytes, int, int]:
    try:
        model_hash = bytes.fromhex(model)
        number, index = int(epoch[:EPOCH_DIGITS_MAX]), int(start[:EPOCH_DIGITS_MAX])
    except ValueError as error:
        raise _bad_answers_query() from error
    if len(model_hash) != 32 or number < 0 or index < 0:
        raise _bad_answers_query()
    return model_hash, number, index


def _bad_answers_query() -> InvalidRequest:
    return InvalidRequest(
        "This is not a request for the answers of an epoch.",
        remedy="GET /answers/<model in hex>/<epoch>?start=<index>.",
    )
