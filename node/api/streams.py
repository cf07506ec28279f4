"""An answer's pieces as one HTTP response: whole, or as server-sent events."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from node.api.errors import ApiError
from node.api.requests import Shape
from node.api.responses import (
    EVENT_STREAM,
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

Piece = str | Ending
"""A text, or the end of the answer; the first is empty and says that the answer begins."""


def envelope_of(shape: Shape, model: str) -> Envelope:
    """What every part of a new answer repeats."""
    created = int(time.time())
    identity = f"{IDENTITIES[shape]}-{created:x}{time.monotonic_ns():x}"
    return Envelope(shape, identity, created, model)


async def streamed(
    pieces: AsyncGenerator[Piece, None], envelope: Envelope, *, include_usage: bool
) -> Response:
    """The answer while it is written."""
    events = _events(pieces, envelope, include_usage=include_usage)
    # It has begun when it is handed over: errors until here have a status of their own, and
    # a generator that has begun is cleaned up when it is closed.
    await anext(events)
    return Response(events, content_type=EVENT_STREAM)


async def _events(
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
                if isinstance(piece, str):
                    yield text_event(envelope, piece)
                else:
                    yield closing_events(envelope, piece, include_usage=include_usage)
        except ApiError as error:
            yield error_event(error)


async def whole(pieces: AsyncGenerator[Piece, None], envelope: Envelope) -> Response:
    """The answer when it is done."""
    text = ""
    async with aclosing(pieces):
        async for piece in pieces:
            if not isinstance(piece, str):
                return Response.from_json(whole_answer(envelope, text, piece))
            text += piece
    raise HttpError(500, "The answer did not end.", remedy="Ask again.")


def explain(error: HttpError) -> Response:
    """An error of the HTTP layer in OpenAI's shape."""
    told = ApiError(error.message, remedy=error.remedy)
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    body: dict[str, Any] = {"message": str(told), "type": kind, "param": None, "code": None}
    return Response.from_json({"error": body}, error.status)
