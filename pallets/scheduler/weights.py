"""Weights of Scheduler, made by `openledger pallet bench Scheduler`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call            per        reads  writes  hashes  bytes    time     +-
schedule        call           5       6       1      0  407000    799
                len(call)      0       0       0      1   8.760  0.169
cancel          call           4       4       0      0  345000    695
cancel_by_name  call           4       4       0      0  354000  11100

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from collections.abc import Sized

from runtime import Weight


def schedule(
    _height: object,
    call: Sized,
    _name: object,
) -> Weight:
    """The weight of `schedule` by its arguments."""
    return Weight(
        reads=5,
        writes=6,
        hashes=1,
        bytes=len(call),
        time_ns=407_000 + (8_760 * len(call)) // 1_000,
    )


cancel = Weight(
    reads=4,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=345_000,
)
cancel_by_name = Weight(
    reads=4,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=354_000,
)
