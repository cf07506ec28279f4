"""The cases of `Staking`: stakes in as many parts as may be, and a full list of candidates."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Scene
from genesis.benchmarks.crowd import crowd, everybody
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE
from pallets.session.pallet import Session
from pallets.staking.pallet import Staking
from pallets.staking.types import CANDIDATES_MAX, CHUNKS_MAX
from runtime.types import OPEN

BOND = Staking.bond_min.default
_SMALL_BOND = OPEN
"""Of the crowd, on a chain where that is enough."""
_BLOCK_CALLS = 128
"""So many candidacies fit into one block."""


def _candidate(sandbox: Sandbox) -> None:
    sandbox.ok(ALICE, Staking.bond.Call(amount=3 * BOND))
    sandbox.ok(ALICE, Staking.validate.Call())


def _full_list(sandbox: Sandbox, places_left: int) -> None:
    """Candidates with small bonds, up to so many places; the development validator has one."""
    prefix = Staking.bond_min.prefix
    sandbox.state[prefix] = Staking.bond_min.codec.encode(_SMALL_BOND)
    count = CANDIDATES_MAX - 1 - places_left
    people = crowd(sandbox, count, amount=2 * _SMALL_BOND)
    everybody(sandbox, people, lambda _: Staking.bond.Call(amount=_SMALL_BOND))
    for first in range(0, count, _BLOCK_CALLS):
        part = people[first : first + _BLOCK_CALLS]
        everybody(sandbox, part, lambda _: Staking.validate.Call())


def _unbonding(sandbox: Sandbox, parts: int) -> None:
    """What leaves in one session is one part."""
    for _ in range(parts):
        sandbox.execute(height=sandbox.height + sandbox.spec.parameters[Session.session_blocks])
        sandbox.ok(ALICE, Staking.unbond.Call(amount=OPEN))


def _bond(_sandbox: Sandbox) -> Scene:
    return Scene(ALICE, Staking.bond.Call(amount=BOND))


def _bond_extra(sandbox: Sandbox) -> Scene:
    _candidate(sandbox)
    _unbonding(sandbox, CHUNKS_MAX)
    return Scene(ALICE, Staking.bond_extra.Call(amount=BOND))


def _unbond(sandbox: Sandbox) -> Scene:
    _candidate(sandbox)
    _unbonding(sandbox, CHUNKS_MAX - 1)
    return Scene(ALICE, Staking.unbond.Call(amount=OPEN))


def _unbond_everything(sandbox: Sandbox) -> Scene:
    _full_list(sandbox, places_left=1)
    _candidate(sandbox)
    _unbonding(sandbox, CHUNKS_MAX - 1)
    rest = 3 * BOND - (CHUNKS_MAX - 1) * OPEN
    return Scene(ALICE, Staking.unbond.Call(amount=rest))


def _withdraw(sandbox: Sandbox) -> Scene:
    _candidate(sandbox)
    _unbonding(sandbox, CHUNKS_MAX)
    late = sandbox.height + 2 * sandbox.spec.parameters[Staking.unbonding_blocks]
    return Scene(ALICE, Staking.withdraw.Call(), late)


def _validate(sandbox: Sandbox) -> Scene:
    _full_list(sandbox, places_left=0)
    sandbox.ok(ALICE, Staking.bond.Call(amount=BOND))
    return Scene(ALICE, Staking.validate.Call())


def _chill(sandbox: Sandbox) -> Scene:
    _full_list(sandbox, places_left=1)
    _candidate(sandbox)
    return Scene(ALICE, Staking.chill.Call())


def _unjail(sandbox: Sandbox) -> Scene:
    _full_list(sandbox, places_left=0)
    sandbox.ok(ALICE, Staking.bond.Call(amount=BOND))
    with sandbox.reading() as pallets:
        ledger = pallets.staking.ledgers[ALICE.account]
    ledger.jailed_until = sandbox.height
    key = Staking.ledgers.storage_key(ALICE.account)
    sandbox.state[key] = Staking.ledgers.codec.encode(ledger)
    return Scene(ALICE, Staking.unjail.Call())


BENCHMARKS = tuple(
    map(
        Benchmark,
        (
            _bond,
            _bond_extra,
            _unbond,
            _unbond_everything,
            _withdraw,
            _validate,
            _chill,
            _unjail,
        ),
    )
)
