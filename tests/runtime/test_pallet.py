"""Pallets: the example of the design page works, and every broken rule is told at class creation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Annotated, Any, ClassVar

import pytest

from runtime import (
    U8,
    AccountId,
    Amount,
    Const,
    DispatchError,
    Error,
    Event,
    Hash,
    Map,
    Max,
    Pallet,
    Root,
    Runtime,
    Signed,
    Value,
    Weight,
    call,
    on_initialize,
)
from runtime.block import BlockContext
from runtime.calls import RuntimeCall
from runtime.codec import OutOfBounds, codec_of, encode
from runtime.errors import DecodeError, DefinitionError
from runtime.keys import pallet_account
from runtime.types import Marker
from runtime.wire.records import JobState
from tests.runtime.token_pallet import Balances, Notes, System, compose

ALICE, BOB = bytes([1]) * 32, bytes([2]) * 32
FREE = Weight(reads=1, writes=1)


def test_the_example_of_the_design_page_is_read_completely() -> None:
    """Storage, constant, event, error, call and invariant, in the order of the class."""
    definition = Balances.definition
    assert (definition.name, definition.index) == ("Balances", 2)
    assert list(definition.storage) == ["issuance", "accounts"]
    assert list(definition.constants) == ["existential_deposit"]
    assert [event.name for event in definition.events] == ["Transferred"]
    (insufficient,) = definition.errors
    assert insufficient.documentation == "The balance is too low to send this amount."
    transfer = definition.calls[0]
    assert (transfer.name, transfer.index, transfer.origin) == ("transfer", 0, Marker.SIGNED)
    assert list(transfer.arguments.items) == ["receiver", "amount"]
    assert transfer.documentation.startswith("Move `amount`")


def test_an_error_is_a_sentence_with_its_values_and_a_remedy() -> None:
    """The docstring is the message; fields follow by name; `remedy` is an attribute of the class."""
    error = Balances.Insufficient(free=3)
    assert isinstance(error, DispatchError)
    assert error.message == "The balance is too low to send this amount (free: 3)."
    assert error.free == 3
    refused = Notes.Refused()
    assert str(refused) == "This note is not wanted. Write another one."
    assert refused.remedy == "Write another one."


def test_an_annotated_remedy_is_no_field() -> None:
    """A `ClassVar` is not among the values that the message lists."""

    class Refused(Error):
        """It is refused."""

        remedy: ClassVar[str] = "Ask again."
        count: U8

    assert Refused(count=3).message == "It is refused (count: 3)."
    assert Refused(count=3).remedy == "Ask again."


def test_an_error_can_be_raised_with_a_cause() -> None:
    """Python sets traceback and cause of exceptions, whatever dataclasses are."""
    cause = ValueError("why")
    with pytest.raises(Balances.Insufficient) as caught:
        raise Balances.Insufficient(free=3) from cause
    assert caught.value.__cause__ is cause
    assert caught.value.__traceback__ is not None


def test_an_event_is_a_dataclass() -> None:
    """By position or by keyword, and comparable."""
    event = Balances.Transferred(ALICE, BOB, 5)
    assert event == Balances.Transferred(sender=ALICE, receiver=BOB, amount=5)


def test_constants_are_overridden_where_the_runtime_is_composed() -> None:
    """By keyword, within the bounds of their type."""
    assert Balances().existential_deposit == 1
    assert Balances(existential_deposit=10).existential_deposit == 10
    with pytest.raises(DefinitionError, match=r"Balances\.existential_deposit is out of bounds"):
        Balances(existential_deposit=-1)
    with pytest.raises(DefinitionError, match="no constant or need named deposit"):
        Balances(deposit=10)


def test_needs_are_mandatory() -> None:
    """A pallet without its sibling says what to write."""
    balances = Balances()
    assert Notes(currency=balances).currency is balances
    with pytest.raises(DefinitionError, match=r"Notes needs currency\. Write Notes\(currency="):
        Notes()


def test_a_constant_without_a_default_must_be_given() -> None:
    """And an annotation that is neither constant nor need is the pallet's own business."""

    class Limited(Pallet, index=1):
        """Has a limit."""

        limit: Const[U8]
        note: str

    assert Limited(limit=7).limit == 7
    assert list(Limited.definition.constants) == ["limit"]


def test_an_error_shows_its_values_as_people_read_them() -> None:
    """Accounts in hexadecimal, members of an enumeration by their names."""

    class Shown(Pallet, index=1):
        """Has an error."""

        class Wrong(Error):
            """This is wrong."""

            account: AccountId
            state: JobState

    error: Any = Shown.Wrong(account=BOB, state=JobState.OPEN)
    assert error.message == f"This is wrong (account: {BOB.hex()}, state: OPEN)."


def test_a_pallet_knows_its_chain() -> None:
    """The genesis hash of the block in progress; zero outside any."""

    class Curious(Pallet, index=9):
        """Looks at the chain's identity."""

        last = Value[Hash](bytes(32))

        @on_initialize
        def look(self) -> None:
            """Store it."""
            self.last.put(self.genesis_hash)

    curious = Curious()
    runtime = Runtime(System(), Balances(), curious, spec_version=1, name="curious")
    context = BlockContext(1, 1, bytes(32), bytes(32), bytes(32))
    state = runtime.initialise(lambda: None)
    outcome = runtime.execute(state, context, BOB, (), skip_invalid=False)
    assert outcome.changes == {Curious.last.prefix: encode(BOB)}
    assert curious.genesis_hash == bytes(32)


def test_a_pallet_has_its_own_account() -> None:
    """The pot: derived from the class name."""
    assert Balances().account == pallet_account("Balances")


def test_state_outside_storage_is_refused() -> None:
    """An attribute would survive the rollback of the call that set it."""
    with pytest.raises(DefinitionError, match=r"Balances\.cache cannot be set"):
        Balances().cache = {}


def test_storage_is_used_inside_a_runtime_only() -> None:
    """Before it is composed, a pallet has no state to read."""
    with pytest.raises(DefinitionError, match=r"Balances\.accounts is used on a pallet"):
        _ = Balances().accounts


def test_a_pallet_joins_one_runtime() -> None:
    """Sharing one would mix two states."""
    balances = Balances()
    Runtime(System(), balances, spec_version=1, name="one")
    with pytest.raises(DefinitionError, match="in a runtime already"):
        Runtime(System(), balances, spec_version=1, name="two")


def test_calls_are_values() -> None:
    """`Cls.method.Call` and `runtime.call` make equal frozen dataclasses that round-trip."""
    runtime, balances, _ = compose()
    made = Balances.transfer.Call(receiver=BOB, amount=5)
    assert made == runtime.call(balances, "transfer", receiver=BOB, amount=5)
    assert made == runtime.call("Balances", "transfer", receiver=BOB, amount=5)
    assert made == runtime.call_codec.decode(runtime.call_codec.encode(made))
    assert made.to_plain() == (2, 0, (BOB, 5))
    assert repr(made).startswith("Balances.transfer.Call(receiver=")
    with pytest.raises(FrozenInstanceError):
        made.amount = 6  # type: ignore[attr-defined] # the point of the test


def test_arguments_keep_their_defaults() -> None:
    """A default of the method is one of the call's dataclass; on the wire all are written."""
    assert Notes.rewrite.Call(note=1).to_plain() == (7, 1, (1, ""))


def test_an_unknown_call_is_named() -> None:
    """The error lists what there is."""
    runtime, balances, _ = compose()
    with pytest.raises(DefinitionError, match=r"no call Balances\.send.*transfer, issue, reset"):
        runtime.call(balances, "send")
    with pytest.raises(DefinitionError, match=r"no call Bank\.send"):
        runtime.call("Bank", "send")


@pytest.mark.parametrize(
    "plain",
    [None, [], [2, 0], [2, 0, [BOB, 5], 1], [True, 0, []], [2, 99, []], [9, 0, []], [2, 0, [BOB]],
     [2, 0, [BOB, 0]], [2, 0, [BOB[1:], 5]], [2, 0, 5], ["2", 0, [BOB, 5]]],
)  # fmt: skip
def test_malformed_calls_do_not_decode(plain: Any) -> None:
    """Indices, number of arguments, types and bounds are all checked."""
    runtime, _, _ = compose()
    with pytest.raises(DecodeError):
        runtime.call_codec.from_plain(plain)


def test_a_call_of_another_runtime_does_not_encode() -> None:
    """The codec knows its own calls only."""
    runtime = Runtime(System(), Balances(), spec_version=1, name="small")
    with pytest.raises(OutOfBounds, match=r"Notes\.write is not a call of this runtime"):
        runtime.call_codec.encode(Notes.write.Call(text="hello"))


def unbounded_storage() -> None:
    """A map of unbounded values."""

    class Bad(Pallet, index=1):
        names = Map[AccountId, str]()


def unbounded_argument() -> None:
    """A call with an unbounded argument."""

    class Bad(Pallet, index=1):
        @call(0, weight=FREE)
        def rename(self, sender: Signed, name: str) -> None: ...


def unbounded_event() -> None:
    """An event with an unbounded field."""

    class Bad(Pallet, index=1):
        class Renamed(Event):
            name: str


def unbounded_error() -> None:
    """An error with an unbounded field."""

    class Bad(Pallet, index=1):
        class Taken(Error):
            """The name is taken."""

            name: str


def unbounded_constant() -> None:
    """A constant without a bound."""

    class Bad(Pallet, index=1):
        limit: Const[int] = 3


def constant_out_of_bounds() -> None:
    """A default that its type excludes."""

    class Bad(Pallet, index=1):
        limit: Const[U8] = 300


def no_origin() -> None:
    """A call whose first parameter is data."""

    class Bad(Pallet, index=1):
        @call(0, weight=FREE)
        def rename(self, sender: AccountId, amount: Amount) -> None: ...


def no_parameters() -> None:
    """A call without any parameter."""

    class Bad(Pallet, index=1):
        @call(0, weight=FREE)  # type: ignore[arg-type] # the point of the test
        def rename(self) -> None: ...


def untyped_argument() -> None:
    """A call with an argument without annotation."""

    class Bad(Pallet, index=1):
        @call(0, weight=FREE)
        def rename(self, sender: Signed, name) -> None: ...


def star_arguments() -> None:
    """A call with any number of arguments."""

    class Bad(Pallet, index=1):
        @call(0, weight=FREE)
        def rename(self, sender: Signed, *names: U8) -> None: ...


def returns_something() -> None:
    """A call that returns a value to nobody."""

    class Bad(Pallet, index=1):
        @call(0, weight=FREE)  # type: ignore[arg-type] # the point of the test
        def rename(self, sender: Signed) -> int:
            return 1


def same_index_twice() -> None:
    """Two calls with one number."""

    class Bad(Pallet, index=1):
        @call(0, weight=FREE)
        def one(self, sender: Signed) -> None: ...

        @call(0, weight=FREE)
        def two(self, origin: Root) -> None: ...


def call_index_too_large() -> None:
    """A number that does not fit a byte."""

    class Bad(Pallet, index=1):
        @call(256, weight=FREE)
        def one(self, sender: Signed) -> None: ...


def pallet_index_too_large() -> None:
    """A pallet's number that does not fit a byte."""

    class Bad(Pallet, index=256): ...


def silent_error() -> None:
    """An error without a sentence."""

    class Bad(Pallet, index=1):
        class Taken(Error):
            amount: Amount


def reserved_argument() -> None:
    """A call's dataclass has attributes of its own."""

    class Bad(Pallet, index=1):
        @call(0, weight=FREE)
        def rename(self, sender: Signed, call_definition: U8) -> None: ...


def reserved_field() -> None:
    """An error whose field would hide its arguments."""

    class Bad(Pallet, index=1):
        class Taken(Error):
            """The name is taken."""

            args: Annotated[tuple[U8, ...], Max(3)]


def untyped_storage() -> None:
    """A value without its type."""

    class Bad(Pallet, index=1):
        issuance = Value(0)


def second_generation() -> None:
    """A pallet derived from another."""

    class Bad(Balances, index=1): ...


@pytest.mark.parametrize(
    ("define", "message"),
    [
        (unbounded_storage, r"Bad\.names: str is not a bounded type.*ShortText"),
        (unbounded_argument, r"Bad\.rename: Call\.name: str is not a bounded type"),
        (unbounded_event, r"Bad\.Renamed: Renamed\.name: str is not a bounded type"),
        (unbounded_error, r"Bad\.Taken: Taken\.name: str is not a bounded type"),
        (unbounded_constant, r"Bad\.limit: .*is not a bounded type"),
        (constant_out_of_bounds, r"Bad\.limit is out of bounds: 300"),
        (no_origin, r"Bad\.rename has no origin.*sender: Signed"),
        (no_parameters, r"Bad\.rename has no origin"),
        (untyped_argument, r"Bad\.rename: the parameter name has no type"),
        (star_arguments, r"Bad\.rename: the parameter names is not a plain one"),
        (reserved_argument, r"Bad\.rename: the parameter name call_definition is reserved"),
        (returns_something, r"Bad\.rename does not say that it returns None"),
        (same_index_twice, r"Bad\.two has the index 0 of one"),
        (call_index_too_large, r"Bad\.one has the index 256"),
        (pallet_index_too_large, r"Bad has the index 256"),
        (silent_error, r"Taken has no sentence for the user"),
        (reserved_field, r"Bad\.Taken: the field name args is reserved"),
        (untyped_storage, r"Bad\.issuance has no types"),
        (second_generation, r"Bad extends another pallet"),
    ],
)
def test_a_broken_rule_is_an_error_at_class_creation(
    define: Callable[[], None], message: str
) -> None:
    """It names class and field, and ends with what to write."""
    with pytest.raises(DefinitionError, match=message) as caught:
        define()
    assert caught.value.remedy


def test_a_call_type_has_a_codec_of_its_own() -> None:
    """So that a call can be a part of a stored value."""
    made: Any = Balances.transfer.Call(receiver=BOB, amount=5)
    assert isinstance(made, RuntimeCall)
    codec = codec_of(type(made))
    assert codec.decode(codec.encode(made)) == made
