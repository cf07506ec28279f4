"""What a pallet's class says, read once when the class is created.

Every rule that a class breaks is a `DefinitionError` that names the class, the field and what to
write instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar, cast, get_args

from runtime.calls import INDEX_MAX, CallDefinition, CallMethod
from runtime.codec import Codec, RecordCodec, codec_of, type_hints
from runtime.determinism import check_determinism
from runtime.errors import DefinitionError, DispatchError
from runtime.events import EventDefinition
from runtime.storage import Map, StorageItem, Value
from runtime.types import Marker

HookFunction = TypeVar("HookFunction", bound=Callable[..., Any])

VERSION_MAX = 2**16 - 1
"""The largest version of a pallet's storage."""
MIGRATION_MARK = "migration_to"
"""The attribute that `@migration` sets on a method."""

_EVENT_ATTRIBUTES = frozenset({"event_definition"})
_ERROR_ATTRIBUTES = frozenset({"args", "message", "remedy"})


class Hook(Enum):
    """When a pallet's method runs without being called."""

    RUNTIME_UPGRADE = "on_runtime_upgrade"
    INITIALIZE = "on_initialize"
    INHERENT = "inherent"
    IDLE = "on_idle"
    FINALIZE = "on_finalize"
    INVARIANT = "invariant"

    def mark(self, function: HookFunction) -> HookFunction:
        """Note on a function that it is such a hook."""
        function.__dict__[self.value] = self
        return function

    def is_on(self, member: Any) -> bool:
        """Whether `mark` was used on a member of a class."""
        return inspect.isfunction(member) and self.value in member.__dict__


@dataclass(frozen=True)
class ErrorDefinition:
    """What the runtime knows of a pallet's error."""

    name: str
    documentation: str
    remedy: str
    codec: RecordCodec[Any]


@dataclass(frozen=True)
class ConstantDefinition:
    """A constant of a pallet; without a default it must be given."""

    name: str
    codec: Codec[Any]


@dataclass(frozen=True)
class MigrationDefinition:
    """A step from one version of a pallet's storage to the next."""

    pallet: str
    to_version: int
    name: str
    documentation: str
    function: Callable[[Any, bytes], bytes | None]

    def __str__(self) -> str:
        return f"{self.pallet}.{self.name} to version {self.to_version}"


@dataclass(frozen=True)
class PalletDefinition:
    """Everything a pallet declares, in the order of its class."""

    name: str
    index: int
    version: int
    """Of its storage; a larger one than the state's means that migrations are due."""
    documentation: str
    constants: Mapping[str, ConstantDefinition]
    needs: tuple[str, ...]
    storage: Mapping[str, StorageItem]
    events: tuple[EventDefinition, ...]
    errors: tuple[ErrorDefinition, ...]
    calls: tuple[CallDefinition, ...]
    hooks: Mapping[Hook, tuple[Callable[..., Any], ...]]
    migrations: tuple[MigrationDefinition, ...]

    def check_constant(self, name: str, given: Any) -> None:
        """Raise `DefinitionError` unless `given` is within the bounds of the constant."""
        try:
            self.constants[name].codec.to_plain(given)
        except DispatchError as error:
            message = f"{self.name}.{name} is out of bounds: {error.message}"
            raise DefinitionError(message, remedy=error.remedy) from error


def read_pallet(
    pallet: type, index: int, version: int, event_base: type, error_base: type[Exception]
) -> PalletDefinition:
    """Read a pallet's class; raises `DefinitionError`."""
    name = pallet.__name__
    if type(index) is not int or not 0 <= index <= INDEX_MAX:
        message = f"{name} has the index {index}."
        raise DefinitionError(message, remedy=f"Write class {name}(Pallet, index=...), 0 to 255.")
    if type(version) is not int or not 1 <= version <= VERSION_MAX:
        message = f"{name} has the storage version {version}."
        raise DefinitionError(message, remedy=f"Give it a version from 1 to {VERSION_MAX}.")
    if any("definition" in base.__dict__ for base in pallet.__mro__[1:]):
        message = f"{name} extends another pallet."
        raise DefinitionError(message, remedy="Derive it from Pallet itself and need the other.")
    members = vars(pallet)
    constants, needs = _read_annotations(pallet)
    definition = PalletDefinition(
        name=name,
        index=index,
        version=version,
        documentation=inspect.cleandoc(pallet.__doc__ or ""),
        constants=constants,
        needs=needs,
        storage=_read_storage(name, members),
        events=_read_events(name, index, members, event_base),
        errors=_read_errors(name, members, error_base),
        calls=_read_calls(pallet, index, members),
        hooks={hook: tuple(filter(hook.is_on, members.values())) for hook in Hook},
        migrations=_read_migrations(name, version, members),
    )
    for constant in constants:
        if constant in members:
            definition.check_constant(constant, members[constant])
    check_determinism(pallet)
    return definition


def sentence_of(documented: type) -> str:
    """Return the first paragraph of a class's docstring; raises `DefinitionError` without one."""
    text = inspect.cleandoc(documented.__dict__.get("__doc__") or "")
    if not text:
        message = f"{documented.__qualname__} has no sentence for the user."
        remedy = f'Write class {documented.__name__}(Error): "The balance is too low."'
        raise DefinitionError(message, remedy=remedy)
    return " ".join(text.split("\n\n")[0].split())


def _read_annotations(pallet: type) -> tuple[dict[str, ConstantDefinition], tuple[str, ...]]:
    constants: dict[str, ConstantDefinition] = {}
    needs: list[str] = []
    hints = type_hints(pallet, vars(pallet))
    for name in inspect.get_annotations(pallet):
        notes = get_args(hints[name])[1:]
        if Marker.NEEDS in notes:
            needs.append(name)
        elif Marker.CONST in notes:
            where = f"{pallet.__name__}.{name}"
            constants[name] = ConstantDefinition(name, _codec(where, hints[name]))
    return constants, tuple(needs)


def _read_storage(pallet: str, members: Mapping[str, Any]) -> dict[str, StorageItem]:
    storage: dict[str, StorageItem] = {}
    for name, member in members.items():
        if isinstance(member, Value | Map):
            member.define(pallet, name)
            storage[name] = member
    return storage


def _read_events(
    pallet: str, pallet_index: int, members: Mapping[str, Any], base: type
) -> tuple[EventDefinition, ...]:
    definitions: list[EventDefinition] = []
    for name, member in members.items():
        if not _is_subclass(member, base):
            continue
        definition = EventDefinition(
            pallet=pallet,
            pallet_index=pallet_index,
            name=name,
            index=len(definitions),
            documentation=inspect.cleandoc(member.__doc__ or ""),
            codec=_fields_codec(f"{pallet}.{name}", member, _EVENT_ATTRIBUTES),
        )
        member.event_definition = definition
        definitions.append(definition)
    return tuple(definitions)


def _read_errors(
    pallet: str, members: Mapping[str, Any], base: type
) -> tuple[ErrorDefinition, ...]:
    return tuple(
        ErrorDefinition(
            name=name,
            documentation=sentence_of(member),
            remedy=member.remedy,
            codec=_fields_codec(f"{pallet}.{name}", member, _ERROR_ATTRIBUTES),
        )
        for name, member in members.items()
        if _is_subclass(member, base)
    )


def _read_calls(
    pallet: type, pallet_index: int, members: Mapping[str, Any]
) -> tuple[CallDefinition, ...]:
    by_index: dict[int, CallDefinition] = {}
    for member in list(members.values()):
        if not isinstance(member, CallMethod):
            continue
        definition = member.define(pallet, pallet_index)
        if definition.index in by_index:
            other = by_index[definition.index].name
            message = f"{definition} has the index {definition.index} of {other}."
            raise DefinitionError(message, remedy="Give every call of a pallet its own index.")
        by_index[definition.index] = definition
    return tuple(by_index.values())


def _read_migrations(
    pallet: str, version: int, members: Mapping[str, Any]
) -> tuple[MigrationDefinition, ...]:
    found = [
        MigrationDefinition(
            pallet,
            member.__dict__[MIGRATION_MARK],
            name,
            inspect.cleandoc(member.__doc__ or ""),
            member,
        )
        for name, member in members.items()
        if inspect.isfunction(member) and MIGRATION_MARK in member.__dict__
    ]
    steps = sorted(migration.to_version for migration in found)
    if steps != list(range(version - len(steps) + 1, version + 1)) or (steps and steps[0] < 2):
        message = f"{pallet} of version {version} has migrations to the versions {steps}."
        remedy = "Write one @migration(to=N) a version, the last to the pallet's own."
        raise DefinitionError(message, remedy=remedy)
    return tuple(found)


def _fields_codec(where: str, record: type, reserved: frozenset[str]) -> RecordCodec[Any]:
    codec = cast("RecordCodec[Any]", _codec(where, record))  # Event and Error make dataclasses
    for name in codec.items:
        if name in reserved:
            message = f"{where}: the field name {name} is reserved."
            raise DefinitionError(message, remedy="Choose another name.")
    return codec


def _codec(where: str, annotation: Any) -> Codec[Any]:
    try:
        codec: Codec[Any] = codec_of(annotation)
    except DefinitionError as error:
        raise DefinitionError(f"{where}: {error.message}", remedy=error.remedy) from error
    return codec


def _is_subclass(member: Any, base: type) -> bool:
    return isinstance(member, type) and issubclass(member, base)
