"""The state transition: admission, dispatch, rollback, hooks, limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import (
    U32,
    Const,
    Error,
    InvariantViolation,
    Map,
    Max,
    Pallet,
    Runtime,
    Signed,
    Weight,
    call,
    on_initialize,
)
from runtime.block import BlockContext
from runtime.calls import RuntimeCall
from runtime.codec import decode, encode
from runtime.dispatch import ExtrinsicResult
from runtime.errors import DecodeError, DefinitionError, InvalidBlock, InvalidTransaction
from runtime.extrinsic import CheckedExtrinsic, Era, WrongOrigin, sign_extrinsic
from runtime.fees import EXTRINSIC_UNITS, FREE
from runtime.keys import Keypair
from runtime.merkle import list_root
from runtime.outcome import BlockOutcome
from runtime.overlay import NotReading, ReadOnly
from runtime.storage import storage_key
from tests.runtime.token_pallet import Account, Balances, Notes, System, compose

GENESIS = bytes([7]) * 32
ALICE, BOB = (Keypair.from_seed(bytes([number]) * 32) for number in (1, 2))
PROPOSER = bytes([9]) * 32
CONTEXT = BlockContext(5, 1_000, PROPOSER, bytes(32), bytes(32))
ACCOUNT_OF_ALICE = storage_key("Balances", "accounts", ALICE.account)


class Chain:
    """A runtime with its state, and extrinsics for it."""

    def __init__(self) -> None:
        self.runtime, self.balances, self.notes = compose()
        self.state: dict[bytes, bytes] = self.runtime.initialise(self._configure)

    def _configure(self) -> None:
        self.balances.issue(ALICE.account, 1_000)

    def sign(self, call: RuntimeCall, nonce: int = 0, **fields: Any) -> CheckedExtrinsic:
        """An extrinsic by Alice."""
        options: dict[str, Any] = {"genesis_hash": GENESIS, "spec_version": 1} | fields
        checked = self.runtime.check(
            sign_extrinsic(call, ALICE, nonce=nonce, **(options | {"spec_version": 1})), GENESIS
        )
        return checked._replace(spec_version=options["spec_version"])

    def execute(self, *extrinsics: CheckedExtrinsic, skip: bool = False) -> BlockOutcome:
        """Execute a block, without keeping its effects."""
        return self.runtime.execute(self.state, CONTEXT, GENESIS, extrinsics, skip_invalid=skip)

    def result(self, call: RuntimeCall) -> ExtrinsicResult:
        """The result of one call in a block of its own."""
        return self.execute(self.sign(call)).results[0]

    def apply(self, outcome: BlockOutcome) -> None:
        """Keep the effects of a block."""
        for key, value in outcome.changes.items():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value

    def account(self, account: bytes) -> Account:
        """What an account has."""
        with self.runtime.reading(self.state):
            return self.balances.accounts[account]


def state_of(runtime: Runtime) -> dict[bytes, bytes]:
    """The state of a genesis that configures nothing."""
    return runtime.initialise(lambda: None)


def transfer(amount: int = 5, receiver: bytes = BOB.account) -> RuntimeCall:
    """A transfer to Bob."""
    return Balances.transfer.Call(receiver=receiver, amount=amount)


def test_genesis_is_what_the_pallets_methods_write() -> None:
    """Through their own methods, at height 0, with invariants checked."""
    chain = Chain()
    assert chain.account(ALICE.account) == Account(1_000)
    assert chain.state[storage_key("System", "spec_version")] == encode(1)
    assert chain.state[storage_key("System", "storage_versions", "Notes")] == encode(1)
    with pytest.raises(InvariantViolation, match="Too much was issued"):
        chain.runtime.initialise(lambda: chain.balances.issue(ALICE.account, 2**127))


def test_a_transfer_moves_money_and_tells() -> None:
    """Changes, events, result and roots of one successful call."""
    chain = Chain()
    extrinsic = chain.sign(transfer())
    outcome = chain.execute(extrinsic)
    chain.apply(outcome)
    assert (chain.account(ALICE.account).free, chain.account(BOB.account).free) == (995, 5)
    (result,) = outcome.results
    assert (result.ok, result.error, result.reads, result.writes) == (True, "", 2, 2)
    assert result.extrinsic_hash == extrinsic.hash
    assert outcome.included == (extrinsic.raw,)
    assert outcome.extrinsics_root == list_root([encode([extrinsic.hash])])
    assert outcome.events_root == list_root([outcome.encoded_events])
    transferred = outcome.events[1]
    assert (transferred.extrinsic_index, transferred.pallet, transferred.name) == (
        0, "Balances", "Transferred",
    )  # fmt: skip
    assert transferred.fields == {
        "sender": ALICE.account, "receiver": BOB.account, "amount": 5,
    }  # fmt: skip


def test_hooks_run_around_the_extrinsics() -> None:
    """on_initialize first, on_finalize last, their events without an index."""
    chain = Chain()
    outcome = chain.execute(chain.sign(transfer()))
    assert [(event.extrinsic_index, event.name) for event in outcome.events] == [
        (None, "Started"),
        (0, "Transferred"),
        (None, "Ended"),
    ]
    assert outcome.changes[storage_key("Notes", "started")] == encode(5)
    assert outcome.changes[storage_key("Notes", "finished")] == encode(5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (transfer(2_000), "Balances.Insufficient", "too low to send this amount (free: 1000)"),
        (Balances.issue.Call(amount=2**128 - 1), "OutOfBounds", "Account.free: 3402823"),
        (Notes.rewrite.Call(note=3), "KeyMissing", "Notes.notes has no entry"),
        (Notes.write_too_much.Call(), "WeightExceeded", "writes more than the 1"),
        (Notes.read_too_much.Call(), "WeightExceeded", "reads more than the 1"),
        (Notes.chatter.Call(count=5_000), "WeightExceeded", "more than the 4096 events"),
        (Notes.refuse.Call(reason="x"), "Notes.Refused", "not wanted"),
    ],
)
def test_a_failing_call_leaves_no_trace_but_nonce_and_event(
    call: RuntimeCall, error: str, message: str
) -> None:
    """Whatever it wrote and emitted is gone; the user is told."""
    chain = Chain()
    outcome = chain.execute(chain.sign(call))
    (result,) = outcome.results
    assert (result.ok, result.error) == (False, error)
    assert message in result.message
    empty = chain.execute()
    assert outcome.changes == {**empty.changes, ACCOUNT_OF_ALICE: encode([1_000, 0, 1])}
    started, failed, ended = outcome.events
    assert (started, ended) == empty.events
    assert (failed.extrinsic_index, failed.pallet, failed.name) == (0, "System", "ExtrinsicFailed")
    assert failed.fields == {
        "error": error,
        "message": result.message,
        "remedy": result.remedy,
    }


CALLS = st.one_of(
    st.builds(transfer, st.integers(1, 1_500), st.sampled_from([ALICE.account, BOB.account])),
    st.builds(lambda amount: Balances.issue.Call(amount=amount), st.integers(1, 2**126)),
    st.builds(lambda text: Notes.write.Call(text=text), st.sampled_from(["", "a", "b"])),
    st.builds(lambda note: Notes.rewrite.Call(note=note, text="c"), st.integers(0, 3)),
    st.sampled_from(
        [Notes.write_too_much.Call(), Notes.read_too_much.Call(), Notes.refuse.Call(reason="")]
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(CALLS, max_size=8))
def test_replaying_a_block_gives_the_same_effects(calls: list[RuntimeCall]) -> None:
    """In one runtime, in another one, and extrinsic by extrinsic: the state is the same."""
    chain, other, single = Chain(), Chain(), Chain()
    extrinsics = [chain.sign(call, nonce) for nonce, call in enumerate(calls)]
    outcome = chain.execute(*extrinsics)
    assert chain.execute(*extrinsics) == outcome
    assert other.execute(*extrinsics) == outcome
    for extrinsic in extrinsics:
        single.apply(single.execute(extrinsic))
    chain.apply(single.execute() if not extrinsics else outcome)
    single.apply(single.execute())
    assert chain.state == single.state


@settings(max_examples=60, deadline=None)
@given(st.lists(CALLS, min_size=1, max_size=6), st.data())
def test_failing_calls_between_others_change_nothing(
    calls: list[RuntimeCall], data: st.DataObject
) -> None:
    """The effects of the others are as if only the nonces of the failing ones had been used."""
    chain = Chain()
    extrinsics = [chain.sign(call, nonce) for nonce, call in enumerate(calls)]
    outcome = chain.execute(*extrinsics)
    position = data.draw(st.integers(0, len(calls)))
    with_failure = [*calls[:position], Notes.refuse.Call(reason="in between"), *calls[position:]]
    extrinsics = [chain.sign(call, nonce) for nonce, call in enumerate(with_failure)]
    failed = chain.execute(*extrinsics)
    free, held, nonce = decode(outcome.changes[ACCOUNT_OF_ALICE] or b"")
    assert failed.changes == outcome.changes | {ACCOUNT_OF_ALICE: encode([free, held, nonce + 1])}
    kept = [event for event in failed.events if event.extrinsic_index != position]
    assert [event.fields for event in kept] == [event.fields for event in outcome.events]


@pytest.mark.parametrize("nonce", [1, 2**64 - 1])
def test_only_the_next_nonce_enters(nonce: int) -> None:
    """A gap is not jumped."""
    chain = Chain()
    with pytest.raises(InvalidBlock, match="account's next is 0"):
        chain.execute(chain.sign(transfer(), nonce))


def test_an_extrinsic_enters_once() -> None:
    """Replaying it in the same or a later block is refused."""
    chain = Chain()
    extrinsic = chain.sign(transfer())
    with pytest.raises(InvalidBlock, match="Extrinsic 1 may not be in the block"):
        chain.execute(extrinsic, extrinsic)
    chain.apply(chain.execute(extrinsic))
    with pytest.raises(InvalidBlock, match="account's next is 1"):
        chain.execute(extrinsic)


def test_building_leaves_out_what_may_not_enter() -> None:
    """The rest is as in a block without it, and import accepts the result."""
    chain = Chain()
    good = [chain.sign(transfer(), 0), chain.sign(transfer(6), 1)]
    bad = [
        chain.sign(transfer(), 7),
        chain.sign(transfer(), spec_version=2),
        chain.sign(transfer(), tip=2_000),
        chain.sign(transfer(), era=Era(6, 5)),
        chain.sign(transfer(), era=Era(1, 4)),
    ]
    outcome = chain.execute(bad[0], *bad[2:], good[0], bad[1], good[1], bad[0], skip=True)
    assert outcome.included == tuple(extrinsic.raw for extrinsic in good)
    assert set(outcome.left_out) == {extrinsic.hash for extrinsic in bad}
    assert replace(outcome, left_out={}) == chain.execute(*good)
    for extrinsic in bad:
        with pytest.raises(InvalidBlock):
            chain.execute(extrinsic)


def test_an_era_limits_the_height() -> None:
    """Height 5 is inside, and validation knows the next height."""
    chain = Chain()
    extrinsic = chain.sign(transfer(), era=Era(5, 1))
    assert chain.execute(extrinsic).results[0].ok
    chain.runtime.validate(chain.state, extrinsic, 5)
    with pytest.raises(InvalidTransaction, match="this is height 6"):
        chain.runtime.validate(chain.state, extrinsic, 6)


def test_a_tip_goes_to_the_proposer_even_if_the_call_fails() -> None:
    """It is taken at admission."""
    chain = Chain()
    chain.apply(chain.execute(chain.sign(transfer(2_000), tip=30)))
    assert chain.account(PROPOSER).free == 30
    assert chain.account(ALICE.account).free == 970


def test_the_bytes_and_events_of_a_block_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full block takes no more, and import refuses what is over the limit."""
    chain = Chain()
    extrinsics = [chain.sign(transfer(), nonce) for nonce in range(4)]
    transfer_units = EXTRINSIC_UNITS + extrinsics[0].definition.weigh(()).units
    for limit, most in (
        ("admission.NORMAL_BYTES_MAX", 2 * len(extrinsics[0].raw)),
        ("admission.NORMAL_EXTRINSICS_MAX", 2),
        ("admission.NORMAL_UNITS_MAX", 3 * transfer_units - 1),
        ("executive.EVENTS_AT_ADMISSION_MAX", 2),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(f"runtime.{limit}", most)
            assert len(chain.execute(*extrinsics, skip=True).included) == 2
            with pytest.raises(InvalidBlock, match="full at 2"):
                chain.execute(*extrinsics)


def test_a_bug_in_a_call_halts() -> None:
    """An untyped exception is never a failing call; afterwards the runtime is usable."""
    chain = Chain()
    with pytest.raises(InvariantViolation, match=r"Notes\.stumble of extrinsic .* ZeroDivisionE"):
        chain.execute(chain.sign(Notes.stumble.Call(divisor=0)))
    assert chain.result(Notes.stumble.Call(divisor=7)).ok


def test_a_failing_hook_halts() -> None:
    """Hooks have nobody to tell."""

    class Broken(Pallet, index=9):
        limit: Const[U32] = 1

        @on_initialize
        def fail(self) -> None:
            """Read what is not there."""
            raise Notes.Refused

    runtime = Runtime(System(), Balances(), Broken(), spec_version=1, name="broken")
    with pytest.raises(InvariantViolation, match=r"Broken\.fail stopped with Refused"):
        runtime.execute(state_of(runtime), CONTEXT, GENESIS, [], skip_invalid=True)


def test_validation_is_for_the_mempool() -> None:
    """A nonce may be ahead, never behind; tip and origin are checked."""
    chain = Chain()
    chain.apply(chain.execute(chain.sign(transfer())))
    chain.runtime.validate(chain.state, chain.sign(transfer(), 1, tip=995), 6)
    chain.runtime.validate(chain.state, chain.sign(transfer(), 40), 6)
    for extrinsic, message in (
        (chain.sign(transfer(), 0), "account's next is 1"),
        (chain.sign(transfer(), 1, tip=996), "fee and tip are 996"),
    ):
        with pytest.raises(InvalidTransaction, match=message):
            chain.runtime.validate(chain.state, extrinsic, 6)
    with pytest.raises(WrongOrigin, match="call of the chain itself"):
        chain.sign(Balances.reset.Call(), 1)


def test_reading_is_off_chain_and_read_only() -> None:
    """Storage and methods work inside `reading`; writing and reading elsewhere raise."""
    chain = Chain()
    with chain.runtime.reading(chain.state):
        assert chain.runtime.pallets["Balances"].accounts[ALICE.account].free == 1_000
        assert chain.balances.free_balance(ALICE.account) == 1_000
        with pytest.raises(ReadOnly):
            chain.balances.issuance.put(1)
    with pytest.raises(NotReading):
        chain.balances.issuance.get()


def test_executing_inside_a_reading_is_a_bug() -> None:
    """One runtime, one state at a time."""
    chain = Chain()
    with chain.runtime.reading(chain.state), pytest.raises(InvariantViolation):
        chain.execute()
    assert chain.execute().results == ()


def test_invariants_are_checked_on_any_state() -> None:
    """Tests and simulations call it after every block."""
    chain = Chain()
    chain.runtime.check_invariants(chain.state)
    chain.state[storage_key("Balances", "issuance")] = encode(2**127)
    with pytest.raises(InvariantViolation, match="Too much was issued"):
        chain.runtime.check_invariants(chain.state)


def test_events_survive_the_round_trip() -> None:
    """What the store keeps decodes to the records; other bytes raise."""
    chain = Chain()
    outcome = chain.execute(chain.sign(transfer()), chain.sign(Notes.write.Call(text="x"), 1))
    assert chain.runtime.encode_events(outcome.events) == outcome.encoded_events
    assert chain.runtime.decode_events(outcome.encoded_events) == outcome.events
    written = [None, 7, 0, [1, bytes(32)]]
    assert chain.runtime.decode_events(encode([encode(written)]))
    malformed: list[Any] = [
        5,
        [],
        [-1, *written[1:]],
        [True, *written[1:]],
        [None, 9, 0, []],
        [None, 7, 9, []],
        [None, "7", 0, []],
        [None, 7, 0, None],
        [None, 7, 0, [1]],
    ]
    for bad in malformed:
        with pytest.raises(DecodeError):
            chain.runtime.decode_events(encode([encode(bad)]))
    for data in (b"", encode(5), encode([5]), outcome.encoded_events + b"\0"):
        with pytest.raises(DecodeError):
            chain.runtime.decode_events(data)


def test_a_runtime_is_composed_rightly() -> None:
    """A System, a Balances, and no name or index twice."""
    with pytest.raises(DefinitionError, match="no pallet named Balances with admit"):
        Runtime(System(), spec_version=1, name="penniless")
    with pytest.raises(DefinitionError, match="no pallet named System"):
        Runtime(Balances(), spec_version=1, name="headless")
    with pytest.raises(DefinitionError, match="two pallets named Balances"):
        Runtime(System(), Balances(), Balances(), spec_version=1, name="twice")

    class Rival(Pallet, index=2): ...

    with pytest.raises(DefinitionError, match="Rival and Balances both have the index 2"):
        Runtime(System(), Balances(), Rival(), spec_version=1, name="rivals")


def test_a_long_message_is_cut_to_fit_the_event() -> None:
    """At a character, not inside one; the event is within its bounds."""

    class Talker(Pallet, index=3):
        class Long(Error):
            """The text is too long."""

            text: Annotated[str, Max(4_096)]

        @call(0, weight=Weight(reads=0, writes=0))
        def talk(self, sender: Signed) -> None:
            """Fail at length."""
            raise self.Long(text="é" * 2_000)

    runtime = Runtime(System(), Balances(), Talker(), spec_version=1, name="talk")
    options: dict[str, Any] = {"genesis_hash": GENESIS, "spec_version": 1, "nonce": 0}
    extrinsic = runtime.check(sign_extrinsic(Talker.talk.Call(), ALICE, **options), GENESIS)
    state = state_of(runtime)
    outcome = runtime.execute(state, CONTEXT, GENESIS, [extrinsic], skip_invalid=False)
    message = outcome.results[0].message
    assert message.endswith("é")
    assert 1_023 <= len(message.encode()) <= 1_024
    assert outcome.events[0].fields["message"] == message


def test_the_fee_is_known_before_it_is_paid() -> None:
    """Without a pallet named Fees there is none."""
    chain = Chain()
    assert chain.runtime.fee(chain.state, chain.sign(transfer())) == 0
    assert chain.runtime.schedule(chain.state) == FREE


@pytest.mark.parametrize("name", ["look", "try_to_look"])
def test_a_call_that_finds_the_state_broken_halts(name: str) -> None:
    """An error that halts comes through a call as it is, and through one that attempts another."""

    class Guard(Pallet, index=9):
        """Finds the state broken."""

        @call(0, weight=Weight(reads=0, writes=0))
        def look(self, sender: Signed) -> None:
            """Raise what no call may fail with."""
            raise InvariantViolation("The state is broken.", remedy="Restore it.")

        @call(1, weight=Weight(reads=0, writes=0))
        def try_to_look(self, sender: Signed) -> None:
            """Attempt the other call."""
            self.attempt(Guard.look.Call(), sender)

    balances = Balances()
    runtime = Runtime(System(), balances, Guard(), spec_version=1, name="guard")
    state = runtime.initialise(lambda: balances.issue(ALICE.account, 1_000))
    raw = sign_extrinsic(
        runtime.call("Guard", name), ALICE, genesis_hash=GENESIS, spec_version=1, nonce=0
    )
    checked = runtime.check(raw, GENESIS)
    with pytest.raises(InvariantViolation, match="The state is broken"):
        runtime.execute(state, CONTEXT, GENESIS, [checked], skip_invalid=True)


def test_an_attempt_does_not_hide_that_the_weight_is_used_up() -> None:
    """Otherwise a call could go on, attempt by attempt, far beyond what it declared and paid."""

    class Greedy(Pallet, index=9):
        """Makes more calls than it declares."""

        counts = Map[U32, U32](0)

        @call(0, weight=Weight(reads=1, writes=1))
        def count(self, sender: Signed, number: U32) -> None:
            """Touch one entry."""
            self.counts[number] += 1

        @call(1, weight=Weight(reads=1, writes=1))
        def count_all(self, sender: Signed) -> None:
            """Touch fifty, and try each of them again."""
            for number in (*range(50), *range(50)):
                self.attempt(Greedy.count.Call(number=number), sender)

    balances = Balances()
    runtime = Runtime(System(), balances, Greedy(), spec_version=1, name="greedy")
    state = runtime.initialise(lambda: balances.issue(ALICE.account, 1_000))
    raw = sign_extrinsic(
        runtime.call("Greedy", "count_all"), ALICE, genesis_hash=GENESIS, spec_version=1, nonce=0
    )
    outcome = runtime.execute(
        state, CONTEXT, GENESIS, [runtime.check(raw, GENESIS)], skip_invalid=False
    )
    assert outcome.results[0].error == "WeightExceeded"
    assert not any(key.startswith(Greedy.counts.prefix) for key in outcome.changes)


def test_an_extrinsic_can_be_opened_before_its_signature_is_verified() -> None:
    """What is opened is what `check` returns, with the signature for somebody else to verify."""
    chain = Chain()
    raw = chain.sign(transfer()).raw
    opened = chain.runtime.open(raw, GENESIS)
    assert opened[0] == chain.runtime.check(raw, GENESIS)
    forged = bytearray(raw)
    forged[-1] ^= 1
    with pytest.raises(InvalidTransaction):
        chain.runtime.check(bytes(forged), GENESIS)
    assert chain.runtime.open(bytes(forged), GENESIS)[0] != opened[0]
