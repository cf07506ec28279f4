"""The cases of `Exams`."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE, commit_exam, show_exam


def _commit(_sandbox: Sandbox) -> Scene:
    return Scene(ALICE, commit_exam())


def _show(sandbox: Sandbox) -> Scene:
    sandbox.ok(ALICE, commit_exam())
    return Scene(ALICE, show_exam())


BENCHMARKS = tuple(map(Benchmark, (_commit, _show)))
