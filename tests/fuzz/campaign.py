"""The command line that the fuzzers share: so many inputs from a seed, a report, a finding.

    python -m tests.fuzz.decoder --inputs 10000000 --seed 7 --json

Every 1,000 inputs begin with a seed of their own, so a finding is repeated in a moment: the report
names `--seed SEED --first INPUT`, and the input in hexadecimal.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from random import Random

CHUNK_INPUTS = 1_000

Step = Callable[[Random], bool]
"""Try one input; whether it was accepted.  Raises `Finding`, or whatever should not be raised."""


class Finding(Exception):
    """Something is accepted, or refused, that should not be."""

    def __init__(self, problem: str, data: bytes) -> None:
        super().__init__(problem)
        self.data = data


@dataclass(frozen=True, slots=True)
class Report:
    """What a campaign came to."""

    fuzzer: str
    seed: int
    inputs: int
    accepted: int
    seconds: float
    inputs_per_second: float


def campaign(fuzzer: str, step: Step, *, inputs: int, seed: int, first: int = 0) -> Report:
    """Try inputs `first` up to `inputs`; raises what a step raises, with the place noted."""
    begun = time.perf_counter()
    accepted = 0
    for start in range(first - first % CHUNK_INPUTS, inputs, CHUNK_INPUTS):
        random = Random(f"{fuzzer} {seed} {start}")
        for number in range(start, min(start + CHUNK_INPUTS, inputs)):
            try:
                accepted += step(random)
            except Exception as error:
                error.add_note(f"repeat with --seed {seed} --first {start} --inputs {number + 1}")
                raise
    seconds = time.perf_counter() - begun
    return Report(
        fuzzer=fuzzer,
        seed=seed,
        inputs=inputs - first,
        accepted=accepted,
        seconds=round(seconds, 3),
        inputs_per_second=round((inputs - first) / seconds, 1),
    )


def main(fuzzer: str, make: Callable[[], Step]) -> None:
    """Run a fuzzer as its options say; exit with 1 after a finding."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.fuzz.{fuzzer}")
    parser.add_argument("--inputs", type=int, default=20_000, help="how many inputs")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other inputs")
    parser.add_argument("--first", type=int, default=0, help="where to begin, to repeat a finding")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args()
    try:
        report = campaign(
            fuzzer, make(), inputs=options.inputs, seed=options.seed, first=options.first
        )
    except Exception as error:  # noqa: BLE001 # whatever it is, it is what was looked for
        traceback.print_exc()
        if isinstance(error, Finding):
            sys.stderr.write(f"input: {error.data.hex()}\n")
        sys.exit(1)
    if options.json:
        sys.stdout.write(json.dumps(asdict(report)) + "\n")
    else:
        sys.stdout.write(
            f"{fuzzer}: {report.inputs} inputs, {report.accepted} accepted, "
            f"{report.inputs_per_second:.0f} a second, seed {report.seed}, nothing found\n"
        )
