"""Weights of System, made by `openledger pallet bench System`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call                   per        reads  writes  hashes  bytes   time      +-
remark                 call           0       0       1      0   2560  51.400
                       len(data)      0       0       0      1  0.735   0.029
set_parameter          call           1       1       0      0   6450     160
set_guarded_parameter  call           1       1       0      0  26600     385

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
        time_ns=2_560 + (735 * len(data)) // 1_000,
    )


set_parameter = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=6_450,
)
set_guarded_parameter = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=26_600,
)
