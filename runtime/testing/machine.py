"""The Hypothesis state machine of a runtime: it searches and shrinks."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from runtime.testing.rehearsal import Rehearsal, Setup
from runtime.testing.traffic import open_chain, random_block


class HypothesisDraws:
    """Choices that Hypothesis makes, remembers and shrinks."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def integer(self, least: int, most: int) -> int:
        """An integer from `least` to `most`, both included."""
        return self._data.draw(st.integers(least, most))


def runtime_state_machine(setup: Setup) -> type[RuleBasedStateMachine]:
    """Return a state machine of random blocks; its `.TestCase` is a test for pytest or unittest.

    One step is one block.  `settings(max_examples=..., stateful_step_count=...)` on the TestCase
    say how long it searches.
    """

    class RuntimeMachine(RuleBasedStateMachine):
        """Random blocks on a chain of this runtime."""

        @initialize(number=st.integers(0, len(setup.openings)))
        def begin(self, number: int) -> None:
            """Begin at genesis, with an opening or none."""
            self.rehearsal = Rehearsal(setup)
            open_chain(self.rehearsal, number)

        @rule(data=st.data())
        def block(self, data: st.DataObject) -> None:
            """Execute a random block, and check all about it."""
            random_block(self.rehearsal, HypothesisDraws(data))

        def teardown(self) -> None:
            """Compare the tree with one that is built anew."""
            self.rehearsal.check_tree()

    RuntimeMachine.__name__ = RuntimeMachine.__qualname__ = "RuntimeMachine"
    return RuntimeMachine
