"""The JSON form of receipts, and its schema: the fields of the canonical form under their names.

    {"kind": "payout", "receipt": {"version": 1, "genesis_header": "85...", ...}}

Bytes are hexadecimal digits, records objects, lists arrays; integers are numbers, exact at any size
(a reader in JavaScript needs a parser that keeps those above 2**53).  Nothing is lost: the
canonical bytes are made of it again, and only they are verified.
"""

from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

from node.errors import NodeError
from node.json_values import to_json
from runtime.codec import codec_of
from runtime.errors import OpenLedgerError
from runtime.wire.receipts import InferenceReceipt, PayoutReceipt

Receipt: TypeAlias = PayoutReceipt | InferenceReceipt
KINDS: dict[str, type[PayoutReceipt | InferenceReceipt]] = {
    "payout": PayoutReceipt,
    "answer": InferenceReceipt,
}
_HEX = re.compile(r"(?:[0-9a-f]{2})*")


class ReceiptJsonError(NodeError):
    """The text is not the JSON form of a receipt."""


def receipt_document(receipt: Receipt) -> dict[str, Any]:
    """The JSON form of a receipt, as objects that `json` writes."""
    kind = next(name for name, each in KINDS.items() if isinstance(receipt, each))
    return {"kind": kind, "receipt": to_json(receipt)}


def receipt_of(text: str) -> Receipt:
    """The receipt of its JSON form; raises `ReceiptJsonError`."""
    try:
        document = json.loads(text)
        kind = KINDS[document["kind"]]
        receipt: Receipt = _record(kind, document["receipt"])
        return codec_of(kind).decode(receipt.encode())
    except (ValueError, KeyError, TypeError, OpenLedgerError) as error:
        message = f"This is not the JSON form of a receipt: {type(error).__name__}: {error}"
        remedy = "Compare it with docs/reference/receipt.schema.json."
        raise ReceiptJsonError(message, remedy=remedy) from error


def receipt_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of receipts."""
    forms = [
        {
            "properties": {"kind": {"const": name}, "receipt": _schema(kind)},
            "required": ["kind", "receipt"],
            "additionalProperties": False,
        }
        for name, kind in KINDS.items()
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A receipt of OpenLedger",
        "type": "object",
        "oneOf": forms,
    }


def _record(kind: Any, value: Any) -> Any:
    """The value of a type out of JSON; raises `ValueError`, `KeyError` or `TypeError`."""
    if get_origin(kind) is Annotated:
        return _record(get_args(kind)[0], value)
    if get_origin(kind) is tuple:
        return tuple(_record(get_args(kind)[0], item) for item in value)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind, include_extras=True)
        if value.keys() != hints.keys():
            message = f"A {kind.__name__} has other fields."
            raise ValueError(message)
        return kind(**{name: _record(hint, value[name]) for name, hint in hints.items()})
    if kind is bytes:
        if not _HEX.fullmatch(value):
            message = "Bytes are pairs of hexadecimal digits, small letters."
            raise ValueError(message)
        return bytes.fromhex(value)
    return value


def _schema(kind: Any) -> dict[str, Any]:
    if get_origin(kind) is Annotated:
        return _schema(get_args(kind)[0])
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _schema(get_args(kind)[0])}
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind, include_extras=True)
        return {
            "type": "object",
            "properties": {each.name: _schema(hints[each.name]) for each in fields(kind)},
            "required": [each.name for each in fields(kind)],
            "additionalProperties": False,
        }
    if kind is bytes:
        return {"type": "string", "pattern": f"^{_HEX.pattern}$"}
    names = {bool: "boolean", int: "integer", str: "string"}
    return {"type": names[kind]}
