"""Runs the cases of a pallet over a grid of sizes, and meters and times each call alone.

A call is run on a state that is put in place once for each point of the grid; its effects are
thrown away, so that every run does the same work from a cold overlay.  What is timed is the
pallet's function: decoding the extrinsic, fees, encoding of changes, the tree and the disk are
weighed by the runtime (`runtime/weights.py`).

Of a few runs in a row the fastest counts: what other processes add to a time is never negative.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

from genesis.benchmark import Benchmark, Component, Scene
from genesis.sandbox import Sandbox
from node.errors import BenchmarkError
from runtime import hashing
from runtime.calls import CallDefinition
from runtime.errors import OpenLedgerError
from runtime.pallet import Pallet

POINTS = 5
"""Sizes at which each component is measured, the least and the most among them."""
RUNS = 3
"""Runs of which the fastest is a sample."""
_HASH_CODE: CodeType = hashing.hash_text.__code__
"""The code that all hash functions of `runtime.hashing` share."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a call took that a clock need not tell."""

    reads: int
    writes: int
    hashes: int
    bytes: int
    """Bytes that were hashed."""


@dataclass(frozen=True, slots=True)
class Point:
    """One size of each component, and what the call took there."""

    sizes: tuple[int, ...]
    arguments: tuple[Any, ...]
    counts: Counts
    times_ns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A measured case."""

    definition: CallDefinition
    terms: tuple[str, ...]
    """Its components as the weight function writes them, such as `len(data)`."""
    points: tuple[Point, ...]


def measure_all(
    benchmarks: Sequence[Benchmark], extra: Sequence[type[Pallet]], samples: int
) -> Iterator[Case]:
    """Measure every case; raises `BenchmarkError` for one that does not run."""
    for benchmark in benchmarks:
        yield _measure(benchmark, extra, samples)


def grid(components: Sequence[Component]) -> list[tuple[int, ...]]:
    """The points to measure: each component over its range, while the others are at their most."""
    most = tuple(component.most for component in components)
    points = {tuple(component.least for component in components): None, most: None}
    for place, component in enumerate(components):
        for step in range(POINTS):
            size = component.least + (component.most - component.least) * step // (POINTS - 1)
            points[(*most[:place], size, *most[place + 1 :])] = None
    return list(points)


def _measure(benchmark: Benchmark, extra: Sequence[type[Pallet]], samples: int) -> Case:
    points: list[Point] = []
    terms: tuple[str, ...] = ()
    for sizes in grid(benchmark.components):
        sandbox = Sandbox(*extra)
        scene = benchmark.prepare(sandbox, *sizes)
        _check_sizes(benchmark, scene, sizes)
        points.append(_measure_point(sandbox, scene, sizes, samples))
        terms = tuple(
            f"len({each.argument})" if each.is_length(scene.call) else each.argument
            for each in benchmark.components
        )
    return Case(scene.call.call_definition, terms, tuple(points))


def _check_sizes(benchmark: Benchmark, scene: Scene, sizes: tuple[int, ...]) -> None:
    for component, size in zip(benchmark.components, sizes, strict=True):
        made = component.size_in(scene.call)
        if made != size:
            name = f"{scene.call.call_definition}: {component.argument}"
            message = f"{name} has the size {made}, and {size} was asked for."
            raise BenchmarkError(message, remedy="Correct the case in benchmarks.py.")


def _measure_point(sandbox: Sandbox, scene: Scene, sizes: tuple[int, ...], samples: int) -> Point:
    counts = _count(sandbox, scene)
    gc.disable()
    try:
        times = tuple(min(_time(sandbox, scene) for _ in range(RUNS)) for _ in range(samples))
    finally:
        gc.enable()
    return Point(sizes, _arguments(scene), counts, times)


def _arguments(scene: Scene) -> tuple[Any, ...]:
    names = scene.call.call_definition.arguments.items
    return tuple(getattr(scene.call, name) for name in names)


def _time(sandbox: Sandbox, scene: Scene) -> int:
    """Nanoseconds of one run."""
    with _block(sandbox, scene):
        function, arguments = _prepared(sandbox, scene)
        begin = time.perf_counter_ns()
        function(*arguments)
        return time.perf_counter_ns() - begin


def _count(sandbox: Sandbox, scene: Scene) -> Counts:
    """What one run reads, writes and hashes; raises `BenchmarkError` if the call fails."""
    hashed: list[int] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code is _HASH_CODE:
            hashed.append(len(frame.f_locals["data"]))

    with _block(sandbox, scene):
        function, arguments = _prepared(sandbox, scene)
        sys.setprofile(note)
        try:
            function(*arguments)
        except OpenLedgerError as error:
            message = f"{scene.call.call_definition} fails in its benchmark: {error.message}"
            raise BenchmarkError(message, remedy="Correct the case in benchmarks.py.") from error
        finally:
            sys.setprofile(None)
        reads, writes, *metered = sandbox.runtime._overlay.metered  # noqa: SLF001 # as in `_block`
    # What is hashed by the way is noted here; the rest is what the pallet says that it hashes.
    return Counts(reads, writes, max(len(hashed), metered[0]), max(sum(hashed), metered[1]))


@contextmanager
def _block(sandbox: Sandbox, scene: Scene) -> Iterator[None]:
    """A block in progress whose effects are thrown away."""
    height = sandbox.height + 1 if scene.height is None else scene.height
    context = sandbox.context(height)
    # The runtime offers no way to run a call outside a whole block, and nothing else needs one.
    with sandbox.runtime._block(sandbox.state, context, sandbox.genesis_hash):  # noqa: SLF001 # see above
        yield


def _prepared(sandbox: Sandbox, scene: Scene) -> tuple[Callable[..., None], tuple[Any, ...]]:
    definition = scene.call.call_definition
    pallet = sandbox.runtime.pallets[definition.pallet]
    origin = None if scene.signer is None else scene.signer.account
    return definition.function, (pallet, origin, *_arguments(scene))
