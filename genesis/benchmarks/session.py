"""The cases of `Session`: keys that replace others."""

from __future__ import annotations

from consensus.bls import key_gen
from genesis.benchmark import Benchmark, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE
from genesis.validators import prove_keys
from pallets.session.pallet import Session
from runtime.calls import RuntimeCall
from runtime.hashing import hash_text
from runtime.keys import Keypair


def _keys(sandbox: Sandbox, seed: bytes) -> RuntimeCall:
    secret = hash_text(seed)
    keys, proofs = prove_keys(
        Keypair.from_seed(secret), key_gen(secret), sandbox.genesis_hash, ALICE.account
    )
    return Session.set_keys.Call(keys=keys, proofs=proofs)


def _set_keys(sandbox: Sandbox) -> Scene:
    sandbox.ok(ALICE, _keys(sandbox, b"old keys"))
    return Scene(ALICE, _keys(sandbox, b"new keys"))


def _purge_keys(sandbox: Sandbox) -> Scene:
    sandbox.ok(ALICE, _keys(sandbox, b"old keys"))
    return Scene(ALICE, Session.purge_keys.Call())


BENCHMARKS = (Benchmark(_set_keys), Benchmark(_purge_keys))
