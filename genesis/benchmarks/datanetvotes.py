"""The cases of `DatanetVotes`: proposals that pass and that fail."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE, BOB, CURATOR, commit, create, publish, reveal, terms
from pallets.datanet_votes.pallet import DatanetVotes
from runtime.calls import RuntimeCall
from runtime.types import OPEN

_ROWS = 5
_TEXT_BYTES_MAX = 64


def _proposed(sandbox: Sandbox) -> None:
    sandbox.ok(CURATOR, create())
    sandbox.ok(ALICE, commit(ALICE, _ROWS, bond=OPEN))
    sandbox.ok(ALICE, reveal(0))
    sandbox.ok(CURATOR, publish((0, _ROWS, 0, 0)))
    sandbox.ok(ALICE, _propose_call())


def _propose_call() -> RuntimeCall:
    return DatanetVotes.propose.Call(datanet=0, terms=terms(licence="l" * _TEXT_BYTES_MAX))


def _vote_call(*, approve: bool) -> RuntimeCall:
    return DatanetVotes.vote.Call(datanet=0, proposal=0, approve=approve, stake=2_000 * OPEN)


def _propose(sandbox: Sandbox) -> Scene:
    _proposed(sandbox)
    return Scene(ALICE, _propose_call())


def _vote(sandbox: Sandbox) -> Scene:
    _proposed(sandbox)
    return Scene(ALICE, _vote_call(approve=True))


def _voted(sandbox: Sandbox, *, approve: bool) -> Scene:
    _proposed(sandbox)
    sandbox.ok(ALICE, _vote_call(approve=approve))
    late = sandbox.height + sandbox.spec.parameters[DatanetVotes.voting_blocks]
    return Scene(BOB, DatanetVotes.close.Call(datanet=0, proposal=0), late)


def _close_passed(sandbox: Sandbox) -> Scene:
    return _voted(sandbox, approve=True)


def _close_rejected(sandbox: Sandbox) -> Scene:
    return _voted(sandbox, approve=False)


def _release(sandbox: Sandbox) -> Scene:
    scene = _voted(sandbox, approve=True)
    sandbox.ok(BOB, scene.call, height=scene.height)
    return Scene(ALICE, DatanetVotes.release.Call(datanet=0, proposal=0))


BENCHMARKS = (
    Benchmark(_propose),
    Benchmark(_vote),
    Benchmark(_close_passed),
    Benchmark(_close_rejected),
    Benchmark(_release),
)
