"""Metadata: everything a client can know of a runtime, as JSON.

Types are in the notation of `Codec.describe`; bytes are hexadecimal.  `genesis/metadata` keeps the
metadata of each spec version: a difference is a change that clients or stored data must be ready
for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runtime.calls import CallDefinition
from runtime.codec import Codec, Plain, RecordCodec
from runtime.definition import Hook, PalletDefinition
from runtime.overlay import ABSENT
from runtime.parameters import Parameter
from runtime.storage import Map, StorageItem
from runtime.weights import Weigher, Weight


def describe_runtime(
    name: str,
    spec_version: int,
    definitions: Sequence[PalletDefinition],
    constants: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the metadata; `constants` has each pallet's values in force."""
    return {
        "name": name,
        "spec_version": spec_version,
        "pallets": [
            _describe_pallet(definition, values)
            for definition, values in zip(definitions, constants, strict=True)
        ],
    }


def _describe_pallet(definition: PalletDefinition, constants: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": definition.name,
        "index": definition.index,
        "version": definition.version,
        "documentation": definition.documentation,
        "constants": [
            {
                "name": name,
                "type": constant.codec.describe(),
                "value": _json(constant.codec.to_plain(constants[name])),
            }
            for name, constant in definition.constants.items()
        ],
        "needs": list(definition.needs),
        "storage": [_describe_item(name, item) for name, item in definition.storage.items()],
        "parameters": [
            {"name": name, "documentation": item.documentation, "guarded": item.guarded}
            for name, item in definition.storage.items()
            if isinstance(item, Parameter)
        ],
        "calls": [_describe_call(call) for call in definition.calls],
        "events": [
            {
                "name": event.name,
                "index": event.index,
                "documentation": event.documentation,
                "fields": _describe_fields(event.codec),
            }
            for event in definition.events
        ],
        "errors": [
            {
                "name": error.name,
                "documentation": error.documentation,
                "remedy": error.remedy,
                "fields": _describe_fields(error.codec),
            }
            for error in definition.errors
        ],
        "hooks": {
            hook.value: [function.__name__ for function in definition.hooks[hook]] for hook in Hook
        },
        "migrations": [
            {"name": each.name, "to_version": each.to_version, "documentation": each.documentation}
            for each in definition.migrations
        ],
    }


def _describe_call(call: CallDefinition) -> dict[str, Any]:
    return {
        "name": call.name,
        "index": call.index,
        "origin": call.origin.value,
        "operational": call.operational,
        "documentation": call.documentation,
        "arguments": _describe_fields(call.arguments),
        "weight": _describe_weight(call.weight),
    }


def _describe_weight(weight: Weight | Weigher) -> dict[str, int] | None:
    """The parts of a fixed weight; null for one that depends on the arguments."""
    if not isinstance(weight, Weight):
        return None
    parts = ("reads", "writes", "hashes", "bytes", "time_ns")
    return {part: getattr(weight, part) for part in parts}


def _describe_item(name: str, item: StorageItem) -> dict[str, Any]:
    described: dict[str, Any] = {"name": name, "kind": "value", "prefix": item.prefix.hex()}
    if isinstance(item, Map):
        described |= {"kind": "map", "key": item.key_codec.describe()}
    described |= {"type": item.codec.describe(), "bytes_max": item.codec.max_bytes}
    if item.default_plain is not ABSENT:
        described["default"] = _json(item.default_plain)
    return described


def _describe_fields(codec: RecordCodec[Any]) -> list[dict[str, Any]]:
    return [_describe_field(name, item) for name, item in codec.items.items()]


def _describe_field(name: str, codec: Codec[Any]) -> dict[str, Any]:
    return {"name": name, "type": codec.describe()}


def _json(plain: Plain) -> Any:
    if isinstance(plain, bytes):
        return plain.hex()
    if isinstance(plain, tuple):
        return [_json(item) for item in plain]
    return plain
