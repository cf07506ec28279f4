"""Parameters: declared once, bounded, checked, and found by their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from runtime.cbor import encode
from runtime.errors import DecodeError, DefinitionError
from runtime.overlay import Overlay
from runtime.parameters import PARAMETER_BYTES_MAX, Parameter
from runtime.types import PPB, U32, Between, Max

SENTENCE = "How many there may be."
Share = Annotated[int, Between(0, PPB)]


@dataclass(frozen=True, slots=True)
class Split:
    """Two shares of one whole."""

    owner_ppb: Share
    worker_ppb: Share


@dataclass(slots=True)
class Changeable:
    """Can change in place."""

    number: U32


def sums_to_one(split: Split) -> str | None:
    """What is wrong with a split."""
    return None if split.owner_ppb + split.worker_ppb == PPB else "The shares do not sum to one."


def bound(parameter: Any) -> Any:
    """The parameter as a pallet named Test sees it."""
    overlay = Overlay()
    overlay.attach({}, writable=True)
    parameter.define("Test", "item")
    return parameter.bind(overlay)


def test_a_parameter_is_replaced_by_its_encoding() -> None:
    """What was there before comes back, the default included."""
    limit = bound(Parameter[U32](7, SENTENCE))
    assert limit.get() == 7
    assert limit.replace(encode(9)) == encode(7)
    assert limit.replace(encode(0)) == encode(9)
    assert limit.get() == 0


@pytest.mark.parametrize("value", [encode(-1), encode(2**32), b"\x18\x01", encode("1"), b""])
def test_a_value_out_of_bounds_is_refused(value: bytes) -> None:
    """And the one before stays."""
    limit = bound(Parameter[U32](7, SENTENCE))
    with pytest.raises(DecodeError):
        limit.replace(value)
    assert limit.get() == 7


def test_what_several_numbers_must_satisfy_is_checked() -> None:
    """Shares that must sum to one are one parameter, which changes as a whole."""
    split = bound(Parameter[Split](Split(PPB // 4, PPB * 3 // 4), SENTENCE, check=sums_to_one))
    split.replace(encode([PPB, 0]))
    assert split.get() == Split(PPB, 0)
    with pytest.raises(DecodeError, match="sum to one"):
        split.replace(encode([PPB, 1]))


@pytest.mark.parametrize(
    "parameter",
    [
        Parameter[U32](7, ""),
        Parameter[U32](-1, SENTENCE),
        Parameter[Split](Split(1, 1), SENTENCE, check=sums_to_one),
        Parameter[Annotated[bytes, Max(PARAMETER_BYTES_MAX)]](b"", SENTENCE),
        Parameter[Changeable](Changeable(1), SENTENCE),
    ],
)
def test_a_declaration_that_cannot_be_governed_is_refused(parameter: Parameter[Any]) -> None:
    """No sentence, a default that may not be, too large for a proposal, mutable."""
    with pytest.raises(DefinitionError) as caught:
        parameter.define("Test", "item")
    assert caught.value.remedy
