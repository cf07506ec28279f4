"""Weights of Datanets, made by `openledger pallet bench Datanets`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call                per                  reads  writes  hashes  bytes   time    +-
create              call                     4       5       1     68  24400   656
set_sponsor_budget  call                     4       3       0      0  20900   345
commit              call                     5       5       0      0  33000   429
reveal              call                     2       1       1     96  16500   321
publish_version     call                     6       6       0      0  24800   420
                    len(verdict_counts)      3       3       0      0  42300   129
expire              call                     6       4       0      0  39300  1040

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
    time_ns=24_400,
)
set_sponsor_budget = Weight(
    reads=4,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=20_900,
)
commit = Weight(
    reads=5,
    writes=5,
    hashes=0,
    bytes=0,
    time_ns=33_000,
)
reveal = Weight(
    reads=2,
    writes=1,
    hashes=1,
    bytes=96,
    time_ns=16_500,
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
        time_ns=24_800 + (42_300_000 * len(verdict_counts)) // 1_000,
    )


expire = Weight(
    reads=6,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=39_300,
)
