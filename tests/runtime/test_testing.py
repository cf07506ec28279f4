"""The rehearsal of a runtime: it passes a sound one, and finds every planted bug."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from pallets.balances.pallet import Balances
from runtime.cbor import encode
from runtime.codec import IntegerCodec
from runtime.errors import DefinitionError, InvariantViolation
from runtime.testing import (
    Pool,
    Rehearsal,
    RuntimeFault,
    SeededDraws,
    Setup,
    Values,
    agree_across_processes,
    issuance_never_rises,
    random_chain,
    runtime_state_machine,
)
from runtime.types import Marker
from tests.runtime import planted_bugs
from tests.runtime.planted_bugs import BROKEN, INNOCENT, KEYPAIRS, MINT, UNORDERED

SEARCH = settings(max_examples=10, stateful_step_count=8, deadline=None, print_blob=False)
TestInnocent = runtime_state_machine(INNOCENT).TestCase
TestInnocent.settings = SEARCH


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MINT", r"Balances_sum_to_issuance: accounts hold \d+, and the issuance is \d+"),
        ("OVERFLOW", r"Overflow\.record .* stopped with OverflowError"),
        ("UNDERWEIGHT", "A call failed with WeightExceeded"),
        ("SPLIT", "A call failed with InvalidSplit"),
        ("FORGETFUL", "A second execution of the block has another changes"),
        ("BROKEN", "The total is too large"),
    ],
)
def test_random_blocks_find_every_planted_bug(name: str, message: str) -> None:
    """A few hundred blocks from a seed are enough for each, and the error says what is wrong."""
    setup: Setup = getattr(planted_bugs, name)
    with pytest.raises((RuntimeFault, InvariantViolation), match=message):
        random_chain(setup, b"planted", 800)


def test_a_set_s_order_is_found_by_processes() -> None:
    """What two instances of one process agree on, three hash seeds do not."""
    random_chain(UNORDERED, b"unordered", 30)
    with pytest.raises(RuntimeFault, match="depends on the hash seed"):
        agree_across_processes("tests.runtime.planted_bugs:UNORDERED", b"unordered", 30)


def test_a_chain_that_fails_in_a_process_is_told() -> None:
    """The error of the process comes back."""
    with pytest.raises(RuntimeFault, match="The total is too large"):
        agree_across_processes("tests.runtime.planted_bugs:BROKEN", b"planted", 400)


def test_a_sound_runtime_agrees_across_processes() -> None:
    """The same root in this process and in three with other hash seeds."""
    root = agree_across_processes("tests.runtime.planted_bugs:INNOCENT", b"sound", 20)
    assert root == random_chain(INNOCENT, b"sound", 20).tree.root


@pytest.mark.parametrize("setup", [MINT, BROKEN], ids=["mint", "broken"])
def test_hypothesis_finds_a_planted_bug(setup: Setup) -> None:
    """The state machine searches the same traffic."""
    with pytest.raises((RuntimeFault, InvariantViolation)):
        run_state_machine_as_test(
            runtime_state_machine(setup),
            settings=settings(
                SEARCH,
                max_examples=200,
                phases=(Phase.generate,),  # shrinking is Hypothesis' own, and takes a while
                database=None,
                derandomize=True,
            ),
        )


def test_a_chain_follows_from_its_seed() -> None:
    """The same seed gives the same chain; another gives another."""
    one, same = (random_chain(INNOCENT, b"one", 20) for _ in range(2))
    other = random_chain(INNOCENT, b"other", 20)
    assert one.tree.root == same.tree.root
    assert one.succeeded == same.succeeded
    assert other.tree.root != one.tree.root


def test_every_call_of_a_sound_runtime_succeeds_sometimes() -> None:
    """Random calls get past the first check: the values that were seen are used again."""
    rehearsal = random_chain(INNOCENT, b"deep", 600)
    signed = [each for each in rehearsal.calls() if each.origin is Marker.SIGNED]
    calls = [str(definition) for definition in signed]
    assert [name for name in calls if not rehearsal.succeeded.get(name)] == []


def test_issuance_may_be_forbidden_to_rise() -> None:
    """A chain whose genesis alone issues checks that too."""

    def issue(rehearsal: Rehearsal) -> None:
        before = dict(rehearsal.state)
        key = Balances.issuance.prefix
        after = before | {key: encode(3_000_001)}
        assert issuance_never_rises(rehearsal.runtime, before, before) is None
        assert issuance_never_rises(rehearsal.runtime, after, before) is None
        problem = issuance_never_rises(rehearsal.runtime, before, after)
        assert problem == "the issuance rose from 3000000 to 3000001"

    issue(Rehearsal(INNOCENT))


def test_an_opening_that_fails_is_told() -> None:
    """An opening is a script whose calls succeed: one that does not names its call and why."""
    rehearsal = Rehearsal(INNOCENT)
    poor = Balances.transfer.Call(receiver=KEYPAIRS[1].account, amount=10**30)
    with pytest.raises(RuntimeFault, match=r"Balances\.transfer did not succeed: .*Insufficient"):
        rehearsal.ok(KEYPAIRS[0], poor)
    rehearsal.nonces[KEYPAIRS[0].account] = 7
    with pytest.raises(RuntimeFault, match="it was not admitted"):
        rehearsal.ok(KEYPAIRS[0], poor)


def test_an_opening_is_played_before_the_blocks() -> None:
    """Its calls are the first of the chain."""

    def pay(rehearsal: Rehearsal) -> None:
        call = Balances.transfer.Call(receiver=KEYPAIRS[1].account, amount=5)
        events = rehearsal.ok(KEYPAIRS[0], call, height=50)
        assert events["Balances.Transfer"].fields["amount"] == 5

    opened = replace(INNOCENT, openings=(pay,))
    heights = {random_chain(opened, bytes([seed]), 0).height for seed in range(16)}
    assert heights == {0, 50}


def test_a_foreign_key_is_a_fault() -> None:
    """State that belongs to no storage item was written past the framework."""
    setup = replace(INNOCENT, genesis=lambda _: {b"stray key": b"\0"})
    with pytest.raises(RuntimeFault, match="belongs to no storage item"):
        Rehearsal(setup)


def test_an_unknown_codec_is_told() -> None:
    """A codec of one's own needs a rule of its own."""

    class OddCodec(IntegerCodec):
        """Integers, but differently."""

    with pytest.raises(DefinitionError, match="OddCodec has no rule for random values"):
        Values(SeededDraws(b""), Pool()).of(OddCodec(1, 9))
