"""The state transition: how a block changes the state.

    1. on_initialize of every pallet, in the order of the runtime
    2. for each extrinsic: admit it (spec version, call, era, nonce, tip), or leave it out
    3.     dispatch its call; a failing call is rolled back to the admission, which stays
    4. on_finalize of every pallet
    5. encode every changed key once, and every event

A runtime has a pallet named `System` (`SystemPallet` says what it must have).  Tips are moved to
the proposer by the pallet named `Balances`, if there is one.

What an exception in a call means: `DispatchError` and any other typed error of ours that input can
cause fails the call.  Errors that say that this machine or this code is wrong halt the node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast

from runtime.block import (
    BLOCK_BYTES_MAX,
    BLOCK_EVENTS_MAX,
    BLOCK_EXTRINSICS_MAX,
    GENESIS_CONTEXT,
    BlockContext,
)
from runtime.calls import CallCodec, CallDefinition, RuntimeCall
from runtime.definition import Hook
from runtime.errors import (
    DecodeError,
    DefinitionError,
    InvalidBlock,
    InvalidTransaction,
    InvariantViolation,
    OpenLedgerError,
    StoreError,
)
from runtime.events import Event, EventCodec, EventRecord, join
from runtime.extrinsic import CheckedExtrinsic
from runtime.hashing import ZERO_HASH
from runtime.merkle import list_root
from runtime.metadata import describe_runtime
from runtime.overlay import EVENTS_PER_CALL_MAX, StateReader
from runtime.pallet import Environment, Pallet
from runtime.storage import BoundMap
from runtime.traits import Currency
from runtime.types import Marker
from runtime.weights import Weight

HOOK_WEIGHT = Weight(reads=10_000, writes=10_000)
"""The most that all hooks of one kind may touch in one block."""
ADMISSION_WEIGHT = Weight(reads=64, writes=64)
"""The most that nonce and tip may touch."""
EVENTS_AT_ADMISSION_MAX = BLOCK_EVENTS_MAX - 3 * EVENTS_PER_CALL_MAX
"""With more events no extrinsic enters: its admission, its call and on_finalize have room."""
TEXT_BYTES_MAX = 1_024
NAME_BYTES_MAX = 64

_HALTING = (InvariantViolation, StoreError, DefinitionError, InvalidBlock)


class ReportsFailure(Protocol):
    """`System.ExtrinsicFailed`: an event of three texts."""

    def __call__(self, *, error: str, message: str, remedy: str) -> Event:
        """`error` in 64 bytes of UTF-8 at most; `message` and `remedy` in 1,024."""


class SystemPallet(Protocol):
    """What the runtime needs of its pallet named `System`."""

    nonces: BoundMap[bytes, int]
    """The next nonce of each account; 0 by default."""
    ExtrinsicFailed: ReportsFailure

    def emit(self, event: Event) -> None:
        """As every pallet."""


class WrongOrigin(InvalidTransaction):
    """A call of the chain itself is signed by an account."""


@dataclass(frozen=True, slots=True)
class ExtrinsicResult:
    """What became of an included extrinsic."""

    extrinsic_hash: bytes
    ok: bool
    error: str
    """The error's name, e.g. `Balances.Insufficient`; empty if `ok`."""
    message: str
    remedy: str
    weight: Weight
    """As declared."""
    reads: int
    """Distinct storage keys the call read."""
    writes: int
    """Distinct storage keys the call wrote."""


@dataclass(frozen=True, slots=True)
class BlockOutcome:
    """The effects of a block."""

    changes: dict[bytes, bytes | None]
    """Sorted by key; None removes a key."""
    included: tuple[bytes, ...]
    """The encoded extrinsics of the block."""
    results: tuple[ExtrinsicResult, ...]
    events: tuple[EventRecord, ...]
    encoded_events: bytes
    """What the store keeps and `Runtime.decode_events` reads."""
    extrinsics_root: bytes
    events_root: bytes


class Runtime:
    """Pallets composed into a state machine; one block or reader at a time, so one per thread."""

    def __init__(self, *pallets: Pallet, spec_version: int, name: str) -> None:
        """Compose pallets in the order of their hooks; raises `DefinitionError`."""
        self.name = name
        self.spec_version = spec_version
        self.pallets: Mapping[str, Any] = _by_name(pallets)
        self._environment = Environment()
        self._overlay = self._environment.overlay
        for pallet in pallets:
            pallet.bind(self._environment)
        self._ordered = pallets
        self._system = _find_system(self.pallets)
        self._currency = cast("Currency | None", self.pallets.get("Balances"))
        definitions = [pallet.definition for pallet in pallets]
        self.call_codec = CallCodec(
            {
                (call.pallet_index, call.index): call
                for definition in definitions
                for call in definition.calls
            }
        )
        self._event_codec = EventCodec(
            event for definition in definitions for event in definition.events
        )

    # Blocks

    def initialise(self, configure: Callable[[], None]) -> dict[bytes, bytes]:
        """Return the storage of genesis: what `configure` writes through the pallets' methods."""
        with self._block({}, GENESIS_CONTEXT, ZERO_HASH):
            configure()
            self._run_hooks(Hook.INVARIANT)
            changes = self._overlay.changes()
        return {key: value for key, value in changes.items() if value is not None}

    def execute(
        self,
        state: StateReader,
        context: BlockContext,
        genesis_hash: bytes,
        extrinsics: Sequence[CheckedExtrinsic],
        *,
        skip_invalid: bool,
    ) -> BlockOutcome:
        """Return the effects of a block on `state`, which is left as it is.

        With `skip_invalid` an extrinsic that may not enter is left out (building a block); without
        it, it raises `InvalidBlock` (importing one).
        """
        with self._block(state, context, genesis_hash):
            self._run_hooks(Hook.INITIALIZE)
            included, results = self._apply_all(extrinsics, skip_invalid=skip_invalid)
            self._environment.extrinsic_index = None
            self._run_hooks(Hook.FINALIZE)
            emitted = self._overlay.events
            encodings = tuple([event.encode() for event in emitted])
            return BlockOutcome(
                changes=self._overlay.changes(),
                included=tuple(included),
                results=tuple(results),
                events=tuple([event.record() for event in emitted]),
                encoded_events=join(encodings),
                extrinsics_root=list_root(included),
                events_root=list_root(encodings),
            )

    def validate(self, state: StateReader, checked: CheckedExtrinsic, height: int) -> None:
        """Raise `InvalidTransaction` for an extrinsic that cannot enter a block soon.

        Its nonce may be ahead of the account's; `height` is the next block's.
        """
        self._resolve(checked)
        _check_era(checked, height)
        with self.reading(state):
            nonce = self._system.nonces[checked.signer]
            if checked.nonce < nonce:
                raise _wrong_nonce(checked, nonce)
            if checked.tip:
                _check_tip(checked, self._currency_for(checked))

    # Reading

    @contextmanager
    def reading(self, state: StateReader) -> Iterator[None]:
        """Bind the pallets to a state, to be read only: `with runtime.reading(store): ...`."""
        self._overlay.attach(state, writable=False)
        try:
            yield
        finally:
            self._overlay.detach()

    def check_invariants(self, state: StateReader) -> None:
        """Run every `@invariant`; raises `InvariantViolation`."""
        with self.reading(state):
            self._run_hooks(Hook.INVARIANT)

    # Values on the wire

    def call(self, pallet: Pallet | str, name: str, **arguments: Any) -> RuntimeCall:
        """Return a call as a value; raises `DefinitionError` for a name that is not there."""
        pallet_name = pallet if isinstance(pallet, str) else pallet.definition.name
        known = self.pallets.get(pallet_name)
        calls = () if known is None else known.definition.calls
        for definition in calls:
            if definition.name == name:
                value: RuntimeCall = definition.arguments.record(**arguments)
                return value
        message = f"The runtime has no call {pallet_name}.{name}."
        choices = ", ".join(definition.name for definition in calls) or "none"
        raise DefinitionError(message, remedy=f"The calls of {pallet_name} are: {choices}.")

    def encode_events(self, events: Sequence[EventRecord]) -> bytes:
        """Return a block's events as the store keeps them."""
        return join(self._event_codec.encode(events))

    def decode_events(self, data: bytes) -> tuple[EventRecord, ...]:
        """Return the events of `encode_events`; raises `DecodeError`."""
        return self._event_codec.decode(data)

    def metadata(self) -> dict[str, Any]:
        """Return everything a client can know of the runtime, ready for JSON."""
        definitions = [pallet.definition for pallet in self._ordered]
        constants = [
            {name: getattr(pallet, name) for name in pallet.definition.constants}
            for pallet in self._ordered
        ]
        return describe_runtime(self.name, self.spec_version, definitions, constants)

    # The steps of a block

    @contextmanager
    def _block(
        self, state: StateReader, context: BlockContext, genesis_hash: bytes
    ) -> Iterator[None]:
        self._overlay.attach(state, writable=True)
        self._environment.enter(context, genesis_hash)
        try:
            yield
        finally:
            self._environment.leave()
            self._overlay.detach()

    def _run_hooks(self, hook: Hook) -> None:
        self._overlay.meter(HOOK_WEIGHT.reads, HOOK_WEIGHT.writes)
        for pallet in self._ordered:
            for function in pallet.definition.hooks[hook]:
                try:
                    function(pallet)
                except _HALTING:
                    raise
                except Exception as error:
                    where = f"{pallet.definition.name}.{function.__name__}"
                    raise _bug(where, error) from error

    def _apply_all(
        self, extrinsics: Sequence[CheckedExtrinsic], *, skip_invalid: bool
    ) -> tuple[list[bytes], list[ExtrinsicResult]]:
        included: list[bytes] = []
        results: list[ExtrinsicResult] = []
        size_bytes = 0
        for position, extrinsic in enumerate(extrinsics):
            mark = self._overlay.mark()
            self._environment.extrinsic_index = len(included)
            try:
                self._check_room(len(included), size_bytes + len(extrinsic.raw))
                definition, arguments = self._admit(extrinsic)
            except InvalidTransaction as error:
                if not skip_invalid:
                    message = f"Extrinsic {position} may not be in the block: {error.message}"
                    raise InvalidBlock(message, remedy="Reject the block.") from error
                self._overlay.rollback(mark)
                continue
            results.append(self._dispatch(extrinsic, definition, arguments))
            included.append(extrinsic.raw)
            size_bytes += len(extrinsic.raw)
        return included, results

    def _admit(self, extrinsic: CheckedExtrinsic) -> tuple[CallDefinition, list[Any]]:
        """Take the nonce and the tip; raises `InvalidTransaction` for what may not enter."""
        definition, arguments = self._resolve(extrinsic)
        _check_era(extrinsic, self._environment.block.height)
        self._overlay.meter(ADMISSION_WEIGHT.reads, ADMISSION_WEIGHT.writes)
        nonces = self._system.nonces
        nonce = nonces[extrinsic.signer]
        if extrinsic.nonce != nonce:
            raise _wrong_nonce(extrinsic, nonce)
        nonces[extrinsic.signer] = nonce + 1
        self._pay_tip(extrinsic)
        return definition, arguments

    def _resolve(self, extrinsic: CheckedExtrinsic) -> tuple[CallDefinition, list[Any]]:
        if extrinsic.spec_version != self.spec_version:
            message = (
                f"The extrinsic is for spec version {extrinsic.spec_version}, "
                f"and the runtime's is {self.spec_version}."
            )
            raise InvalidTransaction(message, remedy="Sign it again for this spec version.")
        try:
            definition, arguments = self.call_codec.resolve(extrinsic.call)
        except DecodeError as error:
            raise InvalidTransaction(error.message, remedy=error.remedy) from error
        if definition.origin is not Marker.SIGNED:
            message = f"{definition} is a call of the chain itself."
            raise WrongOrigin(message, remedy="It cannot be signed by an account.")
        return definition, arguments

    def _check_room(self, count: int, size_bytes: int) -> None:
        """Raise `InvalidTransaction` if the block has no room for one more extrinsic."""
        full = len(self._overlay.events) > EVENTS_AT_ADMISSION_MAX
        if full or count >= BLOCK_EXTRINSICS_MAX or size_bytes > BLOCK_BYTES_MAX:
            message = f"The block is full at {count} extrinsics."
            raise InvalidTransaction(message, remedy="It fits into a later block.")

    def _pay_tip(self, extrinsic: CheckedExtrinsic) -> None:
        if not extrinsic.tip:
            return
        currency = self._currency_for(extrinsic)
        _check_tip(extrinsic, currency)
        proposer = self._environment.block.proposer
        try:
            currency.move(extrinsic.signer, proposer, extrinsic.tip)
        except _HALTING:
            raise
        except OpenLedgerError as error:
            raise _tip_refused(extrinsic, error.message) from error

    def _currency_for(self, extrinsic: CheckedExtrinsic) -> Currency:
        if self._currency is None:
            raise _tip_refused(extrinsic, "The runtime has no pallet named Balances.")
        return self._currency

    def _dispatch(
        self, extrinsic: CheckedExtrinsic, definition: CallDefinition, arguments: list[Any]
    ) -> ExtrinsicResult:
        overlay = self._overlay
        weight = definition.weigh(arguments)
        overlay.meter(weight.reads, weight.writes)
        mark = overlay.mark()
        error_name = message = remedy = ""
        try:
            definition.function(self.pallets[definition.pallet], extrinsic.signer, *arguments)
        except _HALTING:
            raise
        except OpenLedgerError as error:
            overlay.rollback(mark)
            error_name = _truncate(_name_of(error), NAME_BYTES_MAX)
            message = _truncate(error.message, TEXT_BYTES_MAX)
            remedy = _truncate(error.remedy, TEXT_BYTES_MAX)
        except Exception as error:
            where = f"{definition} of extrinsic {extrinsic.hash.hex()}"
            raise _bug(where, error) from error
        reads, writes = overlay.metered
        if error_name:
            report = self._system.ExtrinsicFailed
            self._system.emit(report(error=error_name, message=message, remedy=remedy))
        return ExtrinsicResult(
            extrinsic_hash=extrinsic.hash,
            ok=not error_name,
            error=error_name,
            message=message,
            remedy=remedy,
            weight=weight,
            reads=reads,
            writes=writes,
        )


def _by_name(pallets: Sequence[Pallet]) -> dict[str, Pallet]:
    """The pallets by name; raises `DefinitionError` for a name or an index used twice."""
    by_name: dict[str, Pallet] = {}
    indices: dict[int, str] = {}
    for pallet in pallets:
        definition = pallet.definition
        if definition.name in by_name:
            message = f"The runtime has two pallets named {definition.name}."
            raise DefinitionError(message, remedy="Compose each pallet once.")
        if definition.index in indices:
            other = indices[definition.index]
            message = f"{definition.name} and {other} both have the index {definition.index}."
            raise DefinitionError(message, remedy="Give every pallet its own index.")
        by_name[definition.name] = pallet
        indices[definition.index] = definition.name
    return by_name


def _find_system(pallets: Mapping[str, Any]) -> SystemPallet:
    system = pallets.get("System")
    if not hasattr(system, "nonces") or not hasattr(system, "ExtrinsicFailed"):
        message = "The runtime has no pallet named System with nonces and ExtrinsicFailed."
        raise DefinitionError(message, remedy="Compose pallets.system.pallet.System into it.")
    return cast("SystemPallet", system)


def _check_era(extrinsic: CheckedExtrinsic, height: int) -> None:
    era = extrinsic.era
    if era is not None and not era.holds(height):
        message = (
            f"The extrinsic may enter from height {era.birth_height} for {era.period_blocks} "
            f"blocks, and this is height {height}."
        )
        raise InvalidTransaction(message, remedy="Sign it again with a new era.")


def _check_tip(extrinsic: CheckedExtrinsic, currency: Currency) -> None:
    free = currency.free_balance(extrinsic.signer)
    if free < extrinsic.tip:
        raise _tip_refused(extrinsic, f"The account has {free}.")


def _tip_refused(extrinsic: CheckedExtrinsic, reason: str) -> InvalidTransaction:
    message = f"The tip of {extrinsic.tip} cannot be paid. {reason}"
    return InvalidTransaction(message, remedy="Sign it with a smaller tip.")


def _wrong_nonce(extrinsic: CheckedExtrinsic, nonce: int) -> InvalidTransaction:
    message = f"The extrinsic's nonce is {extrinsic.nonce}, and the account's next is {nonce}."
    return InvalidTransaction(message, remedy=f"Sign it with nonce {nonce}.")


def _bug(where: str, error: Exception) -> InvariantViolation:
    message = f"{where} stopped with {type(error).__name__}: {error}"
    return InvariantViolation(message, remedy="This is a bug: report it with the block.")


def _name_of(error: OpenLedgerError) -> str:
    return type(error).__qualname__.rsplit("<locals>.", 1)[-1]


def _truncate(text: str, bytes_max: int) -> str:
    return text.encode(errors="replace")[:bytes_max].decode(errors="ignore")
