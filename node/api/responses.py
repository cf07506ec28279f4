"""The JSON and server-sent events of the API, as OpenAI's clients read them.

Beside OpenAI's fields a finished answer carries `lane` and `receipt`: the hash and the bytes of the
signed `InferenceReceipt`, and the fee in units of 10**-18 OPEN (a string: JSON numbers are exact up
to 2**53 only).  In the lane `verifiable` it has `evidence`, too: what one prefill checks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol

from ml.serving.requests import StatedToken, TokenEvent
from ml.serving.text import REPLACEMENT
from node.api.errors import ApiError
from node.api.evidence import Evidence
from node.api.requests import Shape
from node.http.messages import Response
from runtime.hashing import hash_receipt
from runtime.wire.receipts import InferenceReceipt

DONE = b"data: [DONE]\n\n"
EVENT_STREAM = "text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every part of one answer repeats."""

    shape: Shape
    identity: str
    created: int
    """Seconds since 1970, as OpenAI has it; nothing is derived from it."""
    model: str
    states_usage: bool
    """Whether a streamed answer ends in its usage; until then it says that there is none yet."""

    def head(self, *, chunk: bool) -> dict[str, Any]:
        """The fields in front of `choices`."""
        kind = "text_completion"
        if self.shape == "chat":
            kind = "chat.completion.chunk" if chunk else "chat.completion"
        usage = {"usage": None} if chunk and self.states_usage else {}
        return {
            "id": self.identity,
            "object": kind,
            "created": self.created,
            "model": self.model,
        } | usage


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer: text, and the tokens whose log-probabilities were asked for."""

    text: str = ""
    stated: tuple[StatedToken, ...] = ()

    @classmethod
    def of(cls, event: TokenEvent) -> Delta:
        """What an event of the engine adds."""
        return cls(event.text, (event.stated,) if event.stated else ())


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
class SignedEvidence:
    """What checks an answer of the lane `verifiable`, and who says so."""

    evidence: Evidence
    signature: bytes

    def view(self) -> dict[str, Any]:
        """Both in JSON."""
        return self.evidence.view() | {"signature": self.signature.hex()}


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of an answer: why, and what it cost."""

    reason: str
    receipt: InferenceReceipt
    evidence: SignedEvidence | None = None
    """In the lane `verifiable`, where the answer came to its end."""

    @property
    def usage(self) -> dict[str, int]:
        """Token counts, as the receipt states them."""
        return usage_of(self.receipt.prompt_tokens, self.receipt.output_tokens)

    def extension(self) -> dict[str, Any]:
        """The fields that are not OpenAI's."""
        encoded = self.receipt.encode()
        evidence = {} if self.evidence is None else {"evidence": self.evidence.view()}
        return {
            "lane": self.receipt.lane,
            "receipt": {
                "hash": hash_receipt(encoded).hex(),
                "hex": encoded.hex(),
                "fee": str(self.receipt.fee),
            },
        } | evidence


def whole_answer(envelope: Envelope, answer: Delta, finished: Ending) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    choice = _choice(envelope, answer, 0, finished.reason)
    if envelope.shape == "chat":
        choice["message"] = {"role": "assistant", "content": answer.text, "refusal": None}
    else:
        choice["text"] = answer.text
    body = envelope.head(chunk=False) | {"choices": [choice], "usage": finished.usage}
    return body | finished.extension()


def opening_event(envelope: Envelope) -> bytes:
    """The first event of a streamed chat: the role of who speaks."""
    choice = _choice(envelope, Delta(), 0, None)
    choice["delta"] = {"role": "assistant", "content": ""}
    return _event(envelope.head(chunk=True) | {"choices": [choice]})


def text_event(envelope: Envelope, delta: Delta, offset: int) -> bytes:
    """One more piece of the answer, `offset` characters of tokens after its beginning."""
    choice = _choice(envelope, delta, offset, None)
    if envelope.shape == "chat":
        choice["delta"] = {"content": delta.text}
    else:
        choice["text"] = delta.text
    return _event(envelope.head(chunk=True) | {"choices": [choice]})


def closing_events(envelope: Envelope, finished: Ending) -> bytes:
    """The last piece with the receipt, the usage when it was asked for, and the end mark."""
    choice = _choice(envelope, Delta(), 0, finished.reason)
    choice["delta" if envelope.shape == "chat" else "text"] = {} if envelope.shape == "chat" else ""
    last = _event(envelope.head(chunk=True) | {"choices": [choice]} | finished.extension())
    if envelope.states_usage:
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
        headers += (("Retry-After", str(error.retry_after_s)),)
    body = json.dumps(error_body(error)).encode()
    return Response(body, error.status, headers=headers)


def _choice(envelope: Envelope, delta: Delta, offset: int, reason: str | None) -> dict[str, Any]:
    """The one choice of an answer, or of a part, without its text."""
    logprobs: dict[str, Any] | None = None
    if delta.stated and envelope.shape == "chat":
        logprobs = {"content": [_chat_logprob(each) for each in delta.stated], "refusal": None}
    elif delta.stated:
        logprobs = _text_logprobs(delta.stated, offset)
    return {"index": 0, "logprobs": logprobs, "finish_reason": reason}


def _chat_logprob(token: StatedToken) -> dict[str, Any]:
    """A token as chats state it."""
    likeliest = [_token_view(text, logprob) for text, logprob in token.likeliest]
    return _token_view(token.text, token.logprob) | {"top_logprobs": likeliest}


def _token_view(text: str, logprob: float) -> dict[str, Any]:
    # A token that ends inside a character has no text, and so no bytes that can be said here.
    encoded = None if REPLACEMENT in text else list(text.encode())
    return {"token": text, "logprob": logprob, "bytes": encoded}


def _text_logprobs(tokens: Sequence[StatedToken], offset: int) -> dict[str, Any]:
    """Tokens as completions state them; tokens of one text show the likelier of them."""
    lengths = [0, *(len(token.text) for token in tokens)]
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [dict(reversed(token.likeliest)) for token in tokens],
        "text_offset": [offset + each for each in accumulate(lengths[:-1])],
    }


def _event(payload: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(payload, separators=(",", ":")).encode() + b"\n\n"
