"""The cases of `Reports`: of accepted rows with a sponsored bond, which takes the most entries."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import (
    ALICE,
    BLOB,
    BOB,
    CURATOR,
    SERVER,
    commit,
    create,
    enrol,
    judge,
    publish,
    report,
    reveal,
    set_sponsor_budget,
)
from pallets.reports.pallet import Reports
from pallets.reports.types import EvidenceKind
from runtime.types import OPEN, PPB

_ROWS = 5


def _reviewed(sandbox: Sandbox) -> None:
    sandbox.ok(CURATOR, create())
    sandbox.ok(CURATOR, set_sponsor_budget(OPEN))
    with sandbox.reading() as pallets:
        bond = pallets.submissions.least_bond(0, _ROWS, 100 * _ROWS)
    sandbox.ok(ALICE, commit(ALICE, _ROWS, bond=bond, sponsored=True))
    sandbox.ok(ALICE, reveal(0))
    sandbox.ok(CURATOR, publish((0, _ROWS - 2, 0, 2)))


def _report(sandbox: Sandbox) -> Scene:
    _reviewed(sandbox)
    return Scene(BOB, report())


def _appeal(sandbox: Sandbox) -> Scene:
    _reviewed(sandbox)
    return Scene(ALICE, report(EvidenceKind.APPEAL))


def _answer(sandbox: Sandbox) -> Scene:
    _reviewed(sandbox)
    sandbox.ok(BOB, report())
    return Scene(ALICE, Reports.answer.Call(report=0, answer=BLOB))


def _answer_appeal(sandbox: Sandbox) -> Scene:
    _reviewed(sandbox)
    sandbox.ok(ALICE, report(EvidenceKind.APPEAL))
    return Scene(CURATOR, Reports.answer.Call(report=0, answer=BLOB))


def _convene(sandbox: Sandbox) -> Scene:
    _reviewed(sandbox)
    sandbox.ok(BOB, report())
    late = sandbox.height + sandbox.spec.parameters[Reports.answer_blocks] + 1
    return Scene(BOB, Reports.convene.Call(report=0), late)


def _judged(sandbox: Sandbox, score: int) -> Scene:
    scene = _convene(sandbox)
    sandbox.ok(SERVER, enrol())
    sandbox.ok(BOB, scene.call, height=scene.height)
    judge(sandbox, 0, {SERVER: score})
    return Scene(BOB, Reports.resolve.Call(report=0))


def _resolve_guilty(sandbox: Sandbox) -> Scene:
    return _judged(sandbox, PPB)


def _resolve_innocent(sandbox: Sandbox) -> Scene:
    return _judged(sandbox, 0)


BENCHMARKS = (
    Benchmark(_report),
    Benchmark(_appeal),
    Benchmark(_answer),
    Benchmark(_answer_appeal),
    Benchmark(_convene),
    Benchmark(_resolve_guilty),
    Benchmark(_resolve_innocent),
)
