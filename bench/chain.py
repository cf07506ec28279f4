"""The chain's bars, as ratios within one run.

    python -m bench.chain --json [--py-evm PYTHON] [--execution-specs PYTHON]

The options name the interpreters of virtual environments that have those packages (`bench/peers`
says what to install); without them the two ratios are left out.  Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
from pathlib import Path

from bench import transfers, tree
from bench.report import report

PEER_RUNS = 3
PEER_TIMEOUT_S = 300
PEERS = Path(__file__).parent / "peers"


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description="The chain's bars, as ratios within one run.")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--py-evm", metavar="PYTHON", help="an interpreter that has py-evm")
    parser.add_argument("--execution-specs", metavar="PYTHON", help="one that has the specs")
    options = parser.parse_args()
    figures = transfers.figures()
    own_us = figures["transfer_us"]
    if options.py_evm:
        figures["py_evm_us"] = peer_us(options.py_evm, "py_evm")
        figures["over_py_evm"] = figures["py_evm_us"] / own_us
    if options.execution_specs:
        figures["execution_specs_us"] = peer_us(options.execution_specs, "execution_specs")
        figures["over_execution_specs"] = figures["execution_specs_us"] / own_us
    report("chain", figures | tree.figures())


def peer_us(python: str, name: str) -> float:
    """Microseconds of a transfer in another chain: the median of some runs."""
    command = [python, str(PEERS / f"{name}.py")]
    return statistics.median(
        float(
            subprocess.run(
                command, capture_output=True, check=True, text=True, timeout=PEER_TIMEOUT_S
            ).stdout
        )
        for _ in range(PEER_RUNS)
    )


if __name__ == "__main__":
    main()
