"""The state transition: how a block changes the state.

    1. a new spec version: migrations, step by step, then on_runtime_upgrade (`runtime.upgrade`);
       while migrations are not finished, nothing but 8 follows
    2. on_initialize of every pallet, in the order of the runtime
    3. inherents: calls that the proposer makes on behalf of the chain; one that fails is no block
    4. for each extrinsic: admit it (call, era, room, nonce, fee, tip), or leave it out
    5.     dispatch its call; a failing call is rolled back to the admission, which stays
    6. what was charged goes to the proposer, and is burned
    7. on_idle of every pallet, with the weight that is left; then on_finalize
    8. encode every changed key once, and every event

A runtime has pallets named `System` and `Balances`, and may have `Fees` and `Upgrade`:
`SystemPallet`, `AccountKeeper`, `FeePolicy` and `UpgradePolicy` say what they must have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, cast

from runtime.admission import (
    AccountKeeper,
    BlockSpace,
    FeePolicy,
    block_full,
    cannot_pay,
    check_era,
    check_weight,
    wrong_nonce,
)
from runtime.block import BLOCK_EVENTS_MAX, BLOCK_UNITS_MAX, GENESIS_CONTEXT, BlockContext
from runtime.calls import CallCodec, CallDefinition, RuntimeCall
from runtime.definition import Hook
from runtime.dispatch import (
    HALTING,
    CallFailure,
    CallOrigin,
    ExtrinsicResult,
    bug,
    failure_of,
    require_origin,
    run_call,
)
from runtime.errors import DefinitionError, InvalidBlock, InvalidTransaction, OpenLedgerError
from runtime.events import Event, EventCodec, EventRecord, join
from runtime.extrinsic import (
    CheckedExtrinsic,
    CheckedInherent,
    OpenedExtrinsic,
    check_extrinsic,
    check_inherent,
    encode_inherent,
    is_inherent,
    open_extrinsic,
)
from runtime.fees import EXTRINSIC_UNITS, FREE, FeeSchedule
from runtime.hashing import ZERO_HASH
from runtime.metadata import describe_runtime
from runtime.outcome import BlockOutcome
from runtime.overlay import EVENTS_PER_CALL_MAX, StateReader
from runtime.pallet import Environment, Pallet
from runtime.upgrade import UpgradePolicy, Upgrades, VersionStore
from runtime.weights import Weight, units_of

HOOK_WEIGHT = Weight(reads=10_000, writes=10_000, hashes=10_000, bytes=1_000_000)
"""The most that all hooks of one kind may take in one block."""
EVENTS_AT_ADMISSION_MAX = BLOCK_EVENTS_MAX - 3 * EVENTS_PER_CALL_MAX
"""With more events no extrinsic enters: its admission, its call and on_finalize have room."""


class ReportsFailure(Protocol):
    """`System.ExtrinsicFailed`: an event of three texts."""

    def __call__(self, *, error: str, message: str, remedy: str) -> Event:
        """`error` in 64 bytes of UTF-8 at most; `message` and `remedy` in 1,024."""


class SystemPallet(VersionStore, Protocol):
    """What the runtime needs of its pallet named `System`."""

    ExtrinsicFailed: ReportsFailure

    def emit(self, event: Event) -> None:
        """As every pallet."""


class Runtime:
    """Pallets composed into a state machine; one block or reader at a time, so one per thread."""

    def __init__(self, *pallets: Pallet, spec_version: int, name: str) -> None:
        """Compose pallets in the order of their hooks; raises `DefinitionError`."""
        self.name = name
        self.spec_version = spec_version
        self.pallets: Mapping[str, Any] = _by_name(pallets)
        self._environment = Environment(self)
        self._overlay = self._environment.overlay
        for pallet in pallets:
            pallet.bind(self._environment)
        self._ordered = pallets
        self._system = cast(
            "SystemPallet", _find(self.pallets, "System", "spec_version", "ExtrinsicFailed")
        )
        self._keeper = cast(
            "AccountKeeper", _find(self.pallets, "Balances", "admit", "collect", "next_nonce")
        )
        self._fees = cast("FeePolicy | None", self.pallets.get("Fees"))
        policy = cast("UpgradePolicy | None", self.pallets.get("Upgrade"))
        self._upgrades = Upgrades(pallets, self._system, policy, self._overlay, spec_version)
        definitions = [pallet.definition for pallet in pallets]
        calls = [call for definition in definitions for call in definition.calls]
        for call in calls:
            check_weight(call)
        self.call_codec = CallCodec(
            {(call.pallet_index, call.index): call for call in calls}, spec_version
        )
        self._event_codec = EventCodec(
            event for definition in definitions for event in definition.events
        )

    # Blocks

    def initialise(self, configure: Callable[[], None]) -> dict[bytes, bytes]:
        """Return the storage of genesis: what `configure` writes through the pallets' methods."""
        with self._block({}, GENESIS_CONTEXT, ZERO_HASH):
            self._upgrades.begin()
            configure()
            self._run_hooks(Hook.INVARIANT)
            changes = self._overlay.changes()
        return {key: value for key, value in changes.items() if value is not None}

    def execute(
        self,
        state: StateReader,
        context: BlockContext,
        genesis_hash: bytes,
        extrinsics: Sequence[CheckedExtrinsic | CheckedInherent],
        *,
        skip_invalid: bool,
        offered: Mapping[str, bytes] | None = None,
    ) -> BlockOutcome:
        """Return the effects of a block on `state`, which is left as it is.

        With `skip_invalid` (building a block) the pallets provide the inherents, from what the node
        has `offered` by name, and an extrinsic that may not enter is left out; without it
        (importing one), it raises `InvalidBlock`.
        """
        block = _BlockInProgress(skip_invalid=skip_invalid)
        with self._block(state, context, genesis_hash):
            on_upgrade = partial(self._run_hooks, Hook.RUNTIME_UPGRADE)
            migrating = self._upgrades.advance(context.height, on_upgrade)
            if not migrating:
                self._run_hooks(Hook.INITIALIZE)
                block.schedule = self._schedule()
                provided = self._provide(offered or {}) if skip_invalid else ()
                self._apply_all(block, [*provided, *extrinsics])
            elif extrinsics and not skip_invalid:
                message = "The block has extrinsics while migrations are not finished."
                raise InvalidBlock(message, remedy="Reject the block.")
            else:
                block.left_out = {each.hash: block_full(0) for each in extrinsics}
            self._environment.extrinsic_index = None
            self._overlay.settle()
            if not migrating:
                self._settle(block)
                self._run_idle(block)
                self._run_hooks(Hook.FINALIZE)
            return BlockOutcome(
                changes=self._overlay.changes(),
                changed=self._overlay.changed,
                included=tuple(block.included),
                results=tuple(block.results),
                event_encodings=tuple(self._overlay.events),
                event_codec=self._event_codec,
                left_out=block.left_out,
            )

    def check(self, raw: bytes, genesis_hash: bytes) -> CheckedExtrinsic:
        """Decode a signed extrinsic and verify its signature; see `check_extrinsic`."""
        return check_extrinsic(raw, genesis_hash, self.call_codec)

    def open(self, raw: bytes, genesis_hash: bytes) -> OpenedExtrinsic:
        """Decode a signed extrinsic, and leave its signature to be verified elsewhere."""
        return open_extrinsic(raw, genesis_hash, self.call_codec)

    def check_any(self, raw: bytes, genesis_hash: bytes) -> CheckedExtrinsic | CheckedInherent:
        """The same for what stands in a block, where inherents are too."""
        if is_inherent(raw):
            return check_inherent(raw, self.call_codec)
        return check_extrinsic(raw, genesis_hash, self.call_codec)

    def validate(self, state: StateReader, checked: CheckedExtrinsic, height: int) -> None:
        """Raise `InvalidTransaction` for an extrinsic that cannot enter a block soon.

        Its nonce may be ahead of the account's; `height` is the next block's.
        """
        check_era(checked, height)
        with self.reading(state):
            nonce = self._keeper.next_nonce(checked.signer)
            if checked.nonce < nonce:
                raise wrong_nonce(checked.nonce, nonce)
            charge = self._fee_of(checked) + checked.tip
            free = self._keeper.free_balance(checked.signer)
            if free < charge:
                raise cannot_pay(charge, free)

    def fee(self, state: StateReader, checked: CheckedExtrinsic) -> int:
        """What the extrinsic would pay in the block after `state`, tip apart, in 10**-18 OPEN."""
        with self.reading(state):
            return self._fee_of(checked)

    def schedule(self, state: StateReader) -> FeeSchedule:
        """The prices of the block after `state`."""
        with self.reading(state):
            return self._schedule()

    # Reading

    @contextmanager
    def reading(self, state: StateReader) -> Iterator[None]:
        """Bind the pallets to a state, to be read only: `with runtime.reading(store): ...`."""
        self._overlay.attach(state, writable=False)
        try:
            yield
        finally:
            self._overlay.detach()

    def is_migrating(self, state: StateReader) -> bool:
        """Whether the storage has not yet the form that this runtime's pallets read.

        It is so from the start of a new spec version until its migrations are finished; until then
        nothing but `execute` may be asked about the state.
        """
        with self.reading(state):
            return self._system.spec_version.get() != self.spec_version

    def check_spec_version(self, state: StateReader, height: int) -> None:
        """Raise `WrongSpecVersion` unless this version executes `height`, the next of `state`."""
        with self.reading(state):
            self._upgrades.check(height)

    def check_invariants(self, state: StateReader) -> None:
        """Run every `@invariant`; raises `InvariantViolation`."""
        with self.reading(state):
            self._run_hooks(Hook.INVARIANT)

    # Calls that pallets make: `CallMaker`

    def weight_of(self, call: RuntimeCall) -> Weight:
        """The weight of a call that may come from storage; raises `DecodeError`."""
        definition, arguments, _ = self.call_codec.resolve(self.call_codec.to_plain(call))
        return definition.weigh(arguments)

    def require_origin(self, call: RuntimeCall, origin: CallOrigin) -> None:
        """Raise `BadOrigin` or `DecodeError` for a call that `origin` may not make."""
        definition, _, _ = self.call_codec.resolve(self.call_codec.to_plain(call))
        require_origin(definition, origin)

    def carry_out(self, call: RuntimeCall, origin: CallOrigin) -> CallFailure | None:
        """Make a call from a hook, metered by its own weight; returns why it failed, or None."""
        try:
            with self._overlay.metered_apart(self.weight_of(call)):
                self.dispatch(call, origin)
        except HALTING:
            raise
        except OpenLedgerError as error:
            return failure_of(error)
        return None

    def dispatch(self, call: RuntimeCall, origin: CallOrigin) -> None:
        """Make a call inside another, or inside a hook; it leaves no trace when it raises."""
        definition, arguments, _ = self.call_codec.resolve(self.call_codec.to_plain(call))
        mark = self._overlay.mark()
        try:
            run_call(definition, self.pallets[definition.pallet], origin, arguments)
        except OpenLedgerError:
            self._overlay.rollback(mark)
            raise

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
        self._overlay.meter(HOOK_WEIGHT)
        for pallet in self._ordered:
            for function in pallet.definition.hooks[hook]:
                _run_hook(pallet, function)

    def _run_idle(self, block: _BlockInProgress) -> None:
        """Let pallets use what is left of the block; one that takes more is rolled back."""
        overlay = self._overlay
        left = BLOCK_UNITS_MAX - block.space.units
        for pallet in self._ordered:
            for function in pallet.definition.hooks[Hook.IDLE]:
                overlay.meter(HOOK_WEIGHT)
                mark = overlay.mark()
                _run_hook(pallet, function, left)
                used = units_of(*overlay.metered)
                if used > left:
                    overlay.rollback(mark)
                left -= min(used, left)

    def _provide(self, offered: Mapping[str, bytes]) -> list[CheckedInherent]:
        """The inherents that the pallets make, for a block that is being built."""
        self._overlay.meter(HOOK_WEIGHT)
        found = []
        for pallet in self._ordered:
            for function in pallet.definition.hooks[Hook.INHERENT]:
                call = _run_hook(pallet, function, offered)
                if call is not None:
                    raw = encode_inherent(call, self.spec_version)
                    found.append(check_inherent(raw, self.call_codec))
        return found

    def _apply_all(
        self, block: _BlockInProgress, extrinsics: Sequence[CheckedExtrinsic | CheckedInherent]
    ) -> None:
        included, results = block.included, block.results
        environment = self._environment
        for position, extrinsic in enumerate(extrinsics):
            environment.extrinsic_index = len(included)
            try:
                if isinstance(extrinsic, CheckedInherent):
                    result = self._apply_inherent(block, extrinsic)
                else:
                    result = self._apply(block, extrinsic)
            except InvalidTransaction as error:
                if not block.skip_invalid:
                    message = f"Extrinsic {position} may not be in the block: {error.message}"
                    raise InvalidBlock(message, remedy="Reject the block.") from error
                block.left_out[extrinsic.hash] = error
                continue
            results.append(result)
            included.append(extrinsic.raw)

    def _apply_inherent(
        self, block: _BlockInProgress, inherent: CheckedInherent
    ) -> ExtrinsicResult:
        weight = inherent.definition.weigh(inherent.arguments)
        if inherent.spec_version != self.spec_version or block.space.count != len(block.inherents):
            message = f"The inherent {inherent.definition} is not in front of all extrinsics."
            raise InvalidBlock(message, remedy="Reject the block.")
        if inherent.definition in block.inherents:
            message = f"The inherent {inherent.definition} is in the block twice."
            raise InvalidBlock(message, remedy="Reject the block.")
        block.inherents.append(inherent.definition)
        block.space.take(len(inherent.raw), weight.units, operational=True)
        failure = self._dispatch(
            inherent.definition, inherent.arguments, None, weight, inherent.hash
        )
        if failure is not None:
            message = f"The inherent {inherent.definition} fails: {failure.message}"
            raise InvalidBlock(message, remedy="Reject the block.")
        return ExtrinsicResult(inherent.hash, None, 0, weight, self._overlay.metered)

    def _apply(self, block: _BlockInProgress, extrinsic: CheckedExtrinsic) -> ExtrinsicResult:
        """Admit an extrinsic and dispatch its call; raises `InvalidTransaction`."""
        raw, extrinsic_hash, signer, spec_version, era, nonce, tip, definition, arguments = (
            extrinsic
        )
        if spec_version != self.spec_version:
            message = f"The extrinsic is for spec version {spec_version}."
            raise InvalidTransaction(message, remedy="Sign it again for this spec version.")
        if era is not None:
            check_era(extrinsic, self._environment.block.height)
        weight = definition.weigh(arguments)
        units = EXTRINSIC_UNITS + weight.units
        length_bytes = len(raw)
        overlay = self._overlay
        if len(overlay.events) > EVENTS_AT_ADMISSION_MAX:
            raise block_full(block.space.count)
        block.space.take(length_bytes, units, definition.operational)
        overlay.settle()
        fee = block.schedule.fee(length_bytes, units)
        try:
            self._keeper.admit(signer, nonce, fee + tip)
        except InvalidTransaction:
            block.space.release(length_bytes, units)
            raise
        block.fees += fee
        block.tips += tip
        failure = self._dispatch(definition, arguments, signer, weight, extrinsic_hash)
        return ExtrinsicResult(extrinsic_hash, failure, fee, weight, overlay.metered)

    def _dispatch(
        self,
        definition: CallDefinition,
        arguments: Sequence[Any],
        signer: bytes | None,
        weight: Weight,
        extrinsic_hash: bytes,
    ) -> CallFailure | None:
        """Carry out an admitted call, metered; returns why it failed and was rolled back."""
        overlay = self._overlay
        overlay.meter(weight)
        mark = overlay.mark()
        try:
            definition.function(self.pallets[definition.pallet], signer, *arguments)
        except HALTING:
            raise
        except OpenLedgerError as error:
            overlay.rollback(mark)
            failure = failure_of(error)
            self._system.emit(self._system.ExtrinsicFailed(**failure._asdict()))
            return failure
        except Exception as error:
            raise bug(f"{definition} of extrinsic {extrinsic_hash.hex()}", error) from error
        return None

    def _settle(self, block: _BlockInProgress) -> None:
        """Pay the proposer and others out of what the admissions took; the rest is burned."""
        payments: Sequence[tuple[bytes, int]] = ((self._environment.block.proposer, block.tips),)
        if self._fees is not None:
            payments = self._fees.settle(block.fees, block.tips, block.space.units)
        charged = block.fees + block.tips
        if charged:
            self._keeper.collect(charged, payments)

    def _fee_of(self, extrinsic: CheckedExtrinsic) -> int:
        units = EXTRINSIC_UNITS + extrinsic.definition.weigh(extrinsic.arguments).units
        return self._schedule().fee(len(extrinsic.raw), units)

    def _schedule(self) -> FeeSchedule:
        return self._fees.schedule() if self._fees else FREE


class _BlockInProgress:
    """What one block has taken so far."""

    __slots__ = (
        "fees",
        "included",
        "inherents",
        "left_out",
        "results",
        "schedule",
        "skip_invalid",
        "space",
        "tips",
    )

    def __init__(self, *, skip_invalid: bool) -> None:
        self.skip_invalid = skip_invalid
        self.schedule: FeeSchedule = FREE
        self.space = BlockSpace()
        self.included: list[bytes] = []
        self.results: list[ExtrinsicResult] = []
        self.inherents: list[Any] = []
        self.left_out: dict[bytes, InvalidTransaction] = {}
        self.fees = 0
        self.tips = 0


def _run_hook(pallet: Pallet, function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(pallet, *arguments)
    except HALTING:
        raise
    except Exception as error:
        raise bug(f"{pallet.definition.name}.{function.__name__}", error) from error


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


def _find(pallets: Mapping[str, Any], name: str, *needed: str) -> Any:
    pallet = pallets.get(name)
    missing = [attribute for attribute in needed if not hasattr(pallet, attribute)]
    if missing:
        message = f"The runtime has no pallet named {name} with {', '.join(missing)}."
        remedy = f"Compose pallets.{name.lower()}.pallet.{name} into it."
        raise DefinitionError(message, remedy=remedy)
    return pallet
