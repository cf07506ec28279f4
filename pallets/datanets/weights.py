"""Weights of Datanets, made by `openledger pallet bench Datanets`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  30 at each of up to 5 sizes, each the fastest of 3 runs

call                per                  reads  writes  hashes  bytes   time    +-
create              call                     4       5       1     68  22200   561
set_sponsor_budget  call                     4       3       0      0  20000   257
commit              call                     5       5       0      0  38800   470
reveal              call                     2       1       1     96  17800   330
publish_version     call                     6       6       0      0  18600  1430
                    len(verdict_counts)      3       3       0      0  46600   729
expire              call                     6       4       0      0  35800   386

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from collections.abc import Sized

from runtime import Weight

create = Weight(
    reads=4,
    writes=5,
    hashes=1,
    bytes=68,
    time_ns=22_200,
)
set_sponsor_budget = Weight(
    reads=4,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=20_000,
)
commit = Weight(
    reads=5,
    writes=5,
    hashes=0,
    bytes=0,
    time_ns=38_800,
)
reveal = Weight(
    reads=2,
    writes=1,
    hashes=1,
    bytes=96,
    time_ns=17_800,
)


def publish_version(
    _datanet: object,
    _rows_root: object,
    _row_count: object,
    _records: object,
    _verdicts_root: object,
    _reviewed_count: object,
    verdict_counts: Sized,
) -> Weight:
    """The weight of `publish_version` by its arguments."""
    return Weight(
        reads=6 + 3 * len(verdict_counts),
        writes=6 + 3 * len(verdict_counts),
        hashes=0,
        bytes=0,
        time_ns=18_600 + 46_600 * len(verdict_counts),
    )


expire = Weight(
    reads=6,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=35_800,
)
