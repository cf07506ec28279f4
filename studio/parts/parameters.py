"""A form that proposes another value for a parameter, in a field of its type."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from studio.chain.parameters import Parameter
from studio.context import Studio
from studio.errors import ObjectMissing
from studio.frame import html
from studio.parts import values
from studio.parts.call_form import FilledCall, ReadValue, filled_call, value_field, word_of
from studio.parts.fields import Fields
from studio.parts.tags import tag


class ParameterForm:
    """The field of a chosen parameter's new value."""

    def __init__(self, studio: Studio, name: str, parameter: Parameter) -> None:
        self.name = name
        self.parameter = parameter
        self._studio = studio
        self._read: ReadValue | None = None

    async def show(self) -> None:
        """Put it on the page, with the value that the chain has now."""
        stored = self.parameter.stored
        now = await self._studio.chain.state.read(stored.pallet, stored.name)
        value = self._studio.chain.state.decoder.to_json(now)
        shown = Fields(self._studio).value(stored.name, value, self.parameter.kind)
        html(
            values.facts(
                ("What it is", self.parameter.documentation),
                ("Now", tag("span", shown)),
                ("Decided by", f"the track {self.parameter.track.lower()}"),
            )
        )
        with ui.element("div").classes("form q-mt-md"):
            word = word_of(stored.name, stored.codec, now)
            self._read = value_field(self._studio, stored.name, stored.codec, word)

    def read(self) -> FilledCall:
        """The call that sets it; raises `FieldInvalid`."""
        value, _word = self._value()
        stored = self.parameter.stored
        arguments = {
            "pallet": stored.pallet,
            "name": stored.name,
            "value": stored.codec.encode(value),
        }
        return filled_call(self._studio, self.parameter.setter, arguments)

    def words(self) -> list[str]:
        """The proposal as `openledger gov` has it; raises `FieldInvalid`."""
        _value, word = self._value()
        return ["parameter", self.name, "--value", word or ""]

    def _value(self) -> tuple[Any, str | None]:
        if self._read is None:
            raise ObjectMissing("No parameter is chosen.", remedy="Choose what shall change.")
        return self._read()
