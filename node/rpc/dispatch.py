"""JSON-RPC 2.0: from the bytes of a request to the bytes of its answer; errors: `rpc.errors`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import isawaitable
from math import isfinite
from typing import Any

import structlog
import trio

from node.errors import HttpError, SocketNeeded, UnknownMethod
from node.http.messages import Response
from node.rpc.errors import PARSE_ERROR, error_answer, explained, failed, invalid_request
from node.rpc.method import Served, Subscriber
from runtime.errors import OpenLedgerError

BATCH_REQUESTS_MAX = 500
BATCH_BYTES_MAX = 32 * 1024 * 1024
"""When the answers of a batch have so many bytes, the rest of it is refused."""
_log = structlog.get_logger("rpc")


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """The methods by name, and what to tell of each finished request (method, ok)."""

    methods: Mapping[str, Served]
    observe: Callable[[str, bool], None]

    async def answer(self, body: bytes, subscriber: Subscriber | None = None) -> bytes:
        """The answer to a request or a batch; empty if all of it were notifications.

        `subscriber` is the connection if it can carry subscriptions.
        """
        try:
            payload = _DECODER.decode(body.decode())
        except (ValueError, RecursionError) as error:
            remedy = "Send one JSON-RPC 2.0 request, or an array of them."
            message = f"Not JSON: {error}."
            return _encoded(error_answer(None, PARSE_ERROR, message, "ParseError", remedy))
        if not isinstance(payload, list):
            answer = await self._answer_one(payload, subscriber)
            return b"" if answer is None else _encoded(answer)
        if not 1 <= len(payload) <= BATCH_REQUESTS_MAX:
            message = f"A batch has 1 to {BATCH_REQUESTS_MAX} requests, not {len(payload)}."
            return _encoded(invalid_request(message))
        return await self._answer_batch(payload, subscriber)

    async def _answer_batch(self, payload: list[Any], subscriber: Subscriber | None) -> bytes:
        answers = []
        left_bytes = BATCH_BYTES_MAX
        for request in payload:
            if left_bytes < 0:
                message = f"The answers of this batch exceed {BATCH_BYTES_MAX} bytes."
                answer: Any = invalid_request(message, _number_of(request))
            else:
                answer = await self._answer_one(request, subscriber)
            if answer is not None:
                answers.append(_encoded(answer))
                left_bytes -= len(answers[-1])
            # A long batch lets other connections, and the block producer, have their turn.
            await trio.lowlevel.checkpoint()
        return b"[" + b",".join(answers) + b"]" if answers else b""

    async def _answer_one(
        self, request: Any, subscriber: Subscriber | None
    ) -> dict[str, Any] | None:
        if not isinstance(request, dict) or request.get("jsonrpc") != "2.0":
            return invalid_request('A request is an object with "jsonrpc": "2.0".')
        number = request.get("id")
        if not _is_id(number):
            return invalid_request("The id is not a string, a number or null.")
        name = request.get("method")
        if not isinstance(name, str):
            return invalid_request("The method is not a string.", number)
        parameters = request.get("params", [])
        if not isinstance(parameters, list | dict):
            return invalid_request("The params are neither an array nor an object.", number)
        answer = await self._call(number, name, parameters, subscriber)
        return answer if "id" in request else None

    async def _call(
        self, number: Any, name: str, parameters: Any, subscriber: Subscriber | None
    ) -> dict[str, Any]:
        ok = False
        known = self.methods.get(name)
        try:
            result = _begin(known, name, parameters, subscriber)
            if isawaitable(result):
                result = await result
            ok = True
        except OpenLedgerError as error:
            return explained(number, error)
        except Exception:  # noqa: BLE001 -- the boundary: one request never ends the node
            _log.exception("method failed", method=name)
            return failed(number)
        finally:
            self.observe("unknown" if known is None else name, ok)
        return {"jsonrpc": "2.0", "id": number, "result": result}


def _begin(known: Served | None, name: str, parameters: Any, subscriber: Subscriber | None) -> Any:
    """What a method returns, or the awaitable of it; raises a `RequestError` for a misfit."""
    if known is None:
        message = f"There is no method {name[:64]!r}."
        raise UnknownMethod(message, remedy="rpc_methods lists what the node answers.")
    arguments = known.method.read(parameters)
    if not known.method.takes_subscriber:
        return known.answer(*arguments)
    if subscriber is None:
        message = f"{name} needs a connection that stays open."
        raise SocketNeeded(message, remedy="Open a WebSocket connection to the same URL.")
    return known.answer(subscriber, *arguments)


def http_error(error: HttpError) -> Response:
    """An HTTP-level refusal in the shape of a JSON-RPC error."""
    return Response(_encoded(explained(None, error)), error.status)


def _number_of(request: Any) -> Any:
    """The id to answer a request with that is not looked at any closer."""
    number = request.get("id") if isinstance(request, dict) else None
    return number if _is_id(number) else None


def _is_id(number: Any) -> bool:
    if isinstance(number, float):
        return isfinite(number)  # 1e999 is none, and could not be said back
    return isinstance(number, str | int | None) and not isinstance(number, bool)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


# Made once: `json.loads` and `json.dumps` make new ones for every call with options.
_DECODER = json.JSONDecoder(parse_constant=_no_number)
_ENCODER = json.JSONEncoder(separators=(",", ":"))


def _encoded(answer: Any) -> bytes:
    return _ENCODER.encode(answer).encode()
