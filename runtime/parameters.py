"""Governed parameters: stored values that the chain itself changes, all by one call.

    bond_min = Parameter[Amount](10_000 * OPEN, "The least bond of a candidate, in 10**-18 OPEN.")

A parameter is declared once: its type has its bounds, and the sentence is what voters read.  A
chain spec may choose another value for genesis; from then on `System.set_parameter` changes it.
What several numbers must satisfy together is a frozen dataclass of them with a `check`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from runtime.errors import DecodeError, DefinitionError
from runtime.overlay import Overlay
from runtime.storage import BoundValue, Value

PARAMETER_BYTES_MAX = 1_024
"""The largest encoded value of a parameter, in bytes: proposals carry them."""

T = TypeVar("T")


class Parameter(Value[T]):
    """A stored value that governance changes."""

    def __init__(
        self,
        default: T,
        documentation: str,
        check: Callable[[T], str | None] | None = None,
        *,
        guarded: bool = False,
    ) -> None:
        """Declare it with its sentence; `check` says what is wrong with a value, or None.

        What decides about all else is `guarded`: the chain itself may change it, and no track.
        """
        super().__init__(default)
        self.documentation = documentation
        self.guarded = guarded
        self._check = check

    def define(self, pallet: str, item: str) -> None:
        """Take the name and the bounds; raises `DefinitionError`."""
        super().define(pallet, item)
        if not self.documentation:
            message = f"{self.place} has no sentence for voters."
            raise DefinitionError(message, remedy="Write Parameter[U32](5, 'How many ...').")
        if self.codec.max_bytes > PARAMETER_BYTES_MAX or self.codec.mutable:
            message = f"{self.place} takes {self.codec.max_bytes} bytes, or can change in place."
            remedy = f"Use a frozen type of at most {PARAMETER_BYTES_MAX} bytes."
            raise DefinitionError(message, remedy=remedy)
        problem = self._problem(self.default)
        if problem:
            message = f"The default of {self.place} may not be: {problem}"
            raise DefinitionError(message, remedy="Give a default that its check lets pass.")

    def decode(self, encoded: bytes) -> T:
        """The value of its canonical bytes; raises `DecodeError` for one that may not be."""
        value = self.codec.decode(encoded)
        problem = self._problem(value)
        if problem:
            raise DecodeError(problem, remedy=f"Read what {self.place} is for.")
        return value

    def bind(self, overlay: Overlay) -> BoundParameter[T]:
        """Return the parameter as a pallet of one runtime sees it."""
        return BoundParameter(self, overlay)

    def _problem(self, value: T) -> str | None:
        return None if self._check is None else self._check(value)


class BoundParameter(BoundValue[T]):
    """A parameter inside a runtime."""

    __slots__ = ("declaration",)

    def __init__(self, declaration: Parameter[T], overlay: Overlay) -> None:
        super().__init__(declaration, overlay)
        self.declaration = declaration

    def replace(self, encoded: bytes) -> bytes:
        """Store the value of canonical bytes; returns those of the value before.

        Raises `DecodeError` for a value that may not be.
        """
        before = self.declaration.codec.encode(self.get())
        self.put(self.declaration.decode(encoded))
        return before
