"""Weights of Submissions, made by `openledger pallet bench Submissions`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  10 at each of up to 5 sizes, each the fastest of 3 runs

call             per                  reads  writes  hashes  bytes    time     +-
commit           call                    14       6       0      0   80000   1060
reveal           call                    12       9       2    104   91500   1840
publish_version  call                     6       4       0      0   0.000  35800
                 len(verdict_counts)      3       2       0      0  235000  13100
expire           call                     6       5       0      0   51900   1250
settle           call                     6       5       0      0   63800    701

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
    time_ns=80_000,
)
reveal = Weight(
    reads=12,
    writes=9,
    hashes=2,
    bytes=104,
    time_ns=91_500,
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
        time_ns=235_000 * len(verdict_counts),
    )


expire = Weight(
    reads=6,
    writes=5,
    hashes=0,
    bytes=0,
    time_ns=51_900,
)
settle = Weight(
    reads=6,
    writes=5,
    hashes=0,
    bytes=0,
    time_ns=63_800,
)
