"""The cases of `Audits`: the last of a full panel."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Scene
from genesis.benchmarks.compute import bonded
from genesis.benchmarks.crowd import everybody
from genesis.sandbox import Sandbox
from genesis.scenes import (
    BUILDER,
    FEE,
    SALT,
    WORKER,
    commit_result,
    outcome,
    reveal_result,
    submit_job,
)
from pallets.audits.pallet import Audits
from pallets.compute.pallet import Compute
from runtime.calls import RuntimeCall
from runtime.keys import Keypair
from runtime.wire.transcripts import blinded_root


def _drawn(sandbox: Sandbox) -> list[Keypair]:
    members = bonded(sandbox)
    sandbox.ok(BUILDER, submit_job(FEE, panel=tuple(each.account for each in members)))
    sandbox.ok(WORKER, Compute.claim.Call(job=0))
    sandbox.ok(WORKER, commit_result())
    sandbox.advance(2)
    return members


def _commitment(auditor: Keypair) -> RuntimeCall:
    blinded = blinded_root(outcome().transcript_root, auditor.account, SALT)
    return Audits.commit.Call(job=0, blinded=blinded)


def _commit(sandbox: Sandbox) -> Scene:
    *others, last = _drawn(sandbox)
    everybody(sandbox, others, _commitment)
    return Scene(last, _commitment(last))


def _reveal(sandbox: Sandbox) -> Scene:
    members = _drawn(sandbox)
    everybody(sandbox, members, _commitment)
    sandbox.ok(WORKER, reveal_result())
    *others, last = members
    call = Audits.reveal.Call(job=0, root=outcome().transcript_root, salt=SALT)
    everybody(sandbox, others, lambda _: call)
    return Scene(last, call)


BENCHMARKS = (Benchmark(_commit), Benchmark(_reveal))
