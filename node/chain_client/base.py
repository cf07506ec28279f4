"""What generated clients derive from: the chain, its pallets, their events and errors.

A generated client reads and signs for one spec version of one runtime, and says so (`WrongRuntime`)
to a node of another: what its bytes mean there nobody knows.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar, overload

from node.chain_client.calls import DryRun, Included, Sender
from node.chain_client.notation import declared_name
from node.chain_client.storage import StateReader
from node.closing import Closing
from node.connection import (
    INCLUSION_TIMEOUT_S,
    EncodedEvents,
    Head,
    NodeConnection,
    events_of,
    head_of,
)
from node.errors import CallFailed, ClientError
from node.history.decoder import SpecDecoder
from node.history.versions import SpecDecoders
from node.submission import Inclusion, Submitter, Terms
from node.subscription import Subscription
from node.transport import PATIENCE_S
from runtime.calls import RuntimeCall
from runtime.codec import Codec, RecordCodec, codec_of
from runtime.events import Event, EventCodec, EventDefinition, EventRecord
from runtime.keys import Keypair
from runtime.state.proof import verify_entry

DEFAULT_TERMS = Terms()
DEFAULT_URL = "http://127.0.0.1:9944"
E_co = TypeVar("E_co", bound=Event, covariant=True)
T = TypeVar("T")
Kind = TypeVar("Kind", bound=Event)


class WrongRuntime(ClientError):
    """The client was generated for another runtime than the node's."""


class PalletError(CallFailed):
    """The base of the errors that pallets declare."""


class OldEvent(Event):
    """An event of another spec version than the client's, whose fields were different there."""

    pallet: str
    name: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Emitted(Generic[E_co]):
    """An event of a finalised block."""

    height: int
    extrinsic_index: int | None
    """The place of its extrinsic in the block; None for the block's own hooks."""
    event: E_co


class BasePallet:
    """The base of generated pallets: `class Balances(BasePallet, index=2)`."""

    _index: ClassVar[int]
    _events: ClassVar[tuple[type[Event], ...]]
    _errors: ClassVar[dict[str, type[PalletError]]]

    def __init_subclass__(cls, *, index: int) -> None:
        super().__init_subclass__()
        cls._index = index
        members = [member for member in vars(cls).values() if isinstance(member, type)]
        cls._events = tuple(each for each in members if issubclass(each, Event))
        errors = [each for each in members if issubclass(each, PalletError)]
        name = declared_name(cls.__name__)
        cls._errors = {f"{name}.{declared_name(error.__name__)}": error for error in errors}
        for place, event in enumerate(cls._events):
            event.event_definition = _event_definition(name, index, place, event)

    def __init__(self, chain: BaseChain) -> None:
        self._sender: Sender = chain
        self._reader: StateReader = chain


class BaseChain(Closing):
    """The base of generated clients; threads may share one, processes may not."""

    RUNTIME: ClassVar[str]
    SPEC_VERSION: ClassVar[int]
    PALLETS: ClassVar[tuple[type[BasePallet], ...]]

    def __init__(self, url: str = DEFAULT_URL, *, patience_s: float = PATIENCE_S) -> None:
        """Prepare to talk to the node at `url`; nothing is sent yet.

        `patience_s` is how long a request is repeated while nothing answers.
        """
        events = [event for pallet in self.PALLETS for event in pallet._events]  # noqa: SLF001 # ours
        self._event_types = {
            (event.event_definition.pallet, event.event_definition.name): event for event in events
        }
        self._event_codec = EventCodec(event.event_definition for event in events)
        self._decoders = SpecDecoders()
        self._errors = {
            name: error
            for pallet in self.PALLETS
            for name, error in pallet._errors.items()  # noqa: SLF001 # ours
        }
        self.connection = NodeConnection(url, decode_events=self._decode, patience_s=patience_s)
        self._submitter = Submitter(self.connection, self.SPEC_VERSION)
        self._is_checked = False

    def close(self) -> None:
        """Close all connections."""
        self.connection.close()

    # Reading

    def get(self, key: bytes, height: int | None) -> bytes | None:
        """An encoded storage value at the head, or at a recent height."""
        self._check_runtime()
        if height is None:
            return self.connection.get(key)
        proof = self.connection.proof([key], height)
        (entry,) = proof.entries
        if entry.key != key:
            message = "The node proved another storage key than was asked for."
            raise ClientError(message, remedy="Do not use the answer; ask another node.")
        verify_entry(proof.head.header.state_root, entry)
        return entry.value or None

    def entries_of(self, prefix: bytes, count_max: int) -> list[tuple[bytes, bytes]]:
        """The first storage keys with a prefix, in order, and their encoded values."""
        self._check_runtime()
        return self.connection.entries_of(prefix, count_max)

    # Watching

    def finalised_heads(self, since: int | None = None) -> Subscription[Head]:
        """Every finalised header from the height `since` on, by default from now on, with proof.

        The loop raises `ClientError` for a header that is not the child of the one before.
        """
        return self._subscription("chain_subscribeFinalizedHeads", since, follow_heads())

    @overload
    def events(self, *, since: int | None = None) -> Subscription[Emitted[Event]]: ...
    @overload
    def events(
        self, *kinds: type[Kind], since: int | None = None
    ) -> Subscription[Emitted[Kind]]: ...
    def events(self, *kinds: type[Event], since: int | None = None) -> Subscription[Emitted[Any]]:
        """The events of some kinds, or all, from the height `since` on; by default from now on.

        What another spec version had with other fields is an `OldEvent`.
        """

        def read(block: Any) -> list[Emitted[Any]]:
            events = events_of(block)
            typed = self._typing(events)
            emitted = [
                Emitted(events.height, record.extrinsic_index, typed(record))
                for record in self._decode(events)
            ]
            return [each for each in emitted if isinstance(each.event, kinds or Event)]

        return self._subscription("chain_subscribeEvents", since, read)

    # Submitting

    def submit(
        self,
        calls: Sequence[RuntimeCall],
        keypair: Keypair,
        terms: Terms = DEFAULT_TERMS,
        timeout_s: float = INCLUSION_TIMEOUT_S,
    ) -> tuple[Included, ...]:
        """Bring calls of one signer into blocks, in order, without waiting in between.

        Raises the error of the first call that failed, after all are in blocks.
        """
        self._check_runtime()
        inclusions = self._submitter.submit(calls, keypair, terms, timeout_s)
        return tuple(self._successful(each) for each in inclusions)

    def fee(self, call: RuntimeCall, account: bytes, terms: Terms = DEFAULT_TERMS) -> int:
        """What a call would cost an account now beside the tip, in units of 10**-18 OPEN."""
        self._check_runtime()
        return self._submitter.fee(call, account, terms)

    def dry_run(self, call: RuntimeCall, account: bytes, terms: Terms = DEFAULT_TERMS) -> DryRun:
        """What a call of an account would do in the next block; nothing is sent."""
        self._check_runtime()
        done = self._submitter.rehearse(call, account, terms)
        kind = self._errors.get(done.error_name, CallFailed)
        return DryRun(
            None if done.ok else kind(done.error, done.remedy, name=done.error_name),
            done.fee,
            done.units,
            done.units_used,
            tuple(map(self._typed, done.events)),
            done.storage,
        )

    # helpers

    def _subscription(
        self, method: str, since: int | None, read: Callable[[Any], Iterable[T]]
    ) -> Subscription[T]:
        self._check_runtime()
        # Decided now and not when the loop begins: nothing in between is missed.
        next_height = self.connection.height() + 1 if since is None else since
        return Subscription(self.connection.url, method, next_height, read)

    def _check_runtime(self) -> None:
        """Raise `WrongRuntime` unless the node runs what the client was generated for."""
        if self._is_checked:
            return
        name, version = self.connection.properties["spec_name"], self.connection.spec_version
        if (name, version) != (self.RUNTIME, self.SPEC_VERSION):
            message = (
                f"The node runs {name} of spec version {version}, and this client is for "
                f"{self.RUNTIME} of spec version {self.SPEC_VERSION}."
            )
            remedy = "Write a new one: `openledger client generate --node URL --output FILE`."
            raise WrongRuntime(message, remedy=remedy)
        self._is_checked = True

    def _decode(self, events: EncodedEvents) -> tuple[EventRecord, ...]:
        if events.spec_version == self.SPEC_VERSION:
            return self._event_codec.decode(events.encoded)
        return self._decoder_of(events).decode_events(events.encoded)

    def _decoder_of(self, events: EncodedEvents) -> SpecDecoder:
        """What decodes events of another spec version than the client's."""
        return self._decoders.of(
            events.spec_version,
            lambda: self.connection.call("state_getMetadata", events.height),
        )

    def _typing(self, events: EncodedEvents) -> Callable[[EventRecord], Event]:
        """What makes the client's classes of the records of a block."""
        if events.spec_version == self.SPEC_VERSION:
            return self._typed
        return partial(self._typed_old, self._decoder_of(events))

    def _typed(self, record: EventRecord) -> Event:
        return self._event_types[record.pallet, record.name](**record.fields)

    def _typed_old(self, decoder: SpecDecoder, record: EventRecord) -> Event:
        """The client's class of an event of another spec version, if its fields are the same."""
        kind = self._event_types.get((record.pallet, record.name))
        old = decoder.events[record.pallet, record.name].codec.items
        new = {} if kind is None else kind.event_definition.codec.items
        if kind is None or _described(old) != _described(new):
            return OldEvent(record.pallet, record.name, record.fields)
        plain = {name: codec.to_plain(record.fields[name]) for name, codec in old.items()}
        return kind(**{name: codec.restore(plain[name]) for name, codec in new.items()})

    def _successful(self, inclusion: Inclusion) -> Included:
        if not inclusion.ok:
            kind = self._errors.get(inclusion.error_name, CallFailed)
            raise kind(inclusion.error, inclusion.remedy, name=inclusion.error_name)
        return Included(
            inclusion.extrinsic_hash,
            inclusion.height,
            inclusion.index,
            tuple(map(self._typed, inclusion.events)),
        )


def follow_heads() -> Callable[[Any], tuple[Head]]:
    """From answers of the node to heads, each the child of the one before."""
    previous = b""

    def read(answer: Any) -> tuple[Head]:
        nonlocal previous
        head = head_of(answer)
        if previous and head.header.parent_hash != previous:
            message = f"The head at height {head.height} does not follow the one before it."
            remedy = "The node has another chain than before; check which one it should have."
            raise ClientError(message, remedy=remedy)
        previous = head.header.id()
        return (head,)

    return read


def _described(fields: Mapping[str, Codec[Any]]) -> list[tuple[str, str]]:
    return [(name, codec.describe()) for name, codec in fields.items()]


def _event_definition(
    pallet: str, pallet_index: int, index: int, event: type[Event]
) -> EventDefinition:
    codec = codec_of(event)
    if not isinstance(codec, RecordCodec):
        message = f"{event.__qualname__} is not a dataclass."
        raise ClientError(message, remedy="Generate the client again.")
    return EventDefinition(
        pallet,
        pallet_index,
        declared_name(event.__name__),
        index,
        inspect.cleandoc(event.__doc__ or ""),
        codec,
    )
