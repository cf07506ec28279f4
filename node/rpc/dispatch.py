"""JSON-RPC 2.0: from the bytes of a request to the bytes of its answer.

Every failure is a JSON-RPC error object with `code`, `message` and `data` = {`type`, `remedy`}:

| code | when |
|---|---|
| -32700 | the body is not JSON |
| -32600 | it is not a JSON-RPC 2.0 request, or the batch is empty or too long |
| -32601 | no such method |
| -32602 | wrong parameters |
| -32603 | a fault of the node; its log has the details |
| -32000 | any other typed refusal; `data.type` says which |
| -32001 | a request that HTTP itself refused: too large, too slow, not allowed |
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
import trio

from node.errors import HttpError, InvalidParameters, UnknownMethod
from node.http.messages import Response
from runtime.errors import OpenLedgerError

BATCH_REQUESTS_MAX = 500
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMETERS = -32602
INTERNAL_ERROR = -32603
REFUSED = -32000
HTTP_REFUSED = -32001
_log = structlog.get_logger("rpc")

Method = Callable[..., Any]
"""Takes the parameters by position or by name; returns JSON, or an awaitable of it."""


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """The methods by name, and what to tell of each finished request (method, ok)."""

    methods: Mapping[str, Method]
    observe: Callable[[str, bool], None]

    async def answer(self, body: bytes) -> bytes:
        """The answer to a request or a batch; empty if all of it were notifications."""
        try:
            payload = json.loads(body)
        except (ValueError, RecursionError) as error:
            remedy = "Send one JSON-RPC 2.0 request, or an array of them."
            return _encoded(_error(None, PARSE_ERROR, f"Not JSON: {error}.", "ParseError", remedy))
        if not isinstance(payload, list):
            return _encoded(await self._answer_one(payload))
        if not 1 <= len(payload) <= BATCH_REQUESTS_MAX:
            message = f"A batch has 1 to {BATCH_REQUESTS_MAX} requests, not {len(payload)}."
            return _encoded(_invalid(message))
        answers = []
        for request in payload:
            answers.append(await self._answer_one(request))
            # A long batch lets other connections, and the block producer, have their turn.
            await trio.lowlevel.checkpoint()
        return _encoded([answer for answer in answers if answer is not None] or None)

    async def _answer_one(self, request: Any) -> dict[str, Any] | None:
        if not isinstance(request, dict) or request.get("jsonrpc") != "2.0":
            return _invalid('A request is an object with "jsonrpc": "2.0".')
        number = request.get("id")
        if isinstance(number, bool) or not isinstance(number, str | int | float | None):
            return _invalid("The id is not a string, a number or null.")
        if not isinstance(request.get("method"), str):
            return _invalid("The method is not a string.", number)
        if not isinstance(request.get("params", []), list | dict):
            return _invalid("The params are neither an array nor an object.", number)
        answer = await self._call(number, request["method"], request.get("params", []))
        return answer if "id" in request else None

    async def _call(self, number: Any, name: str, parameters: Any) -> dict[str, Any]:
        ok = False
        try:
            result = self._bind(name, parameters)()
            if isinstance(result, Awaitable):
                result = await result
            ok = True
        except OpenLedgerError as error:
            return _explained(number, error)
        except Exception:  # noqa: BLE001 -- the boundary: one request never ends the node
            _log.exception("method failed", method=name)
            remedy = "This is a fault of the node; its log has the details."
            message = "The node failed on this request."
            return _error(number, INTERNAL_ERROR, message, "InternalError", remedy)
        finally:
            self.observe(name if name in self.methods else "unknown", ok)
        return {"jsonrpc": "2.0", "id": number, "result": result}

    def _bind(self, name: str, parameters: Any) -> Callable[[], Any]:
        method = self.methods.get(name)
        if method is None:
            message = f"There is no method {name[:64]!r}."
            raise UnknownMethod(message, remedy="rpc_methods lists what the node answers.")
        signature = inspect.signature(method)
        try:
            if isinstance(parameters, dict):
                bound = signature.bind(**parameters)
            else:
                bound = signature.bind(*parameters)
        except TypeError as error:
            message = f"{name} takes {signature_text(signature)}: {error}."
            raise InvalidParameters(message, remedy="Give these, in this order.") from error
        return lambda: method(*bound.args, **bound.kwargs)


def signature_text(signature: inspect.Signature) -> str:
    """The parameters of a method for people: `(height, wait=0)`."""
    parts = [
        name if parameter.default is inspect.Parameter.empty else f"{name}={parameter.default!r}"
        for name, parameter in signature.parameters.items()
    ]
    return f"({', '.join(parts)})"


def http_error(error: HttpError) -> Response:
    """An HTTP-level refusal in the shape of a JSON-RPC error."""
    body = _error(None, HTTP_REFUSED, error.message, type(error).__name__, error.remedy)
    return Response(json.dumps(body).encode(), error.status)


def _explained(number: Any, error: OpenLedgerError) -> dict[str, Any]:
    code = REFUSED
    if isinstance(error, UnknownMethod):
        code = METHOD_NOT_FOUND
    elif isinstance(error, InvalidParameters):
        code = INVALID_PARAMETERS
    return _error(number, code, error.message, type(error).__name__, error.remedy)


def _invalid(message: str, number: Any = None) -> dict[str, Any]:
    remedy = "See https://www.jsonrpc.org/specification for the shape of a request."
    return _error(number, INVALID_REQUEST, message, "InvalidRequest", remedy)


def _error(number: Any, code: int, message: str, kind: str, remedy: str) -> dict[str, Any]:
    error = {"code": code, "message": message, "data": {"type": kind, "remedy": remedy}}
    return {"jsonrpc": "2.0", "id": number, "error": error}


def _encoded(answer: Any) -> bytes:
    return b"" if answer is None else json.dumps(answer, separators=(",", ":")).encode()
