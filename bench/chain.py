"""`python -m bench.chain --json`: the chain's bars, as ratios within one run."""

from __future__ import annotations

from bench.report import report
from bench.transfers import figures

if __name__ == "__main__":
    report("chain", figures())
