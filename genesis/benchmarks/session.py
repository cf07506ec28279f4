"""The cases of `Session`: keys that replace others, and a full list of candidates."""

from __future__ import annotations

from consensus.bls import key_gen
from genesis.benchmark import Benchmark, Scene
from genesis.benchmarks.crowd import crowd, everybody
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE
from genesis.validators import prove_keys
from pallets.session.pallet import Session
from pallets.session.types import CANDIDATES_MAX
from pallets.staking.pallet import Staking
from runtime.calls import RuntimeCall
from runtime.hashing import hash_text
from runtime.keys import Keypair
from runtime.types import OPEN

_BOND = Staking.bond_min.default
_SMALL_BOND = OPEN
"""Of the crowd, on a chain where that is enough."""
_BLOCK_CALLS = 100
"""So many candidacies fit into one block."""


def _keys(sandbox: Sandbox, seed: bytes) -> RuntimeCall:
    secret = hash_text(seed)
    keys, proofs = prove_keys(
        Keypair.from_seed(secret), key_gen(secret), sandbox.genesis_hash, ALICE.account
    )
    return Session.set_keys.Call(keys=keys, proofs=proofs)


def _full_list(sandbox: Sandbox, places_left: int) -> None:
    """Candidates with small bonds, up to so many places; the development validator has one."""
    prefix = Staking.bond_min.prefix
    sandbox.state[prefix] = Staking.bond_min.codec.encode(_SMALL_BOND)
    count = CANDIDATES_MAX - 1 - places_left
    people = crowd(sandbox, count, amount=2 * _SMALL_BOND)
    everybody(sandbox, people, lambda _: Staking.bond.Call(amount=_SMALL_BOND))
    for first in range(0, count, _BLOCK_CALLS):
        part = people[first : first + _BLOCK_CALLS]
        everybody(sandbox, part, lambda _: Session.validate.Call())


def _set_keys(sandbox: Sandbox) -> Scene:
    sandbox.ok(ALICE, _keys(sandbox, b"old keys"))
    return Scene(ALICE, _keys(sandbox, b"new keys"))


def _purge_keys(sandbox: Sandbox) -> Scene:
    sandbox.ok(ALICE, _keys(sandbox, b"old keys"))
    return Scene(ALICE, Session.purge_keys.Call())


def _validate(sandbox: Sandbox) -> Scene:
    _full_list(sandbox, places_left=0)
    sandbox.ok(ALICE, Staking.bond.Call(amount=_BOND))
    return Scene(ALICE, Session.validate.Call())


def _chill(sandbox: Sandbox) -> Scene:
    _full_list(sandbox, places_left=1)
    sandbox.ok(ALICE, Staking.bond.Call(amount=_BOND))
    sandbox.ok(ALICE, Session.validate.Call())
    return Scene(ALICE, Session.chill.Call())


def _unjail(sandbox: Sandbox) -> Scene:
    _full_list(sandbox, places_left=0)
    sandbox.ok(ALICE, Staking.bond.Call(amount=_BOND))
    key = Session.jails.storage_key(ALICE.account)
    sandbox.state[key] = Session.jails.codec.encode(sandbox.height)
    return Scene(ALICE, Session.unjail.Call())


BENCHMARKS = tuple(map(Benchmark, (_set_keys, _purge_keys, _validate, _chill, _unjail)))
