"""A chain in memory that checks every block it executes.

After each block:

- the state before it is untouched, and so it is by every refused extrinsic;
- every failure is a declared error of a pallet or one of the framework's own;
- no call used more than its declared weight;
- another instance of the runtime, given what was included, has the same outcome: changes, events,
  results and roots; it reads every value anew, while the first remembers them between blocks;
- every changed key is one of a declared item, its value decodes, and both encode to the same bytes;
- the events decode, and encode to the same bytes;
- every `@invariant` holds, and so do the checks of the setup.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.block import BlockContext
from runtime.calls import CallDefinition, RuntimeCall
from runtime.cbor import encode_plain
from runtime.codec import TupleCodec, codec_of
from runtime.errors import DecodeError, InvalidTransaction, OpenLedgerError
from runtime.events import EventRecord
from runtime.executive import Runtime
from runtime.extrinsic import CheckedExtrinsic, Era, sign_extrinsic
from runtime.hashing import ZERO_HASH, hash_extrinsic, hash_state_key, hash_state_value, hash_text
from runtime.keys import Keypair
from runtime.outcome import BlockOutcome
from runtime.overlay import ABSENT
from runtime.state.cache import CachedState
from runtime.state.tree import Tree
from runtime.storage import PREFIX_BYTES, Map, StorageItem
from runtime.testing.checks import balances_sum_to_issuance
from runtime.testing.values import Pool
from runtime.types import AccountId

FRAMEWORK_ERRORS = ("BadOrigin", "KeyMissing", "NestedEdit", "OutOfBounds")
"""What any call may fail with, beside the errors of its runtime's pallets."""
BLOCK_TIME_MS = 500
INCLUDED_MAX = 64
"""How many of the last extrinsics are kept to be sent again."""
_ARRAY_HEAD = 0x80

SCENES_MAX = 64
"""How many of the last calls that succeeded are kept for later calls to follow."""

State = Mapping[bytes, bytes]
Check = Callable[[Runtime, State, State], str | None]
"""(runtime, state before, state after the block): what is wrong, or None."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A call that succeeded: who signed, and its arguments and events by their fields' names."""

    signer: bytes
    values: Mapping[str, Any]


class RuntimeFault(OpenLedgerError):
    """A rehearsal found a runtime that breaks what the framework promises."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A runtime to rehearse."""

    compose: Callable[[], Runtime]
    """A new instance of the runtime."""
    genesis: Callable[[Runtime], Mapping[bytes, bytes]]
    """The state that a chain begins with: mostly `runtime.initialise(...)`."""
    keypairs: tuple[Keypair, ...]
    """Who signs."""
    openings: tuple[Callable[[Rehearsal], object], ...] = ()
    """Beginnings that lead into states which random calls do not find: they use `Rehearsal.ok`."""
    checks: tuple[Check, ...] = (balances_sum_to_issuance,)


class Rehearsal:
    """A chain whose every block is checked; raises `RuntimeFault` or `InvariantViolation`."""

    def __init__(self, setup: Setup) -> None:
        """Begin at height 0 with two instances of the runtime."""
        self.setup = setup
        self.runtime = setup.compose()
        self._witness = setup.compose()
        self.state: dict[bytes, bytes] = dict(setup.genesis(self.runtime))
        self._cached = CachedState(self.state)
        self.genesis_hash = hash_text(b"rehearsal: " + self.runtime.name.encode())
        self.height = 0
        self.nonces = {keypair.account: 0 for keypair in setup.keypairs}
        self.included: list[bytes] = []
        """The extrinsics so far, to be sent again."""
        self.tree = Tree().update(_leaves(self.state))
        self.succeeded: dict[str, int] = {}
        """How often each call succeeded."""
        self.scenes: deque[Scene] = deque(maxlen=SCENES_MAX)
        self.pool = Pool()
        self._items = {
            item.prefix: item
            for pallet in self.runtime.pallets.values()
            for item in pallet.definition.storage.values()
        }
        self._errors = (*FRAMEWORK_ERRORS, *_declared_errors(self.runtime))
        self._learn_all()

    def calls(self) -> tuple[CallDefinition, ...]:
        """Every call of the runtime, in the order of its pallets."""
        pallets = self.runtime.pallets.values()
        return tuple(each for pallet in pallets for each in pallet.definition.calls)

    def sign(
        self,
        keypair: Keypair,
        call: RuntimeCall,
        *,
        ahead: int = 0,
        tip: int = 0,
        era: Era | None = None,
    ) -> bytes:
        """The call as an extrinsic with the account's next nonce, or one `ahead` of it."""
        return sign_extrinsic(
            call,
            keypair,
            genesis_hash=self.genesis_hash,
            spec_version=self.runtime.spec_version,
            nonce=max(0, self.nonces.setdefault(keypair.account, 0) + ahead),
            tip=tip,
            era=era,
        )

    def ok(
        self, keypair: Keypair, call: RuntimeCall, height: int | None = None
    ) -> dict[str, EventRecord]:
        """Execute a call that must succeed; returns its events by name, the last of each."""
        raw = self.sign(keypair, call)
        outcome = self.execute([raw], height=height)
        own = hash_extrinsic(raw)
        result = next((each for each in outcome.results if each.extrinsic_hash == own), None)
        if result is None or not result.ok:
            reason = "it was not admitted" if result is None else f"{result.error} {result.message}"
            message = f"{call.call_definition} did not succeed: {reason}"
            raise RuntimeFault(message, remedy="Mend the opening of the rehearsal.")
        return {f"{event.pallet}.{event.name}": event for event in outcome.events}

    def execute(
        self, extrinsics: Iterable[bytes], *, height: int | None = None, proposer: bytes = ZERO_HASH
    ) -> BlockOutcome:
        """Execute a block at `height`, by default the next, and check everything about it."""
        self.height = self.height + 1 if height is None else height
        context = BlockContext(
            height=self.height,
            time_ms=self.height * BLOCK_TIME_MS,
            proposer=proposer,
            beacon=hash_text(self.height.to_bytes(8, "big")),
            parent_hash=self.tree.root,
        )
        checked = [each for raw in extrinsics if (each := self._admit(raw)) is not None]
        before = dict(self.state)
        outcome = self.runtime.execute(
            self._cached, context, self.genesis_hash, checked, skip_invalid=True
        )
        self._require(self.state == before, "executing a block changed the state before it")
        self._check_results(outcome)
        self._check_witness(context, before, outcome)
        self._check_events(outcome)
        self._apply(outcome)
        self._note(outcome, checked)
        self.runtime.check_invariants(self.state)
        for check in self.setup.checks:
            problem = check(self.runtime, before, self.state)
            self._require(problem is None, f"{getattr(check, '__name__', check)}: {problem}")
        return outcome

    def check_forged(self, raw: bytes) -> None:
        """Raise `RuntimeFault` unless bytes that nobody signed are refused with a typed error."""
        self._require(self._admit(raw) is None, f"a forged extrinsic was accepted: {raw.hex()}")

    def check_tree(self) -> None:
        """Raise `RuntimeFault` unless the root of all updates is that of the state itself."""
        root = Tree().update(_leaves(self.state)).root
        self._require(root == self.tree.root, "the updated tree has another root than a new one")

    def _admit(self, raw: bytes) -> CheckedExtrinsic | None:
        try:
            return self.runtime.check(raw, self.genesis_hash)
        except (DecodeError, InvalidTransaction):
            return None

    def _check_results(self, outcome: BlockOutcome) -> None:
        for result in outcome.results:
            declared = result.ok or result.error in self._errors
            self._require(declared, f"a call failed with {result.error}: {result.message}")
            told = result.ok or (result.message and result.remedy)
            self._require(bool(told), f"{result.error} has no sentence or no remedy")
            weight = result.weight
            most = (weight.reads, weight.writes, weight.hashes, weight.bytes)
            used = (result.reads, result.writes, result.hashes, result.hashed_bytes)
            within = all(each <= limit for each, limit in zip(used, most, strict=True))
            self._require(within, f"a call used more than its weight: {result}")

    def _check_witness(self, context: BlockContext, before: State, outcome: BlockOutcome) -> None:
        """Import the block on the other instance, as every other node does."""
        checked = [self._witness.check_any(raw, self.genesis_hash) for raw in outcome.included]
        witnessed = self._witness.execute(
            before, context, self.genesis_hash, checked, skip_invalid=False
        )
        for field in _SAME:
            same = getattr(outcome, field) == getattr(witnessed, field)
            self._require(same, f"a second execution of the block has another {field}")

    def _check_events(self, outcome: BlockOutcome) -> None:
        encoded = self.runtime.encode_events(self.runtime.decode_events(outcome.encoded_events))
        self._require(encoded == outcome.encoded_events, "the block's events encode differently")

    def _apply(self, outcome: BlockOutcome) -> None:
        for key, value in outcome.changes.items():
            plain = outcome.changed[key]
            same = value == (None if plain is ABSENT else encode_plain(plain))
            self._require(same, "a change is not the encoding of its plain data")
            if value is None:
                self.state.pop(key, None)
            else:
                self._check_entry(key, value)
                self.state[key] = value
        self._cached.advance(outcome.changed)
        self.tree = self.tree.update(_leaves(outcome.changes))

    def _check_entry(self, key: bytes, value: bytes) -> None:
        item = self._items.get(key[:PREFIX_BYTES])
        if item is None:
            message = f"A block wrote the key {key.hex()}, which belongs to no storage item."
            raise RuntimeFault(message, remedy="Write through Value and Map alone.")
        decoded = item.codec.decode(value)
        self._require(item.codec.encode(decoded) == value, f"{item.place} encodes differently")
        self._learn(item, key, value)

    def _note(self, outcome: BlockOutcome, checked: Iterable[CheckedExtrinsic]) -> None:
        """Take nonces, and remember what later calls may name."""
        by_hash = {each.hash: each for each in checked}
        fields: dict[int | None, dict[str, Any]] = {}
        for event in outcome.events:
            fields.setdefault(event.extrinsic_index, {}).update(event.fields)
            definition = getattr(self.runtime.pallets[event.pallet], event.name).event_definition
            for name, item in definition.codec.items.items():
                self.pool.remember(name, item, event.fields[name])
        for index, result in enumerate(outcome.results):
            extrinsic = by_hash.get(result.extrinsic_hash)
            if extrinsic is None:  # an inherent
                continue
            self.nonces[extrinsic.signer] = extrinsic.nonce + 1
            if result.ok:
                self._note_success(extrinsic, fields.get(index, {}))
        self.included = [*self.included, *outcome.included][-INCLUDED_MAX:]

    def _note_success(self, extrinsic: CheckedExtrinsic, fields: Mapping[str, Any]) -> None:
        definition = extrinsic.definition
        self.succeeded[str(definition)] = self.succeeded.get(str(definition), 0) + 1
        items = definition.arguments.items
        arguments = dict(zip(items, extrinsic.arguments, strict=True))
        for name, codec in items.items():
            self.pool.remember(name, codec, arguments[name])
        self.scenes.append(Scene(extrinsic.signer, {**arguments, **fields}))

    def _learn_all(self) -> None:
        for keypair in self.setup.keypairs:
            self.pool.remember("bytes", codec_of(AccountId), keypair.account)
        for key, value in self.state.items():
            self._check_entry(key, value)

    def _learn(self, item: StorageItem, key: bytes, value: bytes) -> None:
        self.pool.remember(item.place.item, item.codec, item.codec.decode(value))
        if isinstance(item, Map):
            rest = key[PREFIX_BYTES:]
            if isinstance(item.key_codec, TupleCodec):
                # The parts follow one another; with a head they are the tuple's encoding.
                rest = bytes([_ARRAY_HEAD + len(item.key_codec.items)]) + rest
            parts = item.key_codec.decode(rest)
            self._require(item.storage_key(parts) == key, f"{item.place} has another key")
            self.pool.remember(item.place.item, item.key_codec, parts)

    @staticmethod
    def _require(holds: bool, problem: str) -> None:
        if not holds:
            message = f"{problem[:1].upper()}{problem[1:].removesuffix('.')}."
            raise RuntimeFault(message, remedy="This is a bug in a pallet or in the framework.")


_SAME = (
    "changes",
    "changed",
    "included",
    "results",
    "encoded_events",
    "extrinsics_root",
    "events_root",
)


def _declared_errors(runtime: Runtime) -> Iterable[str]:
    for pallet in runtime.pallets.values():
        for error in pallet.definition.errors:
            yield f"{pallet.definition.name}.{error.name}"


def _leaves(changes: Mapping[bytes, bytes | None]) -> list[tuple[bytes, bytes | None]]:
    return [
        (hash_state_key(key), None if value is None else hash_state_value(value))
        for key, value in changes.items()
    ]
