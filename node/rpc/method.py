"""`rpc`: makes a method of a class one of JSON-RPC; its annotations are its parameters and result.

    class BlockMethods:
        @rpc("chain_getBlock", NotFound, Pruned)
        async def get_block(self, block: BlockName | None = None) -> BlockView:
            \"\"\"A block by height or id, or the head for null, with its extrinsics decoded.\"\"\"

A subscription takes the connection it goes over as its first argument, a `Subscriber`, and returns
the subscription's id; `sends` says what comes later under that id.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, get_type_hints

from node.errors import InvalidParameters, TooManySubscriptions
from node.rpc.parameters import Kind, kind_of
from runtime.errors import OpenLedgerError

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "json_rpc"
"""The attribute of a function that holds its `Declaration`."""


class Feed(Protocol):
    """What a subscription sends, one result after the other."""

    async def wait(self) -> bool:
        """Wait until there may be another result; False when there is none any more.

        It may be cancelled at any time, and loses nothing by that.
        """

    async def take(self) -> Any:
        """The next result as JSON, or None when there was nothing to tell after all."""

    def close(self) -> None:
        """Nobody waits for it any longer."""


class Subscriber(Protocol):
    """A connection that can carry subscriptions."""

    def begin(self, notification: str, feed: Feed) -> str:
        """Send what a feed has from the end of this request on; returns the subscription's id.

        Raises `TooManySubscriptions`.
        """

    def end(self, subscription: str) -> bool:
        """Send no more of it; returns whether there was one."""


@dataclass(frozen=True, slots=True)
class Sends:
    """The notifications of a subscription."""

    notification: str
    """Their method's name."""
    result: Any
    """The annotation of what they carry."""
    unsubscribe: str
    """The name of the method that ends the subscription."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What `rpc` notes of a function."""

    name: str
    errors: tuple[type[OpenLedgerError], ...]
    sends: Sends | None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a method."""

    name: str
    kind: Kind
    default: Any
    """`inspect.Parameter.empty` if it must be given."""

    @property
    def is_required(self) -> bool:
        """Whether it must be given."""
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Method:
    """A JSON-RPC method of a class."""

    name: str
    function: Callable[..., Any]
    """Takes the object, the subscriber if there is one, and the parameters."""
    parameters: tuple[Parameter, ...]
    takes_subscriber: bool
    result: Any
    """The annotation of what it returns."""
    errors: tuple[type[OpenLedgerError], ...]
    """What it refuses with, wrong parameters apart."""
    sends: Sends | None
    documentation: str

    def read(self, given: Sequence[Any] | Mapping[str, Any]) -> list[Any]:
        """The arguments of the function, by position or by name; raises `InvalidParameters`."""
        if isinstance(given, Mapping):
            given = self._by_position(given)
        count = len(given)
        if count > len(self.parameters):
            raise self._misfit(f"{count} were given")
        arguments = []
        for index, parameter in enumerate(self.parameters):
            if index < count:
                arguments.append(parameter.kind.read(given[index], parameter.name))
            elif parameter.is_required:
                raise self._misfit(f"{parameter.name} is missing")
            else:
                arguments.append(parameter.default)
        return arguments

    def _by_position(self, given: Mapping[str, Any]) -> list[Any]:
        names = {parameter.name for parameter in self.parameters}
        for name in given:
            if name not in names:
                raise self._misfit(f"there is none named {name[:64]!r}")
        # A parameter that is left out in the middle is what it is without being given.
        values = []
        for parameter in self.parameters:
            if parameter.name not in given and parameter.is_required:
                raise self._misfit(f"{parameter.name} is missing")
            values.append(given.get(parameter.name, parameter.default))
        return values

    def _misfit(self, trouble: str) -> InvalidParameters:
        message = f"{self.name} takes {self.signature}, and {trouble}."
        return InvalidParameters(message, remedy="Give these, in this order or by name.")

    @property
    def signature(self) -> str:
        """The parameters for people: `(height, wait=0)`."""
        parts = [
            each.name if each.is_required else f"{each.name}={each.default!r}"
            for each in self.parameters
        ]
        return f"({', '.join(parts)})"


def rpc(name: str, *errors: type[OpenLedgerError], sends: Sends | None = None) -> Callable[[F], F]:
    """Make a method answer the JSON-RPC method `name`, which may refuse with `errors`."""
    if sends is not None:
        errors = (*errors, TooManySubscriptions)
    declaration = Declaration(name, errors, sends)

    def mark(function: F) -> F:
        vars(function)[_MARK] = declaration
        return function

    return mark


def methods_of(owner: type) -> tuple[Method, ...]:
    """The JSON-RPC methods of a class, in its order; raises `DefinitionError`."""
    return tuple(
        _method(function, vars(function)[_MARK])
        for function in vars(owner).values()
        if inspect.isfunction(function) and _MARK in vars(function)
    )


def _method(function: Callable[..., Any], declaration: Declaration) -> Method:
    hints = get_type_hints(function, include_extras=True)
    signature = list(inspect.signature(function).parameters.values())[1:]
    takes_subscriber = bool(signature) and hints[signature[0].name] is Subscriber
    return Method(
        name=declaration.name,
        function=function,
        parameters=tuple(
            Parameter(each.name, kind_of(hints[each.name]), each.default)
            for each in signature[takes_subscriber:]
        ),
        takes_subscriber=takes_subscriber,
        result=hints["return"],
        errors=declaration.errors,
        sends=declaration.sends,
        documentation=inspect.getdoc(function) or "",
    )


Answer = Callable[..., Any | Awaitable[Any]]
"""A method's function, bound to the object that answers."""


@dataclass(frozen=True, slots=True)
class Served:
    """A method, and what answers it."""

    method: Method
    answer: Answer


def served(*owners: object) -> dict[str, Served]:
    """All JSON-RPC methods of some objects by their names."""
    return {
        method.name: Served(method, getattr(owner, method.function.__name__))
        for owner in owners
        for method in methods_of(type(owner))
    }
