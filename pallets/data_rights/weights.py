"""Weights of DataRights, made by `openledger pallet bench DataRights`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call            per                 reads  writes  hashes  bytes   time      +-
withdraw        call                   13       7       0      0  64600     447
withdraw_row    call                   16       8       2    256  86200     334
                len(path.siblings)      0       0       1     65    489  46.400
erase           call                    6       3       0      0  55500     276
request_access  call                    1       0       0      0  13000     149
set_member      call                    2       1       0      0  17500     191
share_key       call                    5       3       0      0  50400     320
remove_key      call                    3       3       0      0  24700     275

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
    time_ns=64_600,
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
        time_ns=86_200 + 489 * len(path.siblings),
    )


erase = Weight(
    reads=6,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=55_500,
)
request_access = Weight(
    reads=1,
    writes=0,
    hashes=0,
    bytes=0,
    time_ns=13_000,
)
set_member = Weight(
    reads=2,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=17_500,
)
share_key = Weight(
    reads=5,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=50_400,
)
remove_key = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=24_700,
)
