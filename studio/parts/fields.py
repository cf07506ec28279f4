"""Any value of the chain as people read it, by its type in the metadata and its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from studio.chain.parameters import SETTERS, Parameter, set_value
from studio.context import Studio
from studio.parts import values
from studio.parts.tags import Child, join, link, tag

_ACCOUNT_NAMES = """
    account accounts beneficiary builder candidate candidates challenger contributor creator
    curator defender delegate delegator depositor from guardian held_by miner nominator owner
    payer proposer proxy real receiver recipient referee registrant reporter sender server
    signatories signatory signer spender sponsor staker to user validator voter who worker
"""
ACCOUNT_FIELDS = frozenset(_ACCOUNT_NAMES.split())
"""Names of fields of 32 bytes that are accounts; others are hashes."""
HEIGHT_ENDINGS = ("_at", "height", "deadline", "_until", "_height", "enact_at", "until")
ITEMS_SHOWN_MAX = 12
TEXT_SHOWN_MAX = 160
HASH_DIGITS = 64
AMOUNT_MIN = 2**64
"""Integers that may be larger are amounts, and are shown and given in OPEN."""


class Fields:
    """Shows values of one chain, with the names that this Studio knows."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def event(self, name: str, fields: Mapping[str, Any]) -> Markup:
        """The fields of an event, side by side."""
        return self.row(fields, self._types("events", "fields", name))

    def brief(self, name: str, fields: Mapping[str, Any]) -> Markup:
        """What most people want of an event: accounts, numbers and links, no roots and records."""
        return self.event(name, {key: value for key, value in fields.items() if _tells(key, value)})

    def arguments(self, name: str, arguments: Mapping[str, Any]) -> Markup:
        """The arguments of a call, one below the other."""
        types = self._types("calls", "arguments", name)
        if not arguments:
            return tag("span", "It takes no arguments.", class_="muted")
        if name in SETTERS and (found := set_value(self._studio.chain.state, arguments)):
            return self._parameter(*found)
        return values.facts(
            *(
                (values.words(key), self.value(key, value, types.get(key)))
                for key, value in arguments.items()
            )
        )

    def _parameter(self, parameter: Parameter, value: Any) -> Markup:
        """A parameter with the value that it is given, instead of the bytes."""
        stored = parameter.stored
        return values.facts(
            ("Parameter", link(str(stored), f"/pallets/{stored.pallet}/{stored.name}")),
            ("What it is", parameter.documentation),
            ("New value", self.value(stored.name, value, parameter.kind)),
        )

    def call(self, name: str, arguments: Mapping[str, Any]) -> Markup:
        """A call in a line, if it is one that sets a parameter; else with all its arguments."""
        if name in SETTERS and (found := set_value(self._studio.chain.state, arguments)):
            parameter, value = found
            stored = parameter.stored
            shown = self.value(stored.name, value, parameter.kind)
            text = link(str(stored), f"/pallets/{stored.pallet}/{stored.name}")
            return tag("span", "set ", text, " to ", shown)
        return tag("div", values.call_name(name), self.arguments(name, arguments))

    def row(self, fields: Mapping[str, Any], types: Mapping[str, str] | None = None) -> Markup:
        """Names and values side by side."""
        known = types or {}
        return tag(
            "div",
            *(
                tag(
                    "span",
                    tag("span", f"{values.words(key.removesuffix('_ppb')).lower()} "),
                    self.value(key, value, known.get(key)),
                )
                for key, value in fields.items()
            ),
            class_="kv",
        )

    def value(self, name: str, value: Any, kind: str | None = None) -> Child:  # noqa: PLR0911 # one a kind
        """One value; `name` is its field's, `kind` its type in the metadata's notation."""
        match value:
            case None:
                return tag("span", "none", class_="muted")
            case bool():
                return "yes" if value else "no"
            case int():
                return self._integer(name, value, kind or "")
            case str():
                return self._text(name, value)
            case {"call": str(call), "arguments": dict(arguments)}:
                return tag("div", values.call_name(call), self.arguments(call, arguments))
            case dict():
                return self.row(value, _field_types(kind))
            case list():
                return self._list(name, value, kind)
        return str(value)

    def _list(self, name: str, value: list[Any], kind: str | None) -> Child:
        if not value:
            return tag("span", "none", class_="muted")
        inner = kind[1:].rsplit(";", 1)[0] if kind and kind.startswith("[") else None
        shown = [self.value(name, each, inner) for each in value[:ITEMS_SHOWN_MAX]]
        if len(value) > ITEMS_SHOWN_MAX:
            shown.append(tag("span", f"{len(value) - ITEMS_SHOWN_MAX} more", class_="muted"))
        return join(shown, ", ")

    def _integer(self, name: str, value: int, kind: str) -> Child:  # noqa: PLR0911 # one a kind
        if name == "datanet":
            return link(f"#{value}", f"/datanets/{value}")
        if name == "job":
            return link(f"#{value}", f"/jobs/{value}")
        if "loss" in name and name.endswith("_ppb"):
            return f"{value / values.PPB:.4f} nats"
        if name.endswith("_ppb"):
            return values.ppb(value)
        if _is_amount(kind) or name in {"amount", "fee", "bond", "pool", "fees"}:
            return values.amount(value)
        if name.endswith(HEIGHT_ENDINGS) and 0 < value <= self._studio.chain.height:
            return values.block_link(value)
        return tag("span", values.number(value), class_="number")

    def _text(self, name: str, value: str) -> Child:
        is_hash = len(value) == HASH_DIGITS and all(digit in "0123456789abcdef" for digit in value)
        if is_hash and (name in ACCOUNT_FIELDS or self._studio.names.of(value)):
            return self._studio.account(value)
        if is_hash:
            where = f"/models/{value}" if name in {"model", "adapter"} else None
            return values.digest(value, where)
        if len(value) > TEXT_SHOWN_MAX:
            return tag("span", value[:TEXT_SHOWN_MAX] + "…", title=value[:4_096])
        return value

    def _types(self, group: str, part: str, name: str) -> Mapping[str, str]:
        """The types of an event's fields or a call's arguments, if the runtime has it now."""
        pallet, _, item = name.partition(".")
        known = self._studio.chain.state.pallets.get(pallet, {group: []})
        for each in known[group]:
            if each["name"] == item:
                return {field["name"]: field["type"] for field in each[part]}
        return {}


def _tells(name: str, value: Any) -> bool:
    """Whether a field is more than a commitment to something else."""
    if isinstance(value, dict | list) or value is None:
        return False
    is_hash = isinstance(value, str) and len(value) == HASH_DIGITS
    return not is_hash or name in ACCOUNT_FIELDS or name in {"model", "adapter"}


def _field_types(kind: str | None) -> dict[str, str]:
    """The types of a record's fields, in the notation: `Account(nonce: u64, free: u128)`."""
    if not kind or "(" not in kind:
        return {}
    inside = kind.rstrip("?").partition("(")[2].removesuffix(")")
    found: list[str] = [""]
    depth = 0
    for letter in inside:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and not depth:
            found.append("")
        else:
            found[-1] += letter
    parts = (each.strip().partition(": ") for each in found)
    return {name: rest for name, colon, rest in parts if colon}


def _is_amount(kind: str) -> bool:
    """Whether integers of a type may be too large for anything but amounts."""
    if kind.startswith("int["):
        return int(kind.rstrip("?]").rpartition("..")[2]) > AMOUNT_MIN
    return kind.startswith("u128")
