"""A form for any call, out of the metadata: an out-of-tree pallet's calls need no edit here.

What is typed is read as the command line reads it (`node/cli/arguments.py`), so that the command
shown beside the form is the same thing in other words.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from nicegui import ui

from node.chain_client.notation import (
    Boolean,
    Enumeration,
    Integer,
    Optional,
    Sequence,
    Sized,
    Type,
    parse_type,
)
from node.cli.arguments import typed_value
from node.errors import ConfigError
from node.json_values import to_json
from runtime.calls import CallDefinition, RuntimeCall
from runtime.codec import Codec, RecordCodec
from runtime.types import PPB
from studio.context import Studio
from studio.errors import FieldInvalid
from studio.frame import html
from studio.parts import values
from studio.parts.fields import ACCOUNT_FIELDS, AMOUNT_MIN
from studio.parts.tags import tag

CALL_DEPTH_MAX = 3
"""How deep calls may hold calls in a form."""
TEXT_AREA_BYTES = 256
"""Texts that may be longer get several lines."""
ReadValue = Callable[[], tuple[Any, str | None]]
"""A field's value, and how the command line has it, if it can; raises `FieldInvalid`."""


@dataclass(frozen=True, slots=True)
class FilledCall:
    """A call as it was filled in, and its arguments as the command line has them."""

    definition: CallDefinition
    call: RuntimeCall
    words: Mapping[str, str | None]


@dataclass(slots=True)
class CallForm:
    """The fields of one call; `read` gives the call and its command."""

    definition: CallDefinition
    fields: dict[str, ReadValue] = field(default_factory=dict)

    def read(self) -> FilledCall:
        """The call; raises `FieldInvalid`."""
        found = {name: read() for name, read in self.fields.items()}
        arguments = {name: value for name, (value, _word) in found.items()}
        call: RuntimeCall = self.definition.arguments.record(**arguments)
        return FilledCall(
            self.definition, call, {name: word for name, (_value, word) in found.items()}
        )


def definition_of(studio: Studio, name: str) -> CallDefinition:
    """What `Pallet.call` is; raises `FieldInvalid` for one that the runtime lacks."""
    definition = studio.chain.state.decoder.call_definitions.get(name)
    if definition is None:
        message = f"The chain's runtime has no call {name[:80]!r}."
        raise FieldInvalid(message, remedy="The Pallets page has all calls.")
    return definition


def call_form(
    studio: Studio,
    definition: CallDefinition,
    filled: Mapping[str, Any] | None = None,
    depth: int = 0,
) -> CallForm:
    """Put the fields of a call on the page, with some of them filled."""
    form = CallForm(definition)
    known = filled or {}
    with ui.element("div").classes("form"):
        for name, codec in definition.arguments.items.items():
            form.fields[name] = value_field(studio, name, codec, known.get(name), depth)
    return form


def filled_call(studio: Studio, name: str, arguments: Mapping[str, Any]) -> FilledCall:
    """A call that a page filled in itself; raises `FieldInvalid` for what does not fit."""
    definition = definition_of(studio, name)
    shown = {each: _word(value) for each, value in arguments.items()}
    codecs = definition.arguments.items
    if differing := sorted(shown.keys() ^ codecs.keys()):
        message = f"The chain's {name} has other arguments: {', '.join(differing)}."
        raise FieldInvalid(message, remedy="Use the page Pallets, and a newer Studio.")
    typed = {each: _typed(studio, codecs[each], word, each) for each, word in shown.items()}
    return FilledCall(definition, definition.arguments.record(**typed), shown)


def _word(value: Any) -> str:
    """A value as the command line has it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return json.dumps(to_json(value)) if isinstance(value, dict | list | tuple) else str(value)


def command_of(studio: Studio, filled: FilledCall, key: str) -> str | None:
    """The command that would do the same; None for calls that hold calls, which it cannot write."""
    parts = ["openledger tx", filled.definition.pallet, filled.definition.name]
    for name, word in filled.words.items():
        if word is None:
            return None
        parts.append(f"--{name} {shlex.quote(word)}")
    return " ".join([*parts, f"--key {key}", f"--node {studio.settings.node}"])


def value_field(
    studio: Studio, name: str, codec: Codec[Any], filled: Any = None, depth: int = 0
) -> ReadValue:
    """Put a field of a type on the page, of a record one for each of its own.

    `filled` is a word, of a record a mapping of words (`word_of`).
    """
    kind = parse_type(codec.describe())
    label = values.words(name.removesuffix("_ppb"))
    if _is_call(kind):
        return _call_field(studio, label, depth)
    if isinstance(kind, Sequence) and _is_call(kind.item):
        return _calls_field(studio, label, kind.most, depth)
    if isinstance(codec, RecordCodec):
        return _record_field(studio, label, codec, filled or {}, depth)
    shown = "" if filled is None else str(filled)
    match kind:
        case Boolean():
            switch = ui.checkbox(label, value=shown in {"true", "True"})
            return lambda: (switch.value, "true" if switch.value else "false")
        case Enumeration():
            names = [member for member, _number in kind.members]
            chosen = ui.select(names, value=shown or names[0], label=label).props("outlined dense")
            return lambda: (_typed(studio, codec, str(chosen.value), name), str(chosen.value))
    entry = _entry(studio, name, label, kind, shown)
    return lambda: _read(studio, codec, name, str(entry.value or ""), kind)


def _record_field(
    studio: Studio, label: str, codec: RecordCodec[Any], filled: Mapping[str, Any], depth: int
) -> ReadValue:
    """The fields of a record under its name."""
    with ui.element("fieldset").classes("record"):
        html(tag("legend", label))
        with ui.element("div").classes("form"):
            fields = {
                each: value_field(studio, each, item, filled.get(each), depth)
                for each, item in codec.items.items()
            }

    def read() -> tuple[Any, str]:
        value = codec.record(**{each: read_one()[0] for each, read_one in fields.items()})
        return value, _word(to_json(value))

    return read


def word_of(name: str, codec: Codec[Any], value: Any) -> Any:
    """A value as its field shows it: a word, of a record a mapping of words."""
    kind = parse_type(codec.describe())
    if isinstance(codec, RecordCodec):
        return {
            each: word_of(each, item, getattr(value, each)) for each, item in codec.items.items()
        }
    if _is_share(name, kind):
        return values.ppb(value).removesuffix(" %")
    if isinstance(kind, Integer) and kind.most > AMOUNT_MIN:
        return f"{values.amount_text(value, 18).replace(',', '')}OPEN"
    return value.name if isinstance(kind, Enumeration) else _word(value)


def _is_share(name: str, kind: Type) -> bool:
    """Whether a field holds parts per billion, which people write in per cent."""
    return isinstance(kind, Integer) and name.endswith("_ppb") and "loss" not in name


def _is_call(kind: Type) -> bool:
    return isinstance(kind, Sized) and kind.kind == "call"


def _entry(studio: Studio, name: str, label: str, kind: Type, shown: str) -> ui.input | ui.textarea:
    hint = _hint(name, kind)
    entry: ui.input | ui.textarea
    if isinstance(kind, Sized) and kind.kind == "text" and kind.count > TEXT_AREA_BYTES:
        entry = ui.textarea(label, value=shown).props("autogrow")
    elif name in ACCOUNT_FIELDS and isinstance(kind, Sized):
        entry = ui.input(label, value=shown, autocomplete=sorted(studio.names.items().values()))
    else:
        entry = ui.input(label, value=shown)
    entry.props("outlined dense hide-bottom-space").props["hint"] = hint
    return entry


def _hint(name: str, kind: Type) -> str:  # noqa: PLR0911 # one a kind
    match kind:
        case Optional():
            return f"{_hint(name, kind.item)}; empty for none"
        case Integer() if _is_share(name, kind):
            return f"{values.ppb(kind.least)} to {values.ppb(kind.most)}"
        case Integer() if kind.most > AMOUNT_MIN:
            return "such as 2.5OPEN, or in units of 10⁻¹⁸"
        case Integer() if kind.most >= 2**31:
            return "a whole number"
        case Integer():
            return f"{kind.least:,} to {kind.most:,}"
        case Sized(kind="bytes") if name in ACCOUNT_FIELDS:
            return "an account, or its name"
        case Sized(kind="bytes"):
            return f"{kind.count} bytes in hexadecimal" if kind.exact else "hexadecimal digits"
        case Sized():
            return f"text of up to {kind.count:,} bytes"
    return 'JSON, such as [1, 2] or {"rank": 8}'


def _read(studio: Studio, codec: Codec[Any], name: str, text: str, kind: Type) -> tuple[Any, str]:
    word = text.strip()
    if not word and isinstance(kind, Optional):
        word = "null"
    if word and _is_share(name, kind):
        word = _parts_per_billion(word)
    if not word and not (isinstance(kind, Sized) and not kind.exact):
        message = f"{values.words(name)} is empty."
        raise FieldInvalid(message, remedy=f"It wants {_hint(name, kind)}.")
    return _typed(studio, codec, word, name), word


def _parts_per_billion(per_cent: str) -> str:
    """Per cent as the whole number that the chain has; what is no number stays, to be refused."""
    try:
        return str(int(Decimal(per_cent.removesuffix("%").strip()) * (PPB // 100)))
    except (ArithmeticError, ValueError):
        return per_cent


def _typed(studio: Studio, codec: Codec[Any], word: str, name: str) -> Any:
    try:
        return typed_value(codec, word, values.words(name), studio.names.account_of)
    except ConfigError as error:
        raise FieldInvalid(error.message, remedy=error.remedy) from error


def _call_field(studio: Studio, label: str, depth: int) -> ReadValue:
    """A call that is an argument of another: chosen, and then filled in."""
    held: list[CallForm] = []
    with ui.element("div").style("grid-column: 1 / -1"):
        _call_chooser(studio, label, depth, held)
    return lambda: _held_call(label, held)


def _calls_field(studio: Studio, label: str, most: int, depth: int) -> ReadValue:
    """Several calls, one below the other."""
    all_held: list[list[CallForm]] = []
    with ui.element("div").style("grid-column: 1 / -1"):
        rows = ui.element("div")

        def add() -> None:
            if len(all_held) < most:
                all_held.append([])
                with rows:
                    _call_chooser(studio, f"Call {len(all_held)}", depth, all_held[-1])

        ui.button("Add a call", icon="add", on_click=add).props("flat dense")
        add()

    def read() -> tuple[Any, None]:
        return tuple(_held_call(label, held)[0] for held in all_held), None

    return read


def _call_chooser(studio: Studio, label: str, depth: int, held: list[CallForm]) -> None:
    if depth >= CALL_DEPTH_MAX:
        message = "Calls hold calls too deep for a form."
        raise FieldInvalid(message, remedy="Use the typed client.")
    names = sorted(studio.chain.state.decoder.call_definitions)
    chooser = ui.select(names, label=f"{label}: which", with_input=True, clearable=True)
    chooser.props("outlined dense")
    inside = ui.element("div").classes("q-pl-md q-pt-sm")

    def choose() -> None:
        held.clear()
        inside.clear()
        if chooser.value:
            with inside:
                held.append(
                    call_form(studio, definition_of(studio, chooser.value), None, depth + 1)
                )

    chooser.on_value_change(choose)


def _held_call(label: str, held: list[CallForm]) -> tuple[RuntimeCall, None]:
    if not held:
        raise FieldInvalid(f"{label}: no call is chosen.", remedy="Choose one.")
    return held[0].read().call, None
