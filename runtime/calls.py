"""Calls: the methods of a pallet that extrinsics invoke, and calls as values.

The origin is the type of the first parameter (`Signed` or `Root`); a call without one is an error
when its class is created, so a forgotten check cannot be written.  Every call method has a frozen
dataclass of its other arguments, `Balances.transfer.Call`, which encodes as
[pallet index, call index, [arguments]].
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, make_dataclass
from types import MethodType, NoneType
from typing import (
    Any,
    ClassVar,
    Concatenate,
    Generic,
    ParamSpec,
    Self,
    TypeVar,
    get_args,
    overload,
)

from runtime.codec import Codec, OutOfBounds, Plain, RecordCodec, codec_of, type_hints
from runtime.errors import DecodeError, DefinitionError
from runtime.types import Marker
from runtime.weights import Weigher, Weight

INDEX_MAX = 255
"""The largest index of a pallet, and of a call within its pallet."""
RESERVED_ARGUMENT = "call_definition"

Origin = TypeVar("Origin")
Arguments = ParamSpec("Arguments")
_ORIGINS = (Marker.SIGNED, Marker.ROOT)


@dataclass(frozen=True)
class CallDefinition:
    """What the runtime knows of a call, beside its code."""

    pallet: str
    pallet_index: int
    name: str
    index: int
    weight: Weight | Weigher
    """Fixed, or a function of the arguments."""
    operational: bool
    """Whether it may use the share of a block that is reserved for running the chain."""
    origin: Marker
    documentation: str
    function: Callable[..., None]
    arguments: RecordCodec[Any]
    """The codec of the call's dataclass."""

    def __str__(self) -> str:
        return f"{self.pallet}.{self.name}"

    def weigh(self, arguments: Sequence[Any]) -> Weight:
        """The weight of the call with these argument values."""
        weight = self.weight
        return weight if isinstance(weight, Weight) else weight(*arguments)


class RuntimeCall:
    """A call as a value: what `sign_extrinsic` signs; each call has its own dataclass."""

    __slots__ = ()
    call_definition: ClassVar[CallDefinition]

    def to_plain(self) -> Plain:
        """Return [pallet index, call index, [arguments]]; raises `OutOfBounds`."""
        definition = self.call_definition
        arguments = definition.arguments.to_plain(self)
        return (definition.pallet_index, definition.index, arguments)


class CallMethod(Generic[Origin, Arguments]):
    """A call of a pallet: a method on an instance; on the class, the home of `.Call`."""

    _call_type: Callable[..., RuntimeCall]
    definition: CallDefinition

    def __init__(
        self,
        function: Callable[..., None],
        index: int,
        weight: Weight | Weigher,
        *,
        operational: bool,
    ) -> None:
        self.function = function
        self.index = index
        self.weight = weight
        self.operational = operational
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, pallet: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self, pallet: object, owner: type
    ) -> Callable[Concatenate[Origin, Arguments], None]: ...
    def __get__(self, pallet: object | None, owner: type) -> Self | Callable[..., None]:
        """On a pallet, the method, called like any other."""
        return self if pallet is None else MethodType(self.function, pallet)

    @property
    def Call(self) -> Callable[Arguments, RuntimeCall]:  # noqa: N802 # it is a class
        """The frozen dataclass of the arguments after the origin."""
        return self._call_type

    def define(self, pallet: type, pallet_index: int) -> CallDefinition:
        """Make the call's dataclass; raises `DefinitionError` naming what to write."""
        name = self.function.__name__
        where = f"{pallet.__name__}.{name}"
        if not 0 <= self.index <= INDEX_MAX:
            message = f"{where} has the index {self.index}."
            raise DefinitionError(message, remedy=f"Give it an index from 0 to {INDEX_MAX}.")
        origin, fields = _read_signature(where, self.function, vars(pallet))
        namespace = {
            "__module__": pallet.__module__,
            "__qualname__": f"{pallet.__qualname__}.{name}.Call",
            "__doc__": self.function.__doc__,
        }
        call_type: type[RuntimeCall] = make_dataclass(
            "Call", fields, bases=(RuntimeCall,), namespace=namespace, frozen=True, slots=True
        )
        codec = _arguments_codec(where, call_type)
        self.definition = CallDefinition(
            pallet=pallet.__name__,
            pallet_index=pallet_index,
            name=name,
            index=self.index,
            weight=self.weight,
            operational=self.operational,
            origin=origin,
            documentation=inspect.cleandoc(self.function.__doc__ or ""),
            function=self.function,
            arguments=codec,
        )
        call_type.call_definition = self.definition
        self._call_type = call_type
        return self.definition


def call(
    index: int, *, weight: Weight | Weigher, operational: bool = False
) -> Callable[[Callable[Concatenate[Any, Origin, Arguments], None]], CallMethod[Origin, Arguments]]:
    """Make a pallet's method a call; `index` is its number on the wire, for ever.

    `weight` may be a function of the call's arguments.  An operational call may use the share of a
    block that is reserved for running the chain.
    """

    def decorate(
        function: Callable[Concatenate[Any, Origin, Arguments], None],
    ) -> CallMethod[Origin, Arguments]:
        return CallMethod(function, index, weight, operational=operational)

    return decorate


class CallCodec(Codec[RuntimeCall]):
    """The codec of every call of one runtime."""

    def __init__(self, definitions: Mapping[tuple[int, int], CallDefinition]) -> None:
        self._definitions = definitions
        sizes = [definition.arguments.max_bytes for definition in definitions.values()]
        self.max_bytes = 5 + max(sizes, default=0)

    def to_plain(self, value: RuntimeCall) -> Plain:
        """[pallet index, call index, [arguments]]."""
        definition = value.call_definition
        if self._definitions.get((definition.pallet_index, definition.index)) is not definition:
            message = f"{definition} is not a call of this runtime."
            raise OutOfBounds(message, remedy="Compose the runtime with that pallet.")
        return value.to_plain()

    def from_plain(self, plain: Plain) -> RuntimeCall:
        """The call's dataclass."""
        definition, arguments = self.resolve(plain)
        value: RuntimeCall = definition.arguments.record(*arguments)
        return value

    def describe(self) -> str:
        """`call`."""
        return "call"

    def resolve(self, plain: Plain) -> tuple[CallDefinition, list[Any]]:
        """Return the definition of a plain call and its argument values; raises `DecodeError`."""
        if type(plain) not in (list, tuple) or len(plain) != 3:
            message = "A call is [pallet index, call index, [arguments]]."
            raise DecodeError(message, remedy="Encode the call with runtime.extrinsic.")
        pallet_index, call_index, arguments = plain
        if type(pallet_index) is not int or type(call_index) is not int:
            message = "The indices of a call are integers."
            raise DecodeError(message, remedy="Encode the call with runtime.extrinsic.")
        definition = self._definitions.get((pallet_index, call_index))
        if definition is None:
            message = f"There is no call {call_index} in a pallet {pallet_index}."
            raise DecodeError(message, remedy="Take the calls from the node's metadata.")
        return definition, definition.arguments.values_from_plain(arguments)


def _read_signature(
    where: str, function: Callable[..., None], names: Mapping[str, Any]
) -> tuple[Marker, list[tuple[str, Any, Any]]]:
    """The origin, and (name, annotation, dataclass field) of each argument."""
    hints = type_hints(function, names)
    if hints.get("return") is not NoneType:
        message = f"{where} does not say that it returns None."
        raise DefinitionError(message, remedy="Write `-> None`; a call tells by its events.")
    parameters = list(inspect.signature(function).parameters.values())[1:]
    origin = _origin_of(hints.get(parameters[0].name)) if parameters else None
    if origin is None:
        message = f"{where} has no origin."
        remedy = "Write `sender: Signed` (or `origin: Root`) as its first parameter."
        raise DefinitionError(message, remedy=remedy)
    fields = []
    for parameter in parameters[1:]:
        _check_parameter(where, parameter, hints)
        default = MISSING if parameter.default is inspect.Parameter.empty else parameter.default
        fields.append((parameter.name, hints[parameter.name], field(default=default)))
    return origin, fields


def _origin_of(hint: Any) -> Marker | None:
    notes = get_args(hint)[1:]
    return next((note for note in notes if isinstance(note, Marker) and note in _ORIGINS), None)


def _check_parameter(where: str, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> None:
    if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
        message = f"{where}: the parameter {parameter.name} is not a plain one."
        raise DefinitionError(message, remedy="Write each argument by name, without `*`.")
    if parameter.name not in hints:
        message = f"{where}: the parameter {parameter.name} has no type."
        raise DefinitionError(message, remedy=f"Write `{parameter.name}: Amount`, for example.")
    if parameter.name == RESERVED_ARGUMENT:
        message = f"{where}: the parameter name {parameter.name} is reserved."
        raise DefinitionError(message, remedy="Choose another name.")


def _arguments_codec(where: str, call_type: type[Any]) -> RecordCodec[Any]:
    try:
        codec: Codec[Any] = codec_of(call_type)
    except DefinitionError as error:
        message = f"{where}: {error.message}"
        raise DefinitionError(message, remedy=error.remedy) from error
    if not isinstance(codec, RecordCodec):
        raise DefinitionError(f"{where} has no arguments codec.", remedy="This is a bug.")
    return codec
