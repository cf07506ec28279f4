"""`openledger pallet bench`: fits, the file it writes, and drift."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from genesis.benchmark import Benchmark, Component, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE
from node.errors import BenchmarkError
from node.weighing.drift import Drift, compare, find_drift
from node.weighing.fit import PICO, fit, fit_calls
from node.weighing.measure import Case, Counts, Point, grid, measure_all
from node.weighing.targets import find_target
from node.weighing.weights_file import Provenance, cpu_model, render
from pallets.balances.pallet import Balances
from pallets.system.pallet import System
from runtime.types import OPEN

Run = Callable[..., Any]
HERE = Provenance(date(2026, 11, 21), "a machine", "3.11.7", 4)


def case(
    *points: tuple[tuple[int, ...], int, int], terms: tuple[str, ...] = ("len(data)",)
) -> Case:
    """A case of System.remark: sizes, bytes hashed, nanoseconds."""
    return Case(
        System.remark.definition,
        terms,
        tuple(
            Point(sizes, (bytes(sizes[0]),), Counts(1, 2, 1, count), (time_ns,) * 4)
            for sizes, count, time_ns in points
        ),
    )


def test_an_exact_line_is_found() -> None:
    """Counts and times that are linear give their coefficients, and no error."""
    fitted = fit(case(((0,), 7, 1_000), ((10,), 27, 1_500), ((20,), 47, 2_000)))
    assert fitted.base.counts == (1, 2, 1, 7)
    assert fitted.slopes["len(data)"].counts == (0, 0, 0, 2)
    assert fitted.base.time_ps == pytest.approx(1_000 * PICO, abs=10_000)
    assert fitted.slopes["len(data)"].time_ps == pytest.approx(50 * PICO, abs=100)
    assert fitted.slopes["len(data)"].error_ps <= 100


@pytest.mark.parametrize(
    "counts", [(0, 1, 1, 1), (5, 5, 9, 9), (0, 0, 1, 2), (9, 3, 2, 1), (0, 7, 8, 9)]
)
def test_a_fitted_count_is_nowhere_too_small(counts: tuple[int, ...]) -> None:
    """Steps, falls and roundings are covered at every measured point."""
    points = [((3 * place,), count, 100) for place, count in enumerate(counts)]
    fitted = fit(case(*points))
    for sizes, count, _ in points:
        slope = fitted.slopes["len(data)"].counts[3]
        assert fitted.base.counts[3] + slope * sizes[0] >= count


def test_several_cases_are_covered_by_one_weight() -> None:
    """Each coefficient is the larger one of the cases."""
    few = case(((0,), 9, 1_000), ((10,), 9, 1_000))
    many = case(((0,), 2, 100), ((10,), 32, 1_100))
    (weight,) = fit_calls([few, many])
    assert weight.base.counts[3] == 9
    assert weight.slopes["len(data)"].counts[3] == 3


def test_a_component_that_costs_nothing_is_left_out() -> None:
    """The weight is then a constant, without an argument that nobody uses."""
    fitted = fit(case(((0,), 7, 1_000), ((1_000,), 7, 900)))
    assert fitted.slopes == {}
    assert "remark = Weight(" in render("System", [fitted], HERE)


def test_the_grid_varies_one_component_at_a_time() -> None:
    """The others are at their most; the least of all is there too."""
    points = grid([Component("a", 0, 4), Component("b", 1, 1)])
    assert points == [(0, 1), (4, 1), (1, 1), (2, 1), (3, 1)]
    assert grid([]) == [()]
    assert (0, 8) in grid([Component("a", 0, 4), Component("b", 0, 8)])
    assert (4, 2) in grid([Component("a", 0, 4), Component("b", 0, 8)])


def test_the_file_is_python_that_weighs() -> None:
    """Functions take the call's arguments in order; constants are weights."""
    constant = Case(
        Balances.burn.definition, (), (Point((), (5,), Counts(2, 2, 0, 0), (9_000,) * 4),)
    )
    sloped = case(((0,), 7, 1_000), ((1_000,), 2_007, 1_655))
    text = render("System", fit_calls([sloped]), HERE)
    names: dict[str, Any] = {}
    exec(compile(text, "weights.py", "exec"), names)  # noqa: S102 # it is what was just written
    weight = names["remark"](bytes(1_000))
    assert (weight.reads, weight.writes, weight.hashes, weight.bytes) == (1, 2, 1, 2_007)
    assert weight.time_ns == pytest.approx(1_655, abs=20)
    assert "do not edit" in text
    assert "cpu      a machine" in text
    assert "burn = Weight(\n    reads=2," in render("Balances", fit_calls([constant]), HERE)


@pytest.mark.parametrize("name", ["system", "balances", "datanets", "attribution"])
def test_the_file_passes_the_linter(name: str, tmp_path: Path) -> None:
    """As it is written: formatted, and without a finding."""
    target = find_target(name)
    cases = list(measure_all(target.benchmarks, target.extra, samples=2))
    path = tmp_path / "weights.py"
    path.write_text(render(target.name, fit_calls(cases), HERE))
    config = Path(__file__).resolve().parents[2] / "pyproject.toml"
    for command in (["format", "--check"], ["check", "--ignore=INP001"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", f"--config={config}"]
        ended = subprocess.run([*ruff, str(path)], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout


def test_drift_is_more_than_declared() -> None:
    """A read too many is drift, time within the threshold is not, and less never is."""
    exact = case(((4_096,), 4_096, 100))
    assert {each.what for each in find_drift([exact], 50)} == {"reads", "writes"}
    slow = case(((4_096,), 4_096, 10**9))
    assert "time_ns" in {each.what for each in find_drift([slow], 50)}
    assert "time_ns" not in {each.what for each in find_drift([slow], 10**9)}
    (time,) = (each for each in compare(slow) if each.what == "time_ns")
    assert time.sizes == "len(data) = 4096"
    assert time.per_cent > 50


def test_cases_that_do_not_run_are_named() -> None:
    """A call that fails, and a size that was not made."""

    def too_much(_sandbox: Sandbox) -> Scene:
        return Scene(ALICE, Balances.burn.Call(amount=10**12 * OPEN))

    def too_short(_sandbox: Sandbox, _data: int) -> Scene:
        return Scene(ALICE, System.remark.Call(data=b""))

    with pytest.raises(BenchmarkError, match=r"Balances\.burn fails in its benchmark"):
        list(measure_all([Benchmark(too_much)], (), 2))
    with pytest.raises(BenchmarkError, match="has the size 0, and 8 was asked for"):
        list(measure_all([Benchmark(too_short, Component("data", 8, 8))], (), 2))


def test_every_call_needs_a_case() -> None:
    """Missing calls and another pallet's calls are named."""
    target = find_target("Balances")
    with pytest.raises(BenchmarkError, match="no case for transfer"):
        target.require_all_calls([])
    cases = list(measure_all(target.benchmarks, (), 2))
    with pytest.raises(BenchmarkError, match=r"a case for System\.remark"):
        target.require_all_calls([*cases, case(((0,), 0, 1))])


def test_the_command_writes_checks_and_reports(openledger: Run, tmp_path: Path) -> None:
    """Stdout or a file; JSON; --check exits with 0 without drift and with 1 on it."""
    few = ("--samples", "2")
    assert "def remark(" in openledger("pallet", "bench", "System", *few).stdout
    path = tmp_path / "weights.py"
    assert openledger("pallet", "bench", "system", "--output", str(path), *few).returncode == 0
    assert "def remark(" in path.read_text()
    told = json.loads(openledger("pallet", "bench", "System", "--json", *few).stdout)
    assert [each["name"] for each in told] == [
        "remark",
        "set_parameter",
        "set_guarded_parameter",
    ]
    calm = openledger("pallet", "bench", "System", "--check", "--time-drift-max=1000000", *few)
    assert (calm.returncode, calm.stdout) == (0, "No drift.\n")
    result = openledger("pallet", "bench", "Nothing")
    assert result.returncode == 2
    assert "offers a pallet Nothing" in result.stderr


def test_drift_is_a_table_and_an_exit_code(
    openledger: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1, and each figure beside what is declared."""
    drifts = [Drift("remark", "len(data) = 0", "reads", 4, 6)]
    monkeypatch.setattr("node.weighing.drift.find_drift", lambda *_: drifts)
    result = openledger("pallet", "bench", "System", "--check", "--samples", "2")
    assert result.returncode == 1
    assert "+50 %" in result.stdout
    told = openledger("pallet", "bench", "System", "--check", "--json", "--samples", "2")
    assert json.loads(told.stdout)[0]["measured"] == 6


def test_the_processor_has_a_name() -> None:
    """Provenance is never empty."""
    assert cpu_model()
