"""A conversation with a model over the OpenAI API of a server, piece by piece."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from ml.serving.chat import Message
from node.errors import NodeUnreachable, RpcFailed

TIMEOUT_S = 120.0
"""Without a byte from the server."""
_DATA = "data: "


@dataclass(frozen=True, slots=True)
class ChatEnding:
    """How an answer ended, and what it took."""

    prompt_tokens: int
    output_tokens: int
    fee: int | None
    """In units of 10**-18 OPEN; None where nobody is paid."""
    receipt: str
    """The hash of the signed receipt in hex; empty where there is none."""


def stream_chat(
    url: str, api_key: str, model: str, messages: Sequence[Message], tokens_max: int
) -> Iterator[str | ChatEnding]:
    """The texts of an answer as they come, then its end; raises `NodeUnreachable`, `RpcFailed`."""
    body = {
        "model": model,
        "messages": [{"role": each.role, "content": each.text} for each in messages],
        "max_tokens": tokens_max,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    target = f"{url.rstrip('/')}/v1/chat/completions"
    usage: dict[str, int] = {}
    extension: dict[str, Any] = {}
    try:
        with (
            httpx.Client(timeout=TIMEOUT_S, trust_env=False) as http,
            http.stream("POST", target, json=body, headers=headers) as response,
        ):
            if not response.is_success:
                response.read()
                raise _failed(response.text)
            for event in _events(response):
                if "error" in event:
                    raise _failed(json.dumps(event))
                usage = event.get("usage") or usage
                extension = event.get("receipt") or extension
                for choice in event["choices"]:
                    yield choice["delta"].get("content") or ""
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        message = f"No server answers at {url}: {error}."
        remedy = "Start one with `openledger serve`, or give --api."
        raise NodeUnreachable(message, remedy=remedy) from error
    fee = extension.get("fee")
    yield ChatEnding(
        usage.get("prompt_tokens", 0),
        usage.get("completion_tokens", 0),
        None if fee is None else int(fee),
        str(extension.get("hash", "")),
    )


def _events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in response.iter_lines():
        if line.startswith(_DATA) and line != f"{_DATA}[DONE]":
            yield json.loads(line.removeprefix(_DATA))


def _failed(text: str) -> RpcFailed:
    """The error that a server has answered, whose message ends in its remedy."""
    try:
        error = json.loads(text)["error"]
        message, kind = str(error["message"]), str(error["type"])
    except (ValueError, KeyError, TypeError):
        message, kind = f"The server answered: {text[:200]}", ""
    return RpcFailed(message, remedy="", kind=kind, code=0)
