"""The cases of `Datanets`: the longest records, and budgets that rise and fall."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import CURATOR, create, set_sponsor_budget, terms
from pallets.datanets.pallet import Datanets
from runtime.wire.datanets import LANGUAGES_MAX, MEDIA_TYPE, Column, Schema

_TEXT_BYTES_MAX = 64
_LONG_TEXT_BYTES_MAX = 1024
_SCHEMA = Schema(
    media_type=MEDIA_TYPE,
    columns=(
        Column("p" * _TEXT_BYTES_MAX, 1, 65_536),
        Column("c" * _TEXT_BYTES_MAX, 1, 65_536),
    ),
    languages=tuple("a" + chr(ord("a") + index) for index in range(LANGUAGES_MAX)),
)


def _create(_sandbox: Sandbox) -> Scene:
    call = Datanets.create.Call(
        name="n" * _TEXT_BYTES_MAX,
        description="d" * _LONG_TEXT_BYTES_MAX,
        schema=_SCHEMA,
        terms=terms(licence="l" * _TEXT_BYTES_MAX),
    )
    return Scene(CURATOR, call)


def _raise_budget(sandbox: Sandbox) -> Scene:
    sandbox.ok(CURATOR, create())
    sandbox.ok(CURATOR, set_sponsor_budget(1_000))
    return Scene(CURATOR, set_sponsor_budget(2_000))


def _lower_budget(sandbox: Sandbox) -> Scene:
    sandbox.ok(CURATOR, create())
    sandbox.ok(CURATOR, set_sponsor_budget(1_000))
    return Scene(CURATOR, set_sponsor_budget(500))


BENCHMARKS = (
    Benchmark(_create),
    Benchmark(_raise_budget),
    Benchmark(_lower_budget),
)
