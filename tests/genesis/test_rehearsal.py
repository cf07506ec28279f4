"""The whole OpenLedger runtime under random signed calls; `make fuzz` is the long form."""

from __future__ import annotations

import pytest
from hypothesis import settings

from runtime.testing import agree_across_processes, random_chain, runtime_state_machine
from tests.fuzz.openledger import SETUP

TestOpenLedger = runtime_state_machine(SETUP).TestCase
TestOpenLedger.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)


@pytest.mark.parametrize("seed", range(8))
def test_random_blocks_break_nothing(seed: int) -> None:
    """Nothing but declared errors, no issuance, replays agree, invariants hold, values decode."""
    rehearsal = random_chain(SETUP, b"test %d" % seed, 40)
    assert sum(rehearsal.succeeded.values())


def test_other_processes_come_to_the_same_state() -> None:
    """No result depends on the hash seed of a process."""
    assert agree_across_processes("tests.fuzz.openledger:SETUP", b"processes", 40)
