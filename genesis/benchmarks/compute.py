"""The cases of `Compute`: one job from its order to its end, with a full panel."""

from __future__ import annotations

from dataclasses import replace

from genesis.benchmark import Benchmark, Component, Scene
from genesis.benchmarks.crowd import crowd, everybody
from genesis.sandbox import Sandbox
from genesis.scenes import (
    BASE_MODEL,
    BOND,
    BUILDER,
    FEE,
    PARAMETERS,
    SALT,
    USER,
    WORKER,
    commit_result,
    outcome,
    published,
    reveal_result,
    submit_job,
    training_job,
    transcript,
)
from pallets.audits.pallet import Audits
from pallets.compute.pallet import Compute
from pallets.workers.pallet import Workers
from runtime.keys import Keypair
from runtime.wire.records import PANEL_MAX, RowSource, training_order
from runtime.wire.training_parameters import SOURCES_MAX
from runtime.wire.transcripts import blinded_root

_DEPTH_MAX = 12
"""Openings up to here are measured; longer ones follow from their slope."""


def bonded(sandbox: Sandbox) -> list[Keypair]:
    """With published rows, a bonded worker, and as many others as a panel may have."""
    published(sandbox)
    sandbox.ok(WORKER, Workers.register.Call(bond=BOND))
    members = crowd(sandbox, PANEL_MAX, amount=2 * BOND)
    everybody(sandbox, members, lambda _: Workers.register.Call(bond=BOND))
    return members


def _submit(sandbox: Sandbox) -> Scene:
    panel = tuple(each.account for each in bonded(sandbox))
    order = training_job(sources=(RowSource(0, 1),) * SOURCES_MAX)
    return Scene(BUILDER, submit_job(FEE, order, panel=panel))


def _ordered(sandbox: Sandbox) -> list[Keypair]:
    members = bonded(sandbox)
    panel = tuple(each.account for each in members)
    sandbox.ok(BUILDER, submit_job(FEE, panel=panel))
    return members


def _claim(sandbox: Sandbox) -> Scene:
    _ordered(sandbox)
    return Scene(WORKER, Compute.claim.Call(job=0))


def _abort(sandbox: Sandbox) -> Scene:
    _ordered(sandbox)
    return Scene(BUILDER, Compute.abort.Call(job=0))


def _commit(sandbox: Sandbox) -> Scene:
    _ordered(sandbox)
    sandbox.ok(WORKER, Compute.claim.Call(job=0))
    return Scene(WORKER, commit_result())


def _audited(sandbox: Sandbox) -> list[Keypair]:
    """With the blinded roots of worker and panel."""
    members = _ordered(sandbox)
    sandbox.ok(WORKER, Compute.claim.Call(job=0))
    sandbox.ok(WORKER, commit_result())
    sandbox.advance(2)
    root = outcome().transcript_root
    everybody(
        sandbox,
        members,
        lambda each: Audits.commit.Call(job=0, blinded=blinded_root(root, each.account, SALT)),
    )
    return members


def _reveal(sandbox: Sandbox, depth: int) -> Scene:
    """Openings of a transcript of 2**depth leaves."""
    bonded(sandbox)
    leaves = transcript(count=2**depth)
    steps = len(leaves) - 2
    parameters = replace(PARAMETERS, steps=steps, batch_rows=1, warmup_steps=0, checkpoint_count=1)
    order = training_order(BASE_MODEL, (RowSource(0, 1),), parameters)
    sandbox.ok(BUILDER, submit_job(10 * FEE, order))
    sandbox.ok(WORKER, Compute.claim.Call(job=0))
    sandbox.ok(WORKER, commit_result(leaves=leaves))
    with sandbox.reading() as pallets:
        deadline = pallets.compute.jobs[0].deadline
    sandbox.advance(2)
    return Scene(WORKER, reveal_result(leaves=leaves), deadline - 1)


def _settle(sandbox: Sandbox) -> Scene:
    members = _audited(sandbox)
    sandbox.ok(WORKER, reveal_result())
    root = outcome().transcript_root
    everybody(sandbox, members, lambda _: Audits.reveal.Call(job=0, root=root, salt=SALT))
    with sandbox.reading() as pallets:
        deadline = pallets.compute.jobs[0].deadline
    return Scene(USER, Compute.settle.Call(job=0), deadline)


def _convict(sandbox: Sandbox) -> Scene:
    """The worker never reveals."""
    _audited(sandbox)
    with sandbox.reading() as pallets:
        deadline = pallets.compute.jobs[0].deadline
    return Scene(USER, Compute.settle.Call(job=0), deadline)


BENCHMARKS = (
    *map(Benchmark, (_submit, _claim, _abort, _commit, _settle, _convict)),
    Benchmark(_reveal, Component("first.path.siblings", 2, _DEPTH_MAX)),
)
