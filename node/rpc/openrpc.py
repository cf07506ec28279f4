"""The OpenRPC document: every method with its parameters, result and errors, out of the code.

`rpc.discover` answers it; `python -m node.rpc.document` writes it to docs/reference/openrpc.json.
Subscriptions are methods with `x-notification`, which says what comes later, and `x-unsubscribe`.
Specification: https://spec.open-rpc.org, version 1.3.2.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from node.errors import InvalidParameters, SocketNeeded, UnknownMethod
from node.rpc.errors import INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR, code_of
from node.rpc.method import Method, Parameter
from node.rpc.parameters import Schema
from runtime.errors import DefinitionError, OpenLedgerError

OPENRPC_VERSION = "1.3.2"
_FIELD = re.compile(r'^    (\w+): .*\n    """(.*?)"""', re.MULTILINE | re.DOTALL)
"""A field of a class, and the sentences under it."""
_SCALARS: Mapping[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
    Any: {},
}


def openrpc_document(methods: Iterable[Method], version: str) -> dict[str, Any]:
    """The document of some methods, for the software of a version."""
    records: dict[str, Schema] = {}
    described = [_method(each, records) for each in sorted(methods, key=lambda each: each.name)]
    return {
        "openrpc": OPENRPC_VERSION,
        "info": {
            "title": "OpenLedger node",
            "version": version,
            "description": (
                "JSON-RPC 2.0 over POST / and over WebSocket at /; subscriptions need the latter. "
                "Bytes are hexadecimal digits. Errors carry data.type and data.remedy; these may "
                "come from every method: "
                f"{PARSE_ERROR} (not JSON), {INVALID_REQUEST} (no request), "
                f"{code_of(UnknownMethod)} (no such method), {INTERNAL_ERROR} (a fault of the "
                "node)."
            ),
        },
        "methods": described,
        "components": {"schemas": dict(sorted(records.items()))},
    }


def _method(method: Method, records: dict[str, Schema]) -> dict[str, Any]:
    errors = [*method.errors]
    if method.parameters:
        errors.append(InvalidParameters)
    if method.takes_subscriber:
        errors.append(SocketNeeded)
    summary, _, details = method.documentation.partition("\n\n")
    described = {
        "name": method.name,
        "summary": " ".join(summary.split()),
        "paramStructure": "either",
        "params": [_parameter(each) for each in method.parameters],
        "result": {"name": "result", "schema": schema_of(method.result, records)},
        "errors": [_error(each) for each in dict.fromkeys(errors)],
    }
    if details:
        described["description"] = " ".join(details.split())
    if method.sends is not None:
        schema = schema_of(method.sends.result, records)
        described["x-notification"] = {"method": method.sends.notification, "result": schema}
        described["x-unsubscribe"] = method.sends.unsubscribe
    return described


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema = dict(parameter.kind.schema())
    if not parameter.is_required:
        schema["default"] = parameter.default
    return {"name": parameter.name, "required": parameter.is_required, "schema": schema}


def _error(kind: type[OpenLedgerError]) -> dict[str, Any]:
    meaning = (inspect.getdoc(kind) or "").split("\n\n")[0]
    return {
        "code": code_of(kind),
        "message": " ".join(meaning.split()),
        "data": {"type": kind.__name__},
    }


def schema_of(annotation: Any, records: dict[str, Schema]) -> Schema:
    """The JSON Schema of a result's annotation; typed dictionaries go into `records`."""
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    arguments = get_args(annotation)
    schema: Schema
    match get_origin(annotation):
        case origin if origin is Annotated:
            schema = arguments[1].schema()
        case origin if origin is Literal:
            schema = {"enum": list(arguments)}
        case origin if origin in {Union, UnionType}:
            schema = {"oneOf": [schema_of(each, records) for each in arguments]}
        case origin if origin is list:
            schema = {"type": "array", "items": schema_of(arguments[0], records)}
        case origin if origin is tuple:
            items = [schema_of(each, records) for each in arguments]
            schema = {"type": "array", "items": items, "minItems": len(items)}
        case origin if origin is dict:
            schema = {"type": "object", "additionalProperties": schema_of(arguments[1], records)}
        case _:
            schema = _record(annotation, records)
    return schema


def _record(annotation: Any, records: dict[str, Schema]) -> Schema:
    """A reference to the schema of a typed dictionary; raises `DefinitionError` for others."""
    required = getattr(annotation, "__required_keys__", None)
    if required is None:
        message = f"{annotation!r} is no result of a JSON-RPC method."
        raise DefinitionError(message, remedy="Annotate it with a type of node.rpc.results.")
    name = annotation.__name__
    if name not in records:
        records[name] = {}  # one that refers to itself finds the name
        comments = _comments_of(annotation)
        hints = get_type_hints(annotation, include_extras=True)
        records[name] = {
            "type": "object",
            "description": inspect.getdoc(annotation),
            "properties": {
                field: {**schema_of(hint, records), **comments.get(field, {})}
                for field, hint in hints.items()
            },
            "required": sorted(required),
        }
    return {"$ref": f"#/components/schemas/{name}"}


def _comments_of(annotation: Any) -> dict[str, Schema]:
    """The sentences under the fields of a typed dictionary and of those it extends."""
    found: dict[str, Schema] = {}
    for base in [annotation, *getattr(annotation, "__orig_bases__", ())]:
        if hasattr(base, "__required_keys__"):
            source = inspect.getsource(base)
            for field, text in _FIELD.findall(source):
                found.setdefault(field, {"description": " ".join(text.split())})
    return found
