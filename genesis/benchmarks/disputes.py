"""The cases of `Disputes`: one dispute from the challenge to its end."""

from __future__ import annotations

from dataclasses import replace

from genesis.benchmark import Benchmark, Component, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import (
    ALICE,
    BASE_MODEL,
    BOB,
    BOND,
    BUILDER,
    FEE,
    PARAMETERS,
    USER,
    VALIDATOR,
    WORKER,
    commit_result,
    published,
    reveal_result,
    submit_job,
    transcript,
)
from pallets.compute.pallet import Compute
from pallets.disputes.pallet import Disputes
from pallets.workers.pallet import Workers
from runtime.hashing import ZERO_HASH
from runtime.wire.records import RowSource, training_order
from runtime.wire.transcripts import open_step, split, whole_tree

_DEPTH = 8
_DEPTH_MAX = 12
"""Openings up to here are measured; longer ones follow from their slope."""


def _revealed(sandbox: Sandbox, depth: int = _DEPTH) -> list[bytes]:
    """With a result that can be challenged, of 2**depth leaves."""
    published(sandbox)
    sandbox.ok(WORKER, Workers.register.Call(bond=BOND))
    leaves = transcript(count=2**depth)
    steps = len(leaves) - 2
    parameters = replace(PARAMETERS, steps=steps, batch_rows=1, warmup_steps=0, checkpoint_count=1)
    order = training_order(BASE_MODEL, (RowSource(0, 1),), parameters)
    sandbox.ok(BUILDER, submit_job(10 * FEE, order))
    sandbox.ok(WORKER, Compute.claim.Call(job=0))
    sandbox.ok(WORKER, commit_result(leaves=leaves))
    sandbox.advance(2)
    sandbox.ok(WORKER, reveal_result(leaves=leaves))
    return leaves


def _name_referee(_sandbox: Sandbox) -> Scene:
    return Scene(VALIDATOR, Disputes.name_referee.Call(referee=BOB.account))


def _certify(sandbox: Sandbox) -> Scene:
    _revealed(sandbox)
    return Scene(VALIDATOR, Disputes.certify.Call(work=0))


def _challenge(sandbox: Sandbox) -> Scene:
    _revealed(sandbox)
    return Scene(ALICE, Disputes.challenge.Call(work=0))


def _challenge_step(sandbox: Sandbox) -> Scene:
    _revealed(sandbox)
    return Scene(ALICE, Disputes.challenge_step.Call(work=0, index=1))


def _split(sandbox: Sandbox) -> Scene:
    leaves = _revealed(sandbox)
    sandbox.ok(ALICE, Disputes.challenge.Call(work=0))
    nodes = split(leaves, whole_tree(len(leaves)))
    return Scene(WORKER, Disputes.split.Call(work=0, nodes=nodes))


def _pick(sandbox: Sandbox) -> Scene:
    scene = _split(sandbox)
    sandbox.ok(WORKER, scene.call)
    return Scene(ALICE, Disputes.pick.Call(work=0, place=3))


def _open_step(sandbox: Sandbox, depth: int) -> Scene:
    leaves = _revealed(sandbox, depth)
    sandbox.ok(ALICE, Disputes.challenge_step.Call(work=0, index=1))
    opening = open_step(leaves, 1, ZERO_HASH)
    return Scene(WORKER, Disputes.open_step.Call(work=0, opening=opening))


def _judge(sandbox: Sandbox) -> Scene:
    """The verdict of one validator; `pallet.py` adds what a whole set takes."""
    sandbox.ok(WORKER, _open_step(sandbox, _DEPTH).call)
    return Scene(VALIDATOR, Disputes.judge.Call(work=0, result=ZERO_HASH))


def _time_out(sandbox: Sandbox) -> Scene:
    _revealed(sandbox)
    sandbox.ok(ALICE, Disputes.challenge.Call(work=0))
    clock = sandbox.spec.parameters[Disputes.clock_blocks]
    return Scene(USER, Disputes.time_out.Call(work=0), sandbox.height + clock)


BENCHMARKS = (
    *map(Benchmark, (_name_referee, _certify, _challenge, _challenge_step, _split, _pick)),
    Benchmark(_open_step, Component("opening.after.path.siblings", 2, _DEPTH_MAX)),
    *map(Benchmark, (_judge, _time_out)),
)
