"""Calls: the methods of a pallet that extrinsics invoke, and calls as values.

The origin is the type of the first parameter (`Signed`, `Root`, `Inherent`, or a `Track`); a call
without one is an error when its class is created, so a forgotten check cannot be written.  Every
call method has a frozen dataclass of its other arguments, `Balances.transfer.Call`, which encodes
as [pallet index, call index, [arguments]].
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, make_dataclass
from functools import cached_property
from types import MethodType, NoneType
from typing import (
    Any,
    ClassVar,
    Concatenate,
    Generic,
    ParamSpec,
    Self,
    TypeVar,
    cast,
    get_args,
    overload,
)

from runtime.cbor import encode_plain, freeze, integer_bytes
from runtime.codec import (
    Codec,
    OptionalCodec,
    OutOfBounds,
    Plain,
    RecordCodec,
    SequenceCodec,
    codec_of,
    type_hints,
)
from runtime.errors import DecodeError, DefinitionError
from runtime.types import Marker, Track
from runtime.weights import Weigher, Weight

INDEX_MAX = 255
"""The largest index of a pallet, and of a call within its pallet."""
RESERVED_ARGUMENT = "call_definition"

Origin = TypeVar("Origin")
Arguments = ParamSpec("Arguments")
_ORIGINS = (Marker.SIGNED, Marker.ROOT, Marker.INHERENT)


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
    origin: Marker | Track
    documentation: str
    function: Callable[..., None]
    arguments: RecordCodec[Any]
    """The codec of the call's dataclass."""
    holds_calls: bool
    """Whether an argument is a call, or holds some."""

    def __str__(self) -> str:
        return f"{self.pallet}.{self.name}"

    @cached_property
    def head_bytes(self) -> int:
        """The bytes of the encoded call in front of its arguments."""
        return 1 + integer_bytes(self.pallet_index) + integer_bytes(self.index)

    def weigh(self, arguments: Sequence[Any]) -> Weight:
        """The weight of the call with these argument values."""
        weight = self.weight
        return weight if isinstance(weight, Weight) else weight(*arguments)


class RuntimeCall:
    """A call as a value: what `sign_extrinsic` signs; each call has its own dataclass.

    As an argument or in storage it is `Annotated[RuntimeCall, Max(1_024)]`, in bytes.
    """

    __slots__ = ()
    call_definition: ClassVar[CallDefinition]

    def to_plain(self) -> Plain:
        """Return [pallet index, call index, [arguments]]; raises `OutOfBounds`."""
        definition = self.call_definition
        arguments = definition.arguments.to_plain(self)
        return (definition.pallet_index, definition.index, arguments)

    def __len__(self) -> int:
        """The length of its encoding, in bytes."""
        return len(encode_plain(self.to_plain()))

    def weight(self) -> Weight:
        """The weight of this call, by its arguments."""
        definition = self.call_definition
        return definition.weigh([getattr(self, name) for name in definition.arguments.items])

    @classmethod
    def make_codec(cls, bytes_max: int) -> Codec[RuntimeCall]:
        """The codec of calls of at most `bytes_max` bytes, whatever runtime reads them."""
        return HeldCallCodec(bytes_max)


class UnresolvedCall(RuntimeCall):
    """A call that was read from storage or bytes: only a runtime knows what it means."""

    __slots__ = ("plain",)

    def __init__(self, plain: Plain) -> None:
        self.plain = plain

    def to_plain(self) -> Plain:
        """As it was read."""
        return self.plain

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RuntimeCall) and other.to_plain() == self.plain

    def __hash__(self) -> int:
        message = "A call that is not resolved has no hash."
        raise DefinitionError(message, remedy="Resolve it with the runtime's call_codec.")


class HeldCallCodec(Codec[RuntimeCall]):
    """A call inside another value: plain data with a bound, resolved where it is used."""

    def __init__(self, bytes_max: int) -> None:
        self.max_bytes = bytes_max

    def to_plain(self, value: RuntimeCall) -> Plain:
        """[pallet index, call index, [arguments]]."""
        if not isinstance(value, RuntimeCall):
            message = f"{value!r:.80} is not a call."
            raise OutOfBounds(message, remedy="Give a call, e.g. Balances.transfer.Call(...).")
        plain = value.to_plain()
        if len(encode_plain(plain)) > self.max_bytes:
            message = f"The call has more than {self.max_bytes} bytes."
            raise OutOfBounds(message, remedy="Give a smaller call.")
        return plain

    def check(self, plain: Plain) -> Plain:
        """[pallet index, call index, [arguments]]; the arguments are any plain data."""
        _split(plain)
        frozen = freeze(plain)
        if len(encode_plain(frozen)) > self.max_bytes:
            message = f"The call has more than {self.max_bytes} bytes."
            raise DecodeError(message, remedy="Send a smaller call.")
        return frozen

    def restore(self, plain: Plain) -> RuntimeCall:
        """The call, without knowing what it means."""
        return UnresolvedCall(plain)

    def size(self, plain: Plain) -> int:
        """Of the encoded call."""
        return len(encode_plain(plain))

    def describe(self) -> str:
        """`call[..1024]`, in bytes."""
        return f"call[..{self.max_bytes}]"


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
            holds_calls=any(map(holds_calls, codec.items.values())),
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

    def __init__(
        self, definitions: Mapping[tuple[int, int], CallDefinition], spec_version: int
    ) -> None:
        self._definitions = definitions
        self.spec_version = spec_version
        sizes = [definition.arguments.max_bytes for definition in definitions.values()]
        self.max_bytes = 5 + max(sizes, default=0)

    def to_plain(self, value: RuntimeCall) -> Plain:
        """[pallet index, call index, [arguments]]."""
        if isinstance(value, UnresolvedCall):
            return value.plain
        definition = value.call_definition
        if self._definitions.get((definition.pallet_index, definition.index)) is not definition:
            message = f"{definition} is not a call of this runtime."
            raise OutOfBounds(message, remedy="Compose the runtime with that pallet.")
        return value.to_plain()

    def check(self, plain: Plain) -> Plain:
        """[pallet index, call index, [arguments]]."""
        definition, arguments = self._find(plain)
        return (definition.pallet_index, definition.index, definition.arguments.check(arguments))

    def restore(self, plain: Plain) -> RuntimeCall:
        """The call's dataclass."""
        definition, arguments, _ = self.resolve(plain)
        value: RuntimeCall = definition.arguments.record(*arguments)
        return value

    def size(self, plain: Plain) -> int:
        """Of the indices and the arguments."""
        definition, arguments = self._find(plain)
        return definition.head_bytes + definition.arguments.size(arguments)

    def describe(self) -> str:
        """`call`."""
        return "call"

    def resolve(self, plain: Plain) -> tuple[CallDefinition, Sequence[Any], int]:
        """Return the definition, argument values and encoded length of a plain call.

        Raises `DecodeError`.
        """
        definition, arguments = self._find(plain)
        codec = definition.arguments
        if codec.fields_are_scalars:
            size = definition.head_bytes + codec.measure(arguments)
            return definition, tuple(arguments), size
        checked = codec.check(arguments)
        values = codec.restore_fields(checked)
        if definition.holds_calls:
            values = [self._resolve_held(value) for value in values]
        return definition, values, definition.head_bytes + codec.size(checked)

    def _resolve_held(self, value: Any) -> Any:
        """The value with every call in it resolved."""
        if isinstance(value, UnresolvedCall):
            return self.restore(value.plain)
        if isinstance(value, tuple):
            return tuple(map(self._resolve_held, value))
        return value

    def _find(self, plain: Plain) -> tuple[CallDefinition, Plain]:
        """The definition of a plain call, and its arguments, not checked yet."""
        pallet_index, call_index, arguments = _split(plain)
        definition = self._definitions.get((pallet_index, call_index))
        if definition is None:
            message = f"There is no call {call_index} in a pallet {pallet_index}."
            raise DecodeError(message, remedy="Take the calls from the node's metadata.")
        return definition, arguments


def _split(plain: Plain) -> tuple[int, int, Plain]:
    """Pallet index, call index and arguments of a plain call; raises `DecodeError`."""
    if type(plain) not in (list, tuple) or len(plain) != 3:
        message = "A call is [pallet index, call index, [arguments]]."
        raise DecodeError(message, remedy="Encode the call with runtime.extrinsic.")
    pallet_index, call_index, arguments = plain
    if type(pallet_index) is not int or type(call_index) is not int:
        message = "The indices of a call are integers."
        raise DecodeError(message, remedy="Encode the call with runtime.extrinsic.")
    return pallet_index, call_index, arguments


def _read_signature(
    where: str, function: Callable[..., None], names: Mapping[str, Any]
) -> tuple[Marker | Track, list[tuple[str, Any, Any]]]:
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


def _origin_of(hint: Any) -> Marker | Track | None:
    notes = get_args(hint)[1:]
    origins = [note for note in notes if isinstance(note, Track) or note in _ORIGINS]
    return origins[0] if origins else None


def holds_calls(codec: Codec[Any]) -> bool:
    """Whether values of a codec are calls, or tuples of calls."""
    if isinstance(codec, OptionalCodec | SequenceCodec):
        return holds_calls(codec.item)
    return isinstance(codec, HeldCallCodec)


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
    return cast("RecordCodec[Any]", codec)  # a call's type is a dataclass
