"""What `openledger pallet bench Bounties` measures: for each call, its most expensive way."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Scene
from genesis.sandbox import Sandbox
from runtime import OPEN, RuntimeCall

from bounties.pallet import Bounties

_TITLE_BYTES_MAX = 64
_ENDS_AT = 1_000


def _post_call() -> RuntimeCall:
    return Bounties.post.Call(title="t" * _TITLE_BYTES_MAX, reward=OPEN, ends_at=_ENDS_AT)


def _post(sandbox: Sandbox) -> Scene:
    sandbox.ok(sandbox.keypair("alice"), _post_call())
    return Scene(sandbox.keypair("alice"), _post_call())


def _raise_reward(sandbox: Sandbox) -> Scene:
    sandbox.ok(sandbox.keypair("alice"), _post_call())
    return Scene(sandbox.keypair("alice"), Bounties.raise_reward.Call(bounty=0, amount=OPEN))


def _award(sandbox: Sandbox) -> Scene:
    alice, bob = sandbox.keypair("alice"), sandbox.keypair("bob")
    sandbox.ok(alice, _post_call())
    return Scene(alice, Bounties.award.Call(bounty=0, winner=bob.account))


BENCHMARKS = (Benchmark(_post), Benchmark(_raise_reward), Benchmark(_award))
