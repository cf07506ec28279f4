"""Weights of DataRights, made by `openledger pallet bench DataRights`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  10 at each of up to 5 sizes, each the fastest of 3 runs

call            per                 reads  writes  hashes  bytes   time    +-
withdraw        call                   13       7       0      0  69700   980
withdraw_row    call                   16       8       2    256  96100  1210
                len(path.siblings)      0       0       1     65  6.040   166
erase           call                    8       5       0      0  62000   685
request_access  call                    1       0       0      0  14600   365
set_member      call                    2       1       0      0  20200   710
share_key       call                    5       3       0      0  55900  1020
remove_key      call                    3       3       0      0  27300   537

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from typing import Any

from runtime import Weight

withdraw = Weight(
    reads=13,
    writes=7,
    hashes=0,
    bytes=0,
    time_ns=69_700,
)


def withdraw_row(
    _datanet: object,
    _row: object,
    path: Any,
    _replacement: object,
) -> Weight:
    """The weight of `withdraw_row` by its arguments."""
    return Weight(
        reads=16,
        writes=8,
        hashes=2 + len(path.siblings),
        bytes=256 + 65 * len(path.siblings),
        time_ns=96_100 + (6_040 * len(path.siblings)) // 1_000,
    )


erase = Weight(
    reads=8,
    writes=5,
    hashes=0,
    bytes=0,
    time_ns=62_000,
)
request_access = Weight(
    reads=1,
    writes=0,
    hashes=0,
    bytes=0,
    time_ns=14_600,
)
set_member = Weight(
    reads=2,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=20_200,
)
share_key = Weight(
    reads=5,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=55_900,
)
remove_key = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=27_300,
)
