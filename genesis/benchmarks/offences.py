"""The cases of `Offences`: one liar, and a fork that most of a large set signed."""

from __future__ import annotations

from consensus.bls import key_gen
from genesis.benchmark import Benchmark, Scene
from genesis.benchmarks.crowd import crowd, everybody
from genesis.liars import Liar, Liars
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE
from genesis.validators import prove_keys
from pallets.offences.pallet import Offences
from pallets.session.pallet import Session
from pallets.staking.pallet import Staking
from runtime.calls import RuntimeCall
from runtime.keys import Keypair
from runtime.types import PPB
from runtime.wire.validators import ValidatorSet

_FORK_VALIDATORS = 90
_BOND = Staking.bond_min.default
_BLOCK_CALLS = 32
"""So many calls that verify keys fit into one block."""


def _current(sandbox: Sandbox) -> ValidatorSet:
    with sandbox.reading() as pallets:
        return pallets.session.current.get() or sandbox.spec.validator_set()


def _bad_share(sandbox: Sandbox) -> bytes:
    sandbox.advance(1)
    liars = Liars(sandbox.genesis_hash, _current(sandbox))
    return liars.bad_share(Liar.development("validator"), height=1)


def _fork(sandbox: Sandbox) -> bytes:
    """A large set is elected, and all of it lies."""
    people = [_liar(each) for each in crowd(sandbox, _FORK_VALIDATORS, amount=2 * _BOND)]
    keypairs = [each.keypair for each in people]
    by_account = {each.keypair.account: each for each in people}

    def set_keys(keypair: Keypair) -> RuntimeCall:
        secret = by_account[keypair.account].bls_secret
        keys, proofs = prove_keys(keypair, secret, sandbox.genesis_hash, keypair.account)
        return Session.set_keys.Call(keys=keys, proofs=proofs)

    everybody(sandbox, keypairs, lambda _: Staking.bond.Call(amount=_BOND))
    for first in range(0, _FORK_VALIDATORS, _BLOCK_CALLS):
        part = keypairs[first : first + _BLOCK_CALLS]
        everybody(sandbox, part, lambda _: Session.validate.Call())
        everybody(sandbox, part, set_keys)
    sandbox.state[Session.change_max_ppb.prefix] = Session.change_max_ppb.codec.encode(PPB)
    sandbox.execute(height=sandbox.spec.parameters[Session.session_blocks])
    sandbox.advance(1)
    liars = Liars(sandbox.genesis_hash, _current(sandbox))
    return liars.fork([*people, Liar.development("validator")], height=sandbox.height)


def _liar(keypair: Keypair) -> Liar:
    return Liar(keypair, key_gen(keypair.account))


def _report(sandbox: Sandbox) -> Scene:
    return Scene(ALICE, Offences.report.Call(evidence=_bad_share(sandbox)))


def _report_fork(sandbox: Sandbox) -> Scene:
    return Scene(ALICE, Offences.report.Call(evidence=_fork(sandbox)))


def _submit(sandbox: Sandbox) -> Scene:
    return Scene(None, Offences.submit.Call(evidence=_bad_share(sandbox)))


def _cancel_slash(sandbox: Sandbox) -> Scene:
    sandbox.ok(ALICE, Offences.report.Call(evidence=_bad_share(sandbox)))
    return Scene(None, Offences.cancel_slash.Call(slash=0))


BENCHMARKS = tuple(map(Benchmark, (_report, _report_fork, _submit, _cancel_slash)))
