"""Weights of System, made by `openledger pallet bench System`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  30 at each of up to 5 sizes, each the fastest of 3 runs

call    per        reads  writes  hashes  bytes   time      +-
remark  call           0       0       1      0   2040  40.800
        len(data)      0       0       0      1  0.767   0.025

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from collections.abc import Sized

from runtime import Weight


def remark(
    data: Sized,
) -> Weight:
    """The weight of `remark` by its arguments."""
    return Weight(
        reads=0,
        writes=0,
        hashes=1,
        bytes=len(data),
        time_ns=2_040 + (767 * len(data)) // 1_000,
    )
