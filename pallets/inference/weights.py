"""Weights of Inference, made by `openledger pallet bench Inference`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  4 at each of up to 5 sizes, each the fastest of 3 runs

call             per                 reads  writes  hashes  bytes    time     +-
deposit          call                    3       3       0      0   20500   1050
withdraw         call                    3       3       0      0   20100    871
authorize        call                    3       2       0      0   14000    465
revoke           call                    2       1       0      0   12900    530
reclaim          call                    3       2       0      0   13700    651
register_server  call                    4       3       0      0   21700    826
settle_batch     call                   15      12       0      0   79700  31800
                 len(charges)            3       3       0      0   34300   5030
leave            call                    5       3       0      0   24500    655
show_fault       call                   10       6       3    764  128000   1960
                 len(path.siblings)      0       0       1     96    1330    338

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

from runtime import Weight

deposit = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=20_500,
)
withdraw = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=20_100,
)
authorize = Weight(
    reads=3,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=14_000,
)
revoke = Weight(
    reads=2,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=12_900,
)
reclaim = Weight(
    reads=3,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=13_700,
)
register_server = Weight(
    reads=4,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=21_700,
)


def settle_batch(
    _model: object,
    _receipts_root: object,
    _receipts: object,
    _answer_count: object,
    _fees: object,
    _platform_fees: object,
    charges: Sized,
) -> Weight:
    """The weight of `settle_batch` by its arguments."""
    return Weight(
        reads=15 + 3 * len(charges),
        writes=12 + 3 * len(charges),
        hashes=0,
        bytes=0,
        time_ns=79_700 + 34_300 * len(charges),
    )


leave = Weight(
    reads=5,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=24_500,
)


def show_fault(
    _model: object,
    _epoch: object,
    _batch: object,
    _receipt: object,
    _amount: object,
    path: Any,
) -> Weight:
    """The weight of `show_fault` by its arguments."""
    return Weight(
        reads=10,
        writes=6,
        hashes=3 + len(path.siblings),
        bytes=764 + 96 * len(path.siblings),
        time_ns=128_000 + 1_330 * len(path.siblings),
    )
