"""The simulator's command line; `python -m consensus.sim --help`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from consensus.sim import mutants


def main() -> None:
    """Run what the options say; exit with 1 if an invariant is violated or a mutant survives."""
    options = _arguments()
    if options.mutants:
        sys.exit(_run_mutants(options))
    if options.mutant is not None and options.exhaustive is None:
        sys.exit(_run_mutant(options))
    if options.seed is not None:
        sys.exit(_run_one(options))
    if options.exhaustive is not None:
        sys.exit(_run_exhaustive(options))
    sys.exit(_run_campaign(options))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m consensus.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many seeds")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="run this seed alone")
    parser.add_argument("--trace", action="store_true", help="with --seed: print every event")
    parser.add_argument(
        "--byzantine",
        choices=("none", "lawful", "forks"),
        default="lawful",
        help="faulty weight: none, up to f, or above f and up to 2f",
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--mutants", action="store_true", help="break every rule, and find it")
    parser.add_argument("--mutant", help="break this rule")
    parser.add_argument(
        "--exhaustive", type=int, metavar="ROUNDS", help="every schedule of 4 validators"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser.parse_args()


def _run_campaign(options: argparse.Namespace) -> int:
    from consensus.sim.campaign import run_campaign
    from consensus.sim.scenario import Faults

    faults = Faults(options.byzantine)
    begun = time.perf_counter()
    summary = run_campaign(options.start, options.seeds, faults, options.processes)
    seconds = time.perf_counter() - begun
    if options.json:
        print(summary.to_json())
        return bool(summary.violations)
    for violation in summary.violations:
        print(violation)
    print(
        f"{summary.seeds} seeds, {len(summary.violations)} violations, "
        f"{summary.seeds / seconds:.0f} seeds/s; {summary.heights} heights, "
        f"{summary.crashes} crashes, {summary.evidence} reports of evidence, "
        f"{summary.forks} forks, at most round {summary.rounds_max}, "
        f"{summary.after_calm_ms_max} ms after the network was calm"
    )
    return bool(summary.violations)


def _run_one(options: argparse.Namespace) -> int:
    from consensus.sim.campaign import run_seed
    from consensus.sim.invariants import Violation
    from consensus.sim.scenario import Faults
    from consensus.sim.trace import Trace

    trace = Trace()
    try:
        result = str(run_seed(options.seed, Faults(options.byzantine), trace))
        failed = False
    except Violation as violation:
        result, failed = str(violation), True
    if options.trace:
        print("\n".join(trace.lines))
    print(f"{result}\ndigest of the run: {trace.digest()}")
    return failed


def _run_mutant(options: argparse.Namespace) -> int:
    """Print after how many seeds a mutant is killed; exit with 1 if it survives."""
    mutant = mutants.install(options.mutant)
    from consensus.sim.campaign import seeds_until_violation
    from consensus.sim.scenario import Faults

    seeds, violation = seeds_until_violation(mutants.SEEDS_MAX, Faults(mutant.faults))
    report = {"mutant": mutant.name, "rule": mutant.rule, "seeds": seeds, "violation": violation}
    print(json.dumps(report))
    return violation is None


def _run_exhaustive(options: argparse.Namespace) -> int:
    """Print how many states were visited; exit with 1 if one of them must not be."""
    if options.mutant is not None:
        mutants.install(options.mutant)
    from consensus.sim.exhaustive import explore

    begun = time.perf_counter()
    states = transitions = 0
    for found in explore(options.exhaustive):
        states += found.states
        transitions += found.transitions
        if found.problem is not None:
            print(f"leaders {found.leaders}: {found.problem}")
            return 1
    seconds = time.perf_counter() - begun
    print(
        f"{states} states and {transitions} transitions of {options.exhaustive} rounds, "
        f"no violation, {seconds:.0f} s"
    )
    return 0


def _run_mutants(options: argparse.Namespace) -> int:
    """Run every mutant in a process of its own, and print the score."""

    def run(mutant: mutants.Mutant) -> dict[str, Any]:
        command = [sys.executable, "-m", "consensus.sim", "--mutant", mutant.name]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
        report: dict[str, Any] = json.loads(done.stdout)
        if not options.json:
            state = "SURVIVED" if report["violation"] is None else "killed"
            invariant = (report["violation"] or "-").split()[0]
            print(
                f"{state:<8} {report['seeds']:>5} seeds  {mutant.rule:<12} "
                f"{mutant.name:<46} {invariant}",
                flush=True,
            )
        return report

    with ThreadPoolExecutor(options.processes) as pool:
        reports = list(pool.map(run, mutants.MUTANTS))
    killed = sum(report["violation"] is not None for report in reports)
    if options.json:
        print(json.dumps(reports))
    print(f"killed={killed}/{len(reports)}")
    return killed < len(reports)


if __name__ == "__main__":
    main()
