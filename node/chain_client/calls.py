"""Calls of a typed client: `chain.balances.transfer(bob, 5).sign(alice).submit()`."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from node.connection import INCLUSION_TIMEOUT_S
from node.errors import CallFailed, ClientError
from node.submission import ERA_BLOCKS, Terms
from runtime.calls import RuntimeCall
from runtime.cbor import Plain
from runtime.codec import Codec, codec_of, type_hints
from runtime.events import Event
from runtime.keys import Keypair

Arguments = ParamSpec("Arguments")
E = TypeVar("E", bound=Event)
C = TypeVar("C", bound="UnsignedCall")


@dataclass(frozen=True, slots=True)
class Included:
    """A call that succeeded in a finalised block, with the events that it left there."""

    extrinsic_hash: bytes
    height: int
    index: int
    """The place of the extrinsic in its block."""
    events: tuple[Event, ...]

    def all(self, kind: type[E]) -> tuple[E, ...]:
        """Its events of one kind."""
        return tuple(event for event in self.events if isinstance(event, kind))

    def first(self, kind: type[E]) -> E:
        """Its first event of one kind; raises `ClientError` without one."""
        for event in self.events:
            if isinstance(event, kind):
                return event
        message = f"The extrinsic left no event {kind.__qualname__}."
        raise ClientError(message, remedy="Check the call; its events are in `events`.")


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a call would do."""

    error: CallFailed | None
    """What `submit` would raise; None: it would succeed."""
    fee: int
    """Beside the tip, in 10**-18 OPEN."""
    units: int
    """The weight it pays for; see docs/build/weights.md."""
    units_used: int
    events: tuple[Event, ...]
    storage: Mapping[bytes, tuple[bytes | None, bytes | None]]
    """Encoded values by storage key, without and with the call; None: none."""


class Sender(Protocol):
    """What brings calls into blocks: a `BaseChain`."""

    @abstractmethod
    def submit(
        self, calls: Sequence[RuntimeCall], keypair: Keypair, terms: Terms, timeout_s: float
    ) -> tuple[Included, ...]:
        """Sign, send and wait, in order."""

    @abstractmethod
    def fee(self, call: RuntimeCall, account: bytes, terms: Terms) -> int:
        """What a call would cost an account now."""

    @abstractmethod
    def dry_run(self, call: RuntimeCall, account: bytes, terms: Terms) -> DryRun:
        """What a call of an account would do now."""


class HasSender(Protocol):
    """A pallet of a typed client."""

    _sender: Sender


class UnsignedCall(RuntimeCall):
    """A call with its arguments that no account may sign: an argument of other calls."""

    __slots__ = ("_plain", "_sender", "_text")

    def __init__(self, sender: Sender, plain: Plain, text: str) -> None:
        self._sender = sender
        self._plain = plain
        self._text = text

    def __repr__(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RuntimeCall) and self._plain == other.to_plain()

    def __hash__(self) -> int:
        return hash(self._plain)

    def to_plain(self) -> Plain:
        """[pallet index, call index, [arguments]]."""
        return self._plain


class Call(UnsignedCall):
    """A call with its arguments: to be signed, or to be an argument of another call."""

    __slots__ = ()

    def sign(
        self, keypair: Keypair, *, tip: int = 0, era_blocks: int | None = ERA_BLOCKS
    ) -> SignedCall:
        """Choose the signer, the tip in 10**-18 OPEN, and how many of the next blocks may take it.

        The signature itself is made by `submit`: it covers the nonce of that moment.
        """
        return SignedCall(self._sender, self, keypair, Terms(tip=tip, era_blocks=era_blocks))


@dataclass(frozen=True, slots=True)
class SignedCall:
    """A call with its signer; each `submit` sends it once."""

    _sender: Sender
    call: Call
    keypair: Keypair
    terms: Terms

    def fee(self) -> int:
        """What the call would cost now beside the tip, in 10**-18 OPEN; nothing is sent.

        Fees rise and fall by up to an eighth a block with how full blocks are.
        """
        return self._sender.fee(self.call, self.keypair.account, self.terms)

    def dry_run(self) -> DryRun:
        """What the call would do in the next block; nothing is sent, or signed.

        Raises `RpcFailed` for what no block would take.
        """
        return self._sender.dry_run(self.call, self.keypair.account, self.terms)

    def submit(self, *, timeout_s: float = INCLUSION_TIMEOUT_S) -> Included:
        """Send, and wait for the finalised block.

        Raises the pallet's error if the call fails, `RpcFailed` if the node refuses it, and
        `InclusionTimeout`.
        """
        return self._sender.submit((self.call,), self.keypair, self.terms, timeout_s)[0]


class CallMethod(Generic[Arguments, C]):
    """A method of a generated pallet that makes a call; its annotations are the encoding."""

    def __init__(self, function: Callable[..., None], index: int, kind: type[C]) -> None:
        self._function = function
        self._index = index
        self._kind = kind
        self._signature = inspect.signature(function)
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._pallet = owner

    @overload
    def __get__(self, pallet: None, owner: type) -> Self: ...
    @overload
    def __get__(self, pallet: HasSender, owner: type) -> Callable[Arguments, C]: ...
    def __get__(self, pallet: HasSender | None, owner: type) -> Self | Callable[Arguments, C]:
        """On a pallet, the method: it checks the bounds and raises `OutOfBounds`."""
        if pallet is None:
            return self

        def make(*arguments: Arguments.args, **named: Arguments.kwargs) -> C:
            bound = self._signature.bind(pallet, *arguments, **named).arguments
            fields = {name: codec.to_plain(bound[name]) for name, codec in self._codecs.items()}
            shown = ", ".join(f"{name}={bound[name]!r}" for name in fields)
            text = f"{self._pallet.__name__}.{self._function.__name__}({shown})"
            place = (self._pallet.__dict__["_index"], self._index)
            sender = pallet._sender  # noqa: SLF001 # plain names are the metadata's
            return self._kind(sender, (*place, tuple(fields.values())), text)

        return make

    @cached_property
    def _codecs(self) -> dict[str, Codec[Any]]:
        hints = type_hints(self._function, {})
        return {name: codec_of(hints[name]) for name in list(self._signature.parameters)[1:]}


Method = Callable[Concatenate[Any, Arguments], None]


def call(index: int) -> Callable[[Method[Arguments]], CallMethod[Arguments, Call]]:
    """Make a method of a generated pallet a call; `index` is its number on the wire."""
    return lambda function: CallMethod(function, index, Call)


def unsigned_call(index: int) -> Callable[[Method[Arguments]], CallMethod[Arguments, UnsignedCall]]:
    """The same for a call of the chain itself, which no account may sign."""
    return lambda function: CallMethod(function, index, UnsignedCall)
