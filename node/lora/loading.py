"""The bodies of `/v1/load_lora_adapter` and `/v1/unload_lora_adapter`, as vLLM has them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.api.errors import InvalidRequest, UnknownModel
from node.api.requests import wrong

NAME_PATTERN = "[A-Za-z0-9_][A-Za-z0-9._-]{0,99}"
"""Of the names that can be given: all characters mean the same in a path, a URL and a shell."""
PATH_CHARACTERS_MAX = 1_024
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
    base = fields.get("base_model_name", base_name)
    if not isinstance(base, str) or not base:
        raise wrong("base_model_name", base, f"{base_name!r}, or left out")
    if base != base_name:
        message = f"The base model is not {base[:64]!r}."
        remedy = f"Leave it out, or send {base_name!r}."
        raise UnknownModel(message, remedy=remedy, parameter="base_model_name")
    replaces = fields.get("load_inplace", False)
    if not isinstance(replaces, bool):
        raise wrong("load_inplace", replaces, "true or false")
    return LoadRequest(_name(fields), Path(_text(fields, "lora_path")), replaces)


def parse_unload(body: Any) -> str:
    """The name in a body; raises `InvalidRequest` naming the field."""
    return _name(_fields(body, _UNLOAD))


def _name(fields: dict[str, Any]) -> str:
    name = _text(fields, "lora_name")
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise wrong("lora_name", name, f"a name like {NAME_PATTERN}")
    return name


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
    if not isinstance(text, str) or not 0 < len(text) <= PATH_CHARACTERS_MAX or "\x00" in text:
        raise wrong(name, text, f"a text of 1 to {PATH_CHARACTERS_MAX} characters, none of them 0")
    return text
