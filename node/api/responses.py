"""The JSON and server-sent events of the API, as OpenAI's clients read them.

Beside OpenAI's fields a finished answer carries `lane` and `receipt`: the hash and the bytes of the
signed `InferenceReceipt`, and the fee in units of 10**-18 OPEN (a string: JSON numbers are exact up
to 2**53 only).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

from node.api.errors import ApiError
from node.api.requests import Shape
from node.http.messages import Response
from runtime.hashing import hash_receipt
from runtime.wire.receipts import InferenceReceipt

DONE = b"data: [DONE]\n\n"
EVENT_STREAM = "text/event-stream; charset=utf-8"
RETRY_AFTER_S = 2


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every part of one answer repeats."""

    shape: Shape
    identity: str
    created: int
    """Seconds since 1970, as OpenAI has it; nothing is derived from it."""
    model: str

    def head(self, *, chunk: bool) -> dict[str, Any]:
        """The fields in front of `choices`."""
        kind = "text_completion"
        if self.shape == "chat":
            kind = "chat.completion.chunk" if chunk else "chat.completion"
        return {
            "id": self.identity,
            "object": kind,
            "created": self.created,
            "model": self.model,
        }


class Ending(Protocol):
    """The end of an answer, however it is accounted for."""

    @property
    def reason(self) -> str:
        """OpenAI's `finish_reason`."""

    @property
    def usage(self) -> dict[str, int]:
        """Token counts."""

    def extension(self) -> dict[str, Any]:
        """The fields that are not OpenAI's."""


def usage_of(prompt_tokens: int, output_tokens: int) -> dict[str, int]:
    """OpenAI's `usage`."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": prompt_tokens + output_tokens,
    }


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of an answer: why, and what it cost."""

    reason: str
    receipt: InferenceReceipt

    @property
    def usage(self) -> dict[str, int]:
        """Token counts, as the receipt states them."""
        return usage_of(self.receipt.prompt_tokens, self.receipt.output_tokens)

    def extension(self) -> dict[str, Any]:
        """The fields that are not OpenAI's."""
        encoded = self.receipt.encode()
        return {
            "lane": self.receipt.lane,
            "receipt": {
                "hash": hash_receipt(encoded).hex(),
                "hex": encoded.hex(),
                "fee": str(self.receipt.fee),
            },
        }


def whole_answer(envelope: Envelope, text: str, finished: Ending) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": finished.reason}
    if envelope.shape == "chat":
        choice["message"] = {"role": "assistant", "content": text, "refusal": None}
    else:
        choice["text"] = text
    body = envelope.head(chunk=False) | {"choices": [choice], "usage": finished.usage}
    return body | finished.extension()


def opening_event(envelope: Envelope) -> bytes:
    """The first event of a streamed chat: the role of who speaks."""
    return _chunk(envelope, {"role": "assistant", "content": ""}, "", None)


def text_event(envelope: Envelope, text: str) -> bytes:
    """One more piece of the answer."""
    return _chunk(envelope, {"content": text}, text, None)


def closing_events(envelope: Envelope, finished: Ending, *, include_usage: bool) -> bytes:
    """The last piece with the receipt, the usage when it was asked for, and the end mark."""
    last = _chunk(envelope, {}, "", finished.reason, finished.extension())
    if include_usage:
        usage = envelope.head(chunk=True) | {"choices": [], "usage": finished.usage}
        last += _event(usage)
    return last + DONE


def error_event(error: ApiError) -> bytes:
    """An error after the first piece: OpenAI's clients raise on it."""
    return _event(error_body(error)) + DONE


def error_body(error: ApiError) -> dict[str, Any]:
    """An error in OpenAI's shape; the message ends in the remedy."""
    return {
        "error": {
            "message": str(error),
            "type": error.kind,
            "param": error.parameter,
            "code": error.code,
        }
    }


def error_response(error: ApiError) -> Response:
    """An error as a whole answer; OpenAI's clients obey `x-should-retry`."""
    headers: tuple[tuple[str, str], ...] = (("x-should-retry", "true" if error.retry else "false"),)
    if error.retry:
        headers += (("Retry-After", str(RETRY_AFTER_S)),)
    body = json.dumps(error_body(error)).encode()
    return Response(body, error.status, headers=headers)


def _chunk(
    envelope: Envelope,
    delta: dict[str, Any],
    text: str,
    reason: str | None,
    extension: dict[str, Any] | None = None,
) -> bytes:
    choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": reason}
    if envelope.shape == "chat":
        choice["delta"] = delta
    else:
        choice["text"] = text
    return _event(envelope.head(chunk=True) | {"choices": [choice]} | (extension or {}))


def _event(payload: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(payload, separators=(",", ":")).encode() + b"\n\n"
