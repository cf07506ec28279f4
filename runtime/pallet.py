"""Pallets: the modules of the state machine.

    class Balances(Pallet, index=2):
        issuance = Value[Amount](0)
        accounts = Map[AccountId, Account](Account())
        existential_deposit: Const[Amount] = 1

        class Transferred(Event): ...
        class Insufficient(Error): ...

        @call(0, weight=Weight(reads=2, writes=2))
        def transfer(self, sender: Signed, receiver: AccountId, amount: Amount) -> None: ...

Everything is checked when the class is created: bounds, origins, indices, sentences.  A pallet's
only state is its storage; attributes cannot be set, because they would survive a rollback.
`runtime/definition.py` reads the class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, dataclass_transform

from runtime.block import GENESIS_CONTEXT, BlockContext
from runtime.calls import RuntimeCall, call
from runtime.definition import MIGRATION_MARK, Hook, PalletDefinition, read_pallet, sentence_of
from runtime.dispatch import HALTING, CallFailure, CallOrigin, failure_of
from runtime.errors import DefinitionError, DispatchError, OpenLedgerError
from runtime.events import Event
from runtime.hashing import ZERO_HASH, Hasher
from runtime.keys import pallet_account
from runtime.overlay import Overlay, WeightExceeded
from runtime.parameters import BoundParameter
from runtime.weights import Weight

__all__ = [
    "Environment",
    "Error",
    "Event",
    "Pallet",
    "Weight",
    "call",
    "inherent",
    "invariant",
    "migration",
    "on_finalize",
    "on_idle",
    "on_initialize",
    "on_runtime_upgrade",
]

HookFunction = TypeVar("HookFunction", bound=Callable[[Any], None])
IdleFunction = TypeVar("IdleFunction", bound=Callable[[Any, int], None])
InherentFunction = TypeVar(
    "InherentFunction", bound=Callable[[Any, Mapping[str, bytes]], RuntimeCall | None]
)
MigrationFunction = TypeVar("MigrationFunction", bound=Callable[[Any, bytes], bytes | None])


def on_runtime_upgrade(function: HookFunction) -> HookFunction:
    """Run a method once, in the first block of a new spec version, after all migrations."""
    return Hook.RUNTIME_UPGRADE.mark(function)


def on_initialize(function: HookFunction) -> HookFunction:
    """Run a method before the extrinsics of every block."""
    return Hook.INITIALIZE.mark(function)


def inherent(function: InherentFunction) -> InherentFunction:
    """Let a method provide a call of origin `Inherent` for a block that is being built, or None.

    Its argument is what the proposer's node has to offer, by name.  The call itself must check what
    it is given, and fails where another proposer lies: the block is then refused.
    """
    return Hook.INHERENT.mark(function)


def on_idle(function: IdleFunction) -> IdleFunction:
    """Run a method after the extrinsics of every block, with the weight units that are left.

    What takes more than that is rolled back.
    """
    return Hook.IDLE.mark(function)


def migration(to: int) -> Callable[[MigrationFunction], MigrationFunction]:
    """Make a method the step to version `to` of the pallet's storage; see `runtime.upgrade`."""

    def mark(function: MigrationFunction) -> MigrationFunction:
        function.__dict__[MIGRATION_MARK] = to
        return function

    return mark


def on_finalize(function: HookFunction) -> HookFunction:
    """Run a method after the extrinsics of every block."""
    return Hook.FINALIZE.mark(function)


def invariant(function: HookFunction) -> HookFunction:
    """Check a truth of the state: the method raises `InvariantViolation` when it does not hold."""
    return Hook.INVARIANT.mark(function)


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Error(DispatchError):
    """The base of a pallet's errors; the docstring is the sentence that the user reads.

    Fields say what the offending values were; `remedy` what the user can do.
    """

    remedy: ClassVar[str] = ""
    """What the user can do about it."""
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        sentence_of(cls)
        # Not frozen at run time: Python itself sets the traceback of an exception.
        dataclass(kw_only=True, eq=False, repr=False)(cls)

    if TYPE_CHECKING:  # what `dataclass` writes for an error without fields

        def __init__(self) -> None: ...

    def __post_init__(self) -> None:
        # Subclasses take one keyword a field, and end here.
        values = [(each.name, getattr(self, each.name)) for each in fields(self)]
        details = ", ".join(f"{name}: {_display(value)}" for name, value in values)
        sentence = sentence_of(type(self))
        message = f"{sentence.rstrip('.')} ({details})." if details else sentence
        super().__init__(message, remedy=self.remedy)


class CallMaker(Protocol):
    """What pallets make and look at calls with; `Runtime` is the implementation."""

    def dispatch(self, call: RuntimeCall, origin: CallOrigin) -> None:
        """Make a call inside another; it leaves no trace when it raises."""

    def carry_out(self, call: RuntimeCall, origin: CallOrigin) -> CallFailure | None:
        """Make a call from a hook, metered by its own weight; returns why it failed, or None."""

    def weight_of(self, call: RuntimeCall) -> Weight:
        """The weight of a call that may come from storage; raises `DecodeError`."""

    def require_origin(self, call: RuntimeCall, origin: CallOrigin) -> None:
        """Raise `BadOrigin` or `DecodeError` for a call that `origin` may not make."""


class Environment:
    """What the pallets of one runtime share: the overlay and the block in progress."""

    __slots__ = (
        "block",
        "calls",
        "extrinsic_index",
        "genesis_hash",
        "overlay",
        "parameters",
    )

    def __init__(self, calls: CallMaker) -> None:
        self.overlay = Overlay()
        self.parameters: dict[tuple[str, str], BoundParameter[Any]] = {}
        """Of all pallets, by the names of pallet and parameter."""
        self.calls = calls
        self.leave()

    def enter(self, block: BlockContext, genesis_hash: bytes) -> None:
        """Begin a block."""
        self.block = block
        self.genesis_hash = genesis_hash
        self.extrinsic_index: int | None = None

    def leave(self) -> None:
        """End a block."""
        self.enter(GENESIS_CONTEXT, ZERO_HASH)


class Pallet:
    """The base of every pallet; constants and needs are given by keyword."""

    definition: ClassVar[PalletDefinition]
    _environment: Environment

    def __init_subclass__(cls, *, index: int, version: int = 1) -> None:
        super().__init_subclass__()
        cls.definition = read_pallet(cls, index, version, Event, Error)

    def __init__(self, **configuration: Any) -> None:
        """Take overridden constants and the needed siblings; raises `DefinitionError`."""
        definition = self.definition
        known = [*definition.constants, *definition.needs]
        for name, given in configuration.items():
            if name not in known:
                message = f"{definition.name} has no constant or need named {name}."
                choices = ", ".join(known) or "none"
                raise DefinitionError(message, remedy=f"It has: {choices}.")
            self.__dict__[name] = given
        for name in definition.needs:
            if name not in configuration:
                message = f"{definition.name} needs {name}."
                remedy = f"Write {definition.name}({name}=...) where the runtime is composed."
                raise DefinitionError(message, remedy=remedy)
        for name in definition.constants:
            definition.check_constant(name, getattr(self, name))
        self.__dict__["account"] = pallet_account(definition.name)

    def __setattr__(self, name: str, value: Any) -> None:
        message = f"{self.definition.name}.{name} cannot be set: it would survive a rollback."
        raise DefinitionError(message, remedy="Declare a Value or a Map, or a Const.")

    account: bytes
    """The pallet's own account, its pot, 32 bytes."""

    @property
    def block(self) -> BlockContext:
        """The block in progress."""
        return self._environment.block

    @property
    def genesis_hash(self) -> bytes:
        """The identity of the chain, 32 bytes; zero during genesis."""
        return self._environment.genesis_hash

    @property
    def parameters(self) -> Mapping[tuple[str, str], BoundParameter[Any]]:
        """The parameters of all pallets of the runtime, by the names of pallet and parameter."""
        return self._environment.parameters

    def emit(self, event: Event) -> None:
        """Note an event of the call or hook in progress; raises `OutOfBounds`."""
        environment = self._environment
        encoded = event.event_definition.encode(environment.extrinsic_index, event)
        environment.overlay.emit(encoded)

    def hash(self, hasher: Hasher, data: bytes) -> bytes:
        """Return the 32-byte hash of `data`, metered; raises `WeightExceeded`."""
        self._environment.overlay.note_hashes(1, len(data))
        return hasher(data)

    def note_hashes(self, count: int, size_bytes: int) -> None:
        """Note hashes that something else computes for the call; raises `WeightExceeded`."""
        self._environment.overlay.note_hashes(count, size_bytes)

    def dispatch(self, call: RuntimeCall, origin: CallOrigin) -> None:
        """Make a call on behalf of `origin`: an account, `Marker.ROOT` or a `Track`.

        Raises what the call raises, and `BadOrigin`; a call that fails leaves no trace.  Its weight
        counts as the weight of the call in progress.
        """
        self._environment.calls.dispatch(call, origin)

    def attempt(self, call: RuntimeCall, origin: CallOrigin) -> CallFailure | None:
        """Make a call as `dispatch` does; returns why it failed, or None.

        Raises `WeightExceeded`: what the outer call declared is used up, whoever used it.
        """
        try:
            self._environment.calls.dispatch(call, origin)
        except (*HALTING, WeightExceeded):
            raise
        except OpenLedgerError as error:
            return failure_of(error)
        return None

    def carry_out(self, call: RuntimeCall, origin: CallOrigin) -> CallFailure | None:
        """Make a call from a hook as an extrinsic would; returns why it failed, or None.

        It is metered by its own weight, apart from the hook: one that takes more fails.
        """
        return self._environment.calls.carry_out(call, origin)

    def weight_of(self, call: RuntimeCall) -> Weight:
        """The weight of a call that may come from storage; raises `DecodeError`."""
        return self._environment.calls.weight_of(call)

    def require_origin(self, call: RuntimeCall, origin: CallOrigin) -> None:
        """Raise `BadOrigin` or `DecodeError` for a call that `origin` may not make."""
        self._environment.calls.require_origin(call, origin)

    def bind(self, environment: Environment) -> None:
        """Join a runtime; raises `DefinitionError` for a pallet that is in one already."""
        definition = self.definition
        if "_environment" in self.__dict__:
            message = f"This {definition.name} is in a runtime already."
            raise DefinitionError(message, remedy="Make a new pallet for each runtime.")
        self.__dict__["_environment"] = environment
        for name, item in definition.storage.items():
            bound = item.bind(environment.overlay)
            self.__dict__[name] = bound
            if isinstance(bound, BoundParameter):
                environment.parameters[definition.name, name] = bound


def _display(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Enum):
        return value.name
    return str(value)
