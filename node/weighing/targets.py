"""Finds a pallet by name with its benchmark cases, built in or from an installed package."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass

from genesis.benchmark import Benchmark
from genesis.compose import compose_runtime
from genesis.pallet_packages import pallet_class
from node.errors import BenchmarkError
from node.weighing.measure import Case
from runtime.pallet import Pallet


@dataclass(frozen=True, slots=True)
class Target:
    """A pallet to measure."""

    pallet: type[Pallet]
    benchmarks: Sequence[Benchmark]
    extra: tuple[type[Pallet], ...]
    """What to add to the built-in pallets, so that it is there."""

    @property
    def name(self) -> str:
        """The pallet's name."""
        return self.pallet.definition.name

    def require_all_calls(self, cases: Sequence[Case]) -> None:
        """Raise `BenchmarkError` unless every call of the pallet has a case, and nothing else."""
        measured = [case.definition for case in cases]
        missing = [call.name for call in self.pallet.definition.calls if call not in measured]
        foreign = [str(call) for call in measured if call not in self.pallet.definition.calls]
        if missing or foreign:
            trouble = f"no case for {', '.join(missing)}" if missing else f"a case for {foreign[0]}"
            message = f"The benchmarks of {self.name} have {trouble}."
            raise BenchmarkError(message, remedy="Give each call of the pallet a case.")


def find_target(name: str) -> Target:
    """The pallet called `name`, whatever its capitals if it is built in.

    Raises `BenchmarkError`, and `PalletPackageError` for a pallet that is not installed.
    """
    for known, pallet in compose_runtime().pallets.items():
        if known.lower() == name.lower():
            module = f"genesis.benchmarks.{known.lower()}"
            return Target(type(pallet), _benchmarks(known, module), ())
    pallet = pallet_class(name)
    module = f"{pallet.__module__.partition('.')[0]}.benchmarks"
    return Target(pallet, _benchmarks(name, module), (pallet,))


def _benchmarks(pallet: str, module: str) -> Sequence[Benchmark]:
    try:
        benchmarks: Sequence[Benchmark] = importlib.import_module(module).BENCHMARKS
    except (ModuleNotFoundError, AttributeError) as error:
        message = f"{pallet} has no benchmark cases: there is no {module}.BENCHMARKS."
        remedy = "Write them as genesis/benchmark.py shows."
        raise BenchmarkError(message, remedy=remedy) from error
    return benchmarks
