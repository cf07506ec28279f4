"""The routes of the API, and who may use them.

GET  /health                     the server answers, and which account it signs with
GET  /v1/models[/<model>]        models that the caller may use
POST /v1/chat/completions        an answer to the last user message
POST /v1/completions             the continuation of a raw prompt
GET  /answers/<model>/<epoch>    settled answers, for bonded workers (`disclosure.py`)
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
import trio

from node.api.answering import Answering, Piece, explained
from node.api.answers import Answer, AnswerLog
from node.api.disclosure import (
    PAGE_ANSWERS_MAX,
    DisclosedAnswer,
    answers_target,
    check_request,
)
from node.api.errors import ApiError, InvalidApiKey, InvalidRequest, NotDisclosed, UnknownModel
from node.api.keys import ApiKeys
from node.api.ledger import Ledger
from node.api.requests import Shape, parse_completion
from node.api.responses import (
    EVENT_STREAM,
    Envelope,
    Finished,
    closing_events,
    error_event,
    error_response,
    opening_event,
    text_event,
    whole_answer,
)
from node.errors import HttpError
from node.http.messages import Limits, Request, Response, Site
from runtime.hashing import hash_receipt
from runtime.wire.blobs import encode_blob
from runtime.wire.records import Model

ANSWER_TIMEOUT_S = 600.0
"""For an answer that is not streamed, from the whole request to its end."""
BODY_BYTES_MAX = 1024 * 1024
EPOCH_DIGITS_MAX = 10
IDENTITIES: dict[Shape, str] = {"chat": "chatcmpl", "text": "cmpl"}
_log = structlog.get_logger("api")


@dataclass(frozen=True, slots=True)
class Api:
    """What the routes need."""

    answering: Answering
    ledger: Ledger
    log: AnswerLog
    keys: ApiKeys
    server: bytes
    """The account that signs this server's receipts."""

    def site(self, hosts: frozenset[str]) -> Site:
        """The API as the HTTP server takes it."""
        limits = Limits(body_bytes_max=BODY_BYTES_MAX, handler_timeout_s=ANSWER_TIMEOUT_S)
        return Site(self.handle, limits, hosts, explain=explain)

    async def handle(self, request: Request) -> Response:
        """Answer one request; every expected error is an answer in OpenAI's shape."""
        try:
            with explained():
                return await self._route(request)
        except ApiError as error:
            return error_response(error)

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

    async def _user(self, request: Request) -> bytes:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise InvalidApiKey(
                "The request has no API key.", remedy="Send 'Authorization: Bearer <key>'."
            )
        account = await trio.to_thread.run_sync(self.keys.account_of, key.strip())
        if account is None:
            raise InvalidApiKey(
                "The API key is not one of this server's.",
                remedy="Ask its operator for one: `openledger serve keys add`.",
            )
        return account

    async def _models(self, request: Request) -> Response:
        user = await self._user(request)
        models = await trio.to_thread.run_sync(self.ledger.models)
        data = [_model_view(*each) for each in models if each[1].public or each[1].owner == user]
        return Response.from_json({"object": "list", "data": data})

    async def _model(self, request: Request, name: str) -> Response:
        user = await self._user(request)
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
        if not model.public and model.owner != user:
            raise UnknownModel.of(model_hash)
        return Response.from_json(_model_view(model_hash, model))

    async def _complete(self, request: Request, shape: Shape) -> Response:
        user = await self._user(request)
        wanted = parse_completion(request.json(), shape)
        created = int(time.time())
        identity = f"{IDENTITIES[shape]}-{created:x}{time.monotonic_ns():x}"
        envelope = Envelope(shape, identity, created, wanted.model.hex())
        pieces = self.answering.pieces(wanted, user)
        if wanted.stream:
            stream = _stream(pieces, envelope, include_usage=wanted.include_usage)
            # It has begun when it is handed over: errors until here have a status of their own, and
            # a generator that has begun is cleaned up when it is closed.
            await anext(stream)
            return Response(stream, content_type=EVENT_STREAM)
        return await _whole(pieces, envelope)

    async def _answers(self, request: Request, model: str, epoch: str) -> Response:
        model_hash, number, start = _answers_query(model, epoch, request.query.get("start", "0"))
        target = answers_target(model_hash, number, start)
        height = await trio.to_thread.run_sync(self.ledger.height)
        genesis_hash = await trio.to_thread.run_sync(lambda: self.ledger.genesis_hash)
        asked = check_request(request.headers, genesis_hash, self.server, target, height)
        if not await trio.to_thread.run_sync(self.ledger.is_bonded, asked.account):
            raise NotDisclosed(
                f"The account {asked.account.hex()} is not a bonded worker.",
                remedy="Register it with Compute.register_worker.",
            )
        read = partial(self.log.settled_answers, model_hash, number, start, PAGE_ANSWERS_MAX)
        answers = await trio.to_thread.run_sync(read)
        items = [_disclosed(answer).encode() for answer in answers]
        return Response(encode_blob(items), content_type="application/cbor")


async def _stream(
    pieces: AsyncGenerator[Piece, None], envelope: Envelope, *, include_usage: bool
) -> AsyncGenerator[bytes, None]:
    """The server-sent events of an answer, after one empty piece when it is certain to begin."""
    async with aclosing(pieces):
        await anext(pieces)
        yield b""
        if envelope.shape == "chat":
            yield opening_event(envelope)
        try:
            async for piece in pieces:
                if isinstance(piece, Finished):
                    yield closing_events(envelope, piece, include_usage=include_usage)
                else:
                    yield text_event(envelope, piece)
        except ApiError as error:
            yield error_event(error)


async def _whole(pieces: AsyncGenerator[Piece, None], envelope: Envelope) -> Response:
    text = ""
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, Finished):
                return Response.from_json(whole_answer(envelope, text, piece))
            text += piece
    raise HttpError(500, "The answer did not end.", remedy="Ask again.")


def explain(error: HttpError) -> Response:
    """An error of the HTTP layer in OpenAI's shape."""
    told = ApiError(error.message, remedy=error.remedy)
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    body: dict[str, Any] = {"message": str(told), "type": kind, "param": None, "code": None}
    return Response.from_json({"error": body}, error.status)


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
