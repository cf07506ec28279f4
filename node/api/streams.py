"""An answer's pieces as one HTTP response: whole, or as server-sent events."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from ml.serving.requests import StatedToken
from node.api.errors import ApiError
from node.api.requests import Shape
from node.api.responses import (
    EVENT_STREAM,
    Delta,
    Ending,
    Envelope,
    closing_events,
    error_event,
    opening_event,
    text_event,
    whole_answer,
)
from node.errors import HttpError
from node.http.messages import Response

IDENTITIES: dict[Shape, str] = {"chat": "chatcmpl", "text": "cmpl"}

Piece = Delta | Ending
"""A text, or the end of the answer; the first is empty and says that the answer begins."""


def envelope_of(shape: Shape, model: str, *, states_usage: bool) -> Envelope:
    """What every part of a new answer repeats."""
    created = int(time.time())
    identity = f"{IDENTITIES[shape]}-{created:x}{time.monotonic_ns():x}"
    return Envelope(shape, identity, created, model, states_usage)


async def streamed(pieces: AsyncGenerator[Piece, None], envelope: Envelope) -> Response:
    """The answer while it is written."""
    events = _events(pieces, envelope)
    # It has begun when it is handed over: errors until here have a status of their own, and
    # a generator that has begun is cleaned up when it is closed.
    await anext(events)
    return Response(events, content_type=EVENT_STREAM)


async def _events(
    pieces: AsyncGenerator[Piece, None], envelope: Envelope
) -> AsyncGenerator[bytes, None]:
    """The server-sent events of an answer, after one empty piece when it is certain to begin."""
    async with aclosing(pieces):
        await anext(pieces)
        yield b""
        if envelope.shape == "chat":
            yield opening_event(envelope)
        offset = 0
        try:
            async for piece in pieces:
                if isinstance(piece, Delta):
                    yield text_event(envelope, piece, offset)
                    offset += sum(len(token.text) for token in piece.stated)
                else:
                    yield closing_events(envelope, piece)
        except ApiError as error:
            yield error_event(error)


async def whole(pieces: AsyncGenerator[Piece, None], envelope: Envelope) -> Response:
    """The answer when it is done."""
    text, stated = "", list[StatedToken]()
    async with aclosing(pieces):
        async for piece in pieces:
            if not isinstance(piece, Delta):
                delta = Delta(text, tuple(stated))
                return Response.from_json(whole_answer(envelope, delta, piece))
            text += piece.text
            stated += piece.stated
    raise HttpError(500, "The answer did not end.", remedy="Ask again.")


def explain(error: HttpError) -> Response:
    """An error of the HTTP layer in OpenAI's shape."""
    told = ApiError(error.message, remedy=error.remedy)
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    body: dict[str, Any] = {"message": str(told), "type": kind, "param": None, "code": None}
    return Response.from_json({"error": body}, error.status)
