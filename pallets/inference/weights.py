"""Weights of Inference, made by `openledger pallet bench Inference`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  30 at each of up to 5 sizes, each the fastest of 3 runs

call             per           reads  writes  hashes  bytes   time      +-
deposit          call              3       3       0      0  14900     375
withdraw         call              3       3       0      0  15000     351
authorize        call              3       2       0      0  12200     236
revoke           call              2       1       0      0  11300     255
reclaim          call              3       2       0      0  11200     257
register_server  call              1       1       0      0   2510  68.200
settle_batch     call             13      11       0      0  71500    4030
                 len(charges)      3       3       0      0  27800     595

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from collections.abc import Sized

from runtime import Weight

deposit = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=14_900,
)
withdraw = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=15_000,
)
authorize = Weight(
    reads=3,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=12_200,
)
revoke = Weight(
    reads=2,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=11_300,
)
reclaim = Weight(
    reads=3,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=11_200,
)
register_server = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=2_510,
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
        reads=13 + 3 * len(charges),
        writes=11 + 3 * len(charges),
        hashes=0,
        bytes=0,
        time_ns=71_500 + 27_800 * len(charges),
    )
