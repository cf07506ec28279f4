"""Weights of Submissions, made by `openledger pallet bench Submissions`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  8 at each of up to 5 sizes, each the fastest of 3 runs

call             per                  reads  writes  hashes  bytes   time    +-
commit           call                    14       6       0      0  75100  2030
reveal           call                    11       8       2    104  81900   736
publish_version  call                     6       4       0      0  50600  3290
                 len(verdict_counts)      3       2       0      0  41500  1210
expire           call                     6       5       0      0  45700   562
settle           call                     6       5       0      0  58800   489

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from collections.abc import Sized

from runtime import Weight

commit = Weight(
    reads=14,
    writes=6,
    hashes=0,
    bytes=0,
    time_ns=75_100,
)
reveal = Weight(
    reads=11,
    writes=8,
    hashes=2,
    bytes=104,
    time_ns=81_900,
)


def publish_version(
    _datanet: object,
    _roots: object,
    _row_count: object,
    _reviewed_count: object,
    verdict_counts: Sized,
) -> Weight:
    """The weight of `publish_version` by its arguments."""
    return Weight(
        reads=6 + 3 * len(verdict_counts),
        writes=4 + 2 * len(verdict_counts),
        hashes=0,
        bytes=0,
        time_ns=50_600 + 41_500 * len(verdict_counts),
    )


expire = Weight(
    reads=6,
    writes=5,
    hashes=0,
    bytes=0,
    time_ns=45_700,
)
settle = Weight(
    reads=6,
    writes=5,
    hashes=0,
    bytes=0,
    time_ns=58_800,
)
