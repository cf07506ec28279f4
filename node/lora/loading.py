"""The bodies of `/v1/load_lora_adapter` and `/v1/unload_lora_adapter`, as vLLM has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.api.errors import InvalidRequest
from node.api.requests import wrong

_LOAD = frozenset({"lora_name", "lora_path", "load_inplace", "base_model_name"})
_UNLOAD = frozenset({"lora_name", "lora_int_id"})


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """A name for a folder."""

    name: str
    folder: Path
    replaces: bool
    """Whether the name may stand for something loaded before."""


def parse_load(body: Any, base_name: str) -> LoadRequest:
    """Check a body; raises `InvalidRequest` naming the field."""
    fields = _fields(body, _LOAD)
    if fields.get("base_model_name", base_name) != base_name:
        raise wrong("base_model_name", fields["base_model_name"], f"{base_name!r}, or left out")
    replaces = fields.get("load_inplace", False)
    if not isinstance(replaces, bool):
        raise wrong("load_inplace", replaces, "true or false")
    folder = Path(_text(fields, "lora_path"))
    return LoadRequest(_text(fields, "lora_name"), folder, replaces)


def parse_unload(body: Any) -> str:
    """The name in a body; raises `InvalidRequest` naming the field."""
    return _text(_fields(body, _UNLOAD), "lora_name")


def _fields(body: Any, known: frozenset[str]) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise InvalidRequest("The body is not a JSON object.", remedy="Send one JSON object.")
    fields = {name: value for name, value in body.items() if value is not None}
    for name in fields.keys() - known:
        message = f"There is no parameter {name[:80]!r}."
        raise InvalidRequest(message, remedy="Leave it out.", parameter=name[:80])
    return fields


def _text(fields: dict[str, Any], name: str) -> str:
    text = fields.get(name)
    if not isinstance(text, str) or not text or "\x00" in text:
        raise wrong(name, text, "a text that is not empty")
    return text
