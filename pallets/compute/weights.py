"""Weights of Compute, made by `openledger pallet bench Compute`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  4 at each of up to 5 sizes, each the fastest of 3 runs

call        per                       reads  writes  hashes  bytes    time    +-
submit_job  call                         26       6       0      0  890000  7600
claim       call                         10       3       0      0   71400  1650
abort       call                          5       5       0      0   67100  1320
commit      call                          4       2       0      0   48200   967
reveal      call                          3       2       5    572   73100  1700
            len(first.path.siblings)      0       0       2    129     922   229
settle      call                         32      29       0      0  346000  2490

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from typing import Any

from runtime import Weight

submit_job = Weight(
    reads=26,
    writes=6,
    hashes=0,
    bytes=0,
    time_ns=890_000,
)
claim = Weight(
    reads=10,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=71_400,
)
abort = Weight(
    reads=5,
    writes=5,
    hashes=0,
    bytes=0,
    time_ns=67_100,
)
commit = Weight(
    reads=4,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=48_200,
)


def reveal(
    _job: object,
    _outcome: object,
    _salt: object,
    first: Any,
    _last: object,
) -> Weight:
    """The weight of `reveal` by its arguments."""
    return Weight(
        reads=3,
        writes=2,
        hashes=5 + 2 * len(first.path.siblings),
        bytes=572 + 129 * len(first.path.siblings),
        time_ns=73_100 + 922 * len(first.path.siblings),
    )


settle = Weight(
    reads=32,
    writes=29,
    hashes=0,
    bytes=0,
    time_ns=346_000,
)
