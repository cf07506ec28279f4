"""Tests of a whole runtime, for whoever writes a pallet: random signed calls, every block checked.

    SETUP = Setup(compose=compose, genesis=genesis, keypairs=(ALICE, BOB))
    TestMyRuntime = runtime_state_machine(SETUP).TestCase

`Rehearsal` says what is checked after each block; nothing but the metadata has to be known of a
pallet.  `runtime_state_machine` searches and shrinks with Hypothesis; `random_chain` is the same
traffic from a seed, fast and without Hypothesis; `agree_across_processes` runs it under several
hash seeds.  Nothing in `runtime/` imports this package.
"""

from runtime.testing.checks import balances_sum_to_issuance, issuance_never_rises
from runtime.testing.draws import Draws, SeededDraws
from runtime.testing.machine import runtime_state_machine
from runtime.testing.processes import agree_across_processes
from runtime.testing.rehearsal import Rehearsal, RuntimeFault, Setup
from runtime.testing.traffic import random_chain
from runtime.testing.values import Pool, Values

__all__ = [
    "Draws",
    "Pool",
    "Rehearsal",
    "RuntimeFault",
    "SeededDraws",
    "Setup",
    "Values",
    "agree_across_processes",
    "balances_sum_to_issuance",
    "issuance_never_rises",
    "random_chain",
    "runtime_state_machine",
]
