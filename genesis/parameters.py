"""What a chain chooses for itself: values of the pallets' parameters at genesis.

    spec.parameters[Session.session_blocks]                      the chosen value, or the default
    spec.parameters.choosing({Session.session_blocks: 8})        with another choice

In TOML the choices are tables by pallet; what is not there has the default of the runtime:

    [parameters.Session]
    session_blocks = 8

Parameters of pallets from packages begin with their defaults, and governance changes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, Self, TypeVar, get_type_hints

from genesis.compose import Pallets
from genesis.toml_records import InvalidChainSpec, read_value, require_table, write_value
from runtime.errors import DecodeError
from runtime.parameters import PARAMETER_BYTES_MAX, Parameter
from runtime.types import Max, ShortText

CHOICES_MAX = 256
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Choice:
    """The value that a parameter has at genesis."""

    pallet: ShortText
    name: ShortText
    value: Annotated[bytes, Max(PARAMETER_BYTES_MAX)]
    """In canonical CBOR."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The choices of one chain, in the order of their names, each once."""

    choices: Annotated[tuple[Choice, ...], Max(CHOICES_MAX)] = ()

    def __post_init__(self) -> None:
        """Raise `InvalidChainSpec` for a choice that may not be."""
        names = [(choice.pallet, choice.name) for choice in self.choices]
        if names != sorted(dict.fromkeys(names)):
            message = "The parameters are not in order, or one of them is there twice."
            raise InvalidChainSpec(message, remedy="Choose each parameter once.")
        for choice in self.choices:
            declared = _find(choice.pallet, choice.name)
            try:
                declared.decode(choice.value)
            except DecodeError as error:
                message = f"{declared.place} may not be {choice.value.hex()}: {error.message}"
                raise InvalidChainSpec(message, remedy=declared.documentation) from error

    def __getitem__(self, parameter: Parameter[T]) -> T:
        """The value at genesis."""
        place = parameter.place
        for choice in self.choices:
            if (choice.pallet, choice.name) == (place.pallet, place.item):
                return parameter.decode(choice.value)
        return parameter.default

    def choosing(self, values: Mapping[Parameter[Any], Any]) -> Self:
        """These choices with others in their place; raises `OutOfBounds`, `InvalidChainSpec`."""
        chosen = {(each.pallet, each.name): each for each in self.choices}
        for parameter, value in values.items():
            place = parameter.place
            encoded = parameter.codec.encode(value)
            chosen[place.pallet, place.item] = Choice(place.pallet, place.item, encoded)
        return type(self)(tuple(chosen[key] for key in sorted(chosen)))

    def apply(self, pallets: Pallets) -> None:
        """Store the choices in the state of genesis."""
        by_name = {pallet.definition.name: pallet for pallet in _members(pallets)}
        for choice in self.choices:
            by_name[choice.pallet].parameters[choice.pallet, choice.name].replace(choice.value)

    @classmethod
    def from_table(cls, table: Any, where: str) -> Self:
        """Read TOML's tables by pallet; raises `InvalidChainSpec`."""
        values = {}
        for pallet, chosen in require_table(table, where).items():
            for name, value in require_table(chosen, f"{where}.{pallet}").items():
                parameter = _find(pallet, name)
                read = read_value(parameter.annotation, value, f"{where}.{pallet}.{name}")
                values[parameter] = read
        return cls().choosing(values)

    def to_tables(self, name: str) -> Iterator[str]:
        """Write the choices as TOML's tables by pallet."""
        yield f"[{name}]\n"
        for pallet in dict.fromkeys(choice.pallet for choice in self.choices):
            lines = [f"[{name}.{pallet}]\n"]
            for choice in self.choices:
                if choice.pallet == pallet:
                    parameter = _find(pallet, choice.name)
                    value = parameter.decode(choice.value)
                    lines.append(f"{choice.name} = {write_value(value, parameter.annotation)}\n")
            yield "".join(lines)


def published_parameters() -> Parameters:
    """Every parameter of the built-in pallets with its default: what a new chain begins to edit."""
    return Parameters().choosing({each: each.default for each in built_in_parameters().values()})


@cache
def built_in_parameters() -> Mapping[tuple[str, str], Parameter[Any]]:
    """The parameters of the built-in pallets, by the names of pallet and parameter."""
    return {
        (pallet.__name__, name): item
        for pallet in get_type_hints(Pallets).values()
        for name, item in pallet.definition.storage.items()
        if isinstance(item, Parameter)
    }


def _members(pallets: Pallets) -> list[Any]:
    return [getattr(pallets, field.name) for field in fields(pallets)]


def _find(pallet: str, name: str) -> Parameter[Any]:
    known = built_in_parameters()
    found = known.get((pallet, name))
    if found is None:
        message = f"There is no parameter {pallet}.{name}."
        names = [f"{each}.{item}" for each, item in known if each == pallet]
        choices = ", ".join(names or dict.fromkeys(each for each, _ in known))
        raise InvalidChainSpec(message, remedy=f"Choose from: {choices}.")
    return found
