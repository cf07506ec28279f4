"""How a pallet says what `openledger pallet bench` measures: one case for each call, the worst.

    def _remark(sandbox: Sandbox, data_bytes: int) -> Scene:
        return Scene(sandbox.keypair("alice"), System.remark.Call(data=bytes(data_bytes)))

    BENCHMARKS = (Benchmark(_remark, Component("data", 0, REMARK_BYTES_MAX)),)

A case puts the state in place by calls in the sandbox and returns the call to measure.  A call may
have several cases; its weight covers them all.  (Prior art: `#[benchmarks]` of FRAME.)
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import Any

from runtime.calls import RuntimeCall
from runtime.keys import Keypair


@dataclass(frozen=True, slots=True)
class Scene:
    """The call to measure, ready in its sandbox."""

    signer: Keypair | None
    """None: a call of the chain itself."""
    call: RuntimeCall
    height: int | None = None
    """The block it runs in; None: the next."""


@dataclass(frozen=True, slots=True)
class Component:
    """What the weight grows with: the length of an argument, or a number itself."""

    argument: str
    """A part of a record is written behind a dot: `path.siblings`."""
    least: int
    most: int

    def size_in(self, call: RuntimeCall) -> int:
        """The component's size in a call."""
        value = self._value_in(call)
        return len(value) if isinstance(value, Sized) else int(value)

    def is_length(self, call: RuntimeCall) -> bool:
        """Whether the size is a length."""
        return isinstance(self._value_in(call), Sized)

    def _value_in(self, call: RuntimeCall) -> Any:
        value: Any = call
        for name in self.argument.split("."):
            value = getattr(value, name)
        return value


class Benchmark:
    """A case: a function of a new sandbox and of one size for each component."""

    __slots__ = ("components", "prepare")

    def __init__(self, prepare: Callable[..., Scene], *components: Component) -> None:
        self.prepare = prepare
        self.components = components
