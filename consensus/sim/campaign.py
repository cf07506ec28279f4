"""Many seeds, one after the other or on several cores, and what they came to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field

from consensus.sim.invariants import Invariant, Violation
from consensus.sim.scenario import Faults, draw_scenario
from consensus.sim.trace import Trace
from consensus.sim.world import Outcome, World

CHUNK_SEEDS = 100


def run_seed(seed: int, faults: Faults, trace: Trace | None = None) -> Outcome:
    """Run one seed; raises `Violation`."""
    try:
        return World(draw_scenario(seed, faults), trace).run()
    except Violation:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise Violation(Invariant.INTERFACE, seed, what) from error


@dataclass(slots=True)
class Summary:
    """What a range of seeds came to."""

    seeds: int = 0
    events: int = 0
    heights: int = 0
    crashes: int = 0
    evidence: int = 0
    forks: int = 0
    rounds_max: int = 0
    after_calm_ms_max: int = 0
    violations: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count a run without a violation."""
        self.seeds += 1
        self.events += outcome.events
        self.heights += outcome.heights
        self.crashes += outcome.crashes
        self.evidence += outcome.evidence
        self.forks += outcome.is_forked
        self.rounds_max = max(self.rounds_max, outcome.rounds_max)
        self.after_calm_ms_max = max(self.after_calm_ms_max, outcome.after_calm_ms)

    def merge(self, other: Summary) -> None:
        """Add the seeds of another range."""
        for name in ("seeds", "events", "heights", "crashes", "evidence", "forks"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.rounds_max = max(self.rounds_max, other.rounds_max)
        self.after_calm_ms_max = max(self.after_calm_ms_max, other.after_calm_ms_max)
        self.violations += other.violations

    def to_json(self) -> str:
        """The summary as one line of JSON."""
        return json.dumps(asdict(self))


def run_seeds(seeds: Iterable[int], faults: Faults) -> Summary:
    """Run seeds, whatever they violate."""
    summary = Summary()
    for seed in seeds:
        try:
            summary.add(run_seed(seed, faults))
        except Violation as violation:
            summary.seeds += 1
            summary.violations.append(str(violation))
    return summary


def seeds_until_violation(count: int, faults: Faults) -> tuple[int, str | None]:
    """How many seeds it takes to the first violation, and which; `None` if there is none."""
    for seed in range(count):
        try:
            run_seed(seed, faults)
        except Violation as violation:
            return seed + 1, str(violation)
    return count, None


def run_campaign(start: int, count: int, faults: Faults, processes: int) -> Summary:
    """Run `count` seeds from `start` on, in so many processes."""
    chunks = list(_chunks(start, count))
    if processes == 1:
        summaries: Iterable[Summary] = (run_seeds(chunk, faults) for chunk in chunks)
        return _sum(summaries)
    with ProcessPoolExecutor(processes) as pool:
        return _sum(pool.map(run_seeds, chunks, [faults] * len(chunks)))


def _chunks(start: int, count: int) -> Iterator[range]:
    for first in range(start, start + count, CHUNK_SEEDS):
        yield range(first, min(first + CHUNK_SEEDS, start + count))


def _sum(summaries: Iterable[Summary]) -> Summary:
    total = Summary()
    for summary in summaries:
        total.merge(summary)
    return total
