"""Governed parameters: storage that referenda may change, as the metadata list it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from node.history.decoder import StoredItem
from runtime.errors import DecodeError
from studio.chain.state import State

AMOUNT_UNIT = ", in 10**-18 OPEN"
"""How the documentation of an amount ends; people are shown OPEN."""
SETTERS = frozenset({"System.set_parameter", "System.set_guarded_parameter"})
"""The calls that set one: of the track of parameters, and of root."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a referendum may change."""

    stored: StoredItem
    documentation: str
    is_amount: bool
    """Whether its units are those of OPEN."""
    is_guarded: bool
    """Whether only the root track may: it decides about all else as well."""

    @property
    def kind(self) -> str:
        """Its type in the notation; that of amounts for a bounded one, too."""
        return "u128" if self.is_amount else str(self.stored.codec.describe())

    @property
    def setter(self) -> str:
        """The call that gives it another value."""
        return "System.set_guarded_parameter" if self.is_guarded else "System.set_parameter"

    @property
    def track(self) -> str:
        """The track on which that is decided."""
        return "ROOT" if self.is_guarded else "PARAMETERS"


def parameters_of(state: State) -> dict[str, Parameter]:
    """All parameters of the chain by `Pallet.name`, in the order of the runtime."""
    return {
        f"{pallet}.{each['name']}": Parameter(
            state.decoder.item(pallet, each["name"]),
            each["documentation"].replace(AMOUNT_UNIT, ""),
            AMOUNT_UNIT in each["documentation"],
            bool(each["guarded"]),
        )
        for pallet, described in state.pallets.items()
        for each in described["parameters"]
    }


def set_value(state: State, arguments: Any) -> tuple[Parameter, Any] | None:
    """Which parameter the arguments of a setter mean, and its new value as JSON.

    None where the chain has no such parameter, or the bytes are no value of its type.
    """
    known = parameters_of(state).get(f"{arguments['pallet']}.{arguments['name']}")
    if known is None:
        return None
    try:
        value = known.stored.codec.decode(bytes.fromhex(arguments["value"]))
    except (DecodeError, ValueError):
        return None
    return known, state.decoder.to_json(value)
