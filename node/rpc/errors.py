"""The codes of JSON-RPC errors: one table, which the OpenRPC document repeats.

Every failure is an error object with `code`, `message` and `data` = {`type`, `remedy`}.  `type` is
the name of the error's class, which says most; the code is for clients that know Substrate's.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from node.errors import (
    Banned,
    HttpError,
    InvalidParameters,
    MempoolFull,
    NonceTaken,
    UnknownMethod,
)
from runtime.errors import DecodeError, InvalidTransaction, OpenLedgerError

PARSE_ERROR = -32700
"""The body is not JSON."""
INVALID_REQUEST = -32600
"""It is not a JSON-RPC 2.0 request, or the batch is empty or too long."""
INTERNAL_ERROR = -32603
"""A fault of the node; its log has the details."""
REFUSED = -32000
"""Any other typed refusal."""

CODES: Mapping[type[OpenLedgerError], int] = MappingProxyType(
    {
        UnknownMethod: -32601,
        InvalidParameters: -32602,
        HttpError: -32001,
        DecodeError: 1001,
        InvalidTransaction: 1010,
        Banned: 1012,
        NonceTaken: 1014,
        MempoolFull: 1016,
    }
)
"""By the error's class or the nearest of its bases; those above 1000 are Substrate's."""


def code_of(kind: type[OpenLedgerError]) -> int:
    """The code of a typed refusal."""
    return next((CODES[base] for base in kind.__mro__ if base in CODES), REFUSED)


def explained(number: Any, error: OpenLedgerError) -> dict[str, Any]:
    """The answer to a request that was refused with a typed error."""
    kind = type(error)
    return error_answer(number, code_of(kind), error.message, kind.__name__, error.remedy)


def invalid_request(message: str, number: Any = None) -> dict[str, Any]:
    """The answer to what is no request."""
    remedy = "See https://www.jsonrpc.org/specification for the shape of a request."
    return error_answer(number, INVALID_REQUEST, message, "InvalidRequest", remedy)


def failed(number: Any) -> dict[str, Any]:
    """The answer to a request that found a fault of the node."""
    remedy = "This is a fault of the node; its log has the details."
    message = "The node failed on this request."
    return error_answer(number, INTERNAL_ERROR, message, "InternalError", remedy)


def error_answer(number: Any, code: int, message: str, kind: str, remedy: str) -> dict[str, Any]:
    """The answer to the request `number` that says what is wrong."""
    error = {"code": code, "message": message, "data": {"type": kind, "remedy": remedy}}
    return {"jsonrpc": "2.0", "id": number, "error": error}
