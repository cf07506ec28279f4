"""Weights of Multisig, made by `openledger pallet bench Multisig`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call     per        reads  writes  hashes  bytes   time     +-
approve  call           5       3       1    548  30100    582
execute  call           3       3       3    541  45200    431
         len(call)      0       0       0      2  1.890  0.172
cancel   call           3       3       1    548  33000    416

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from collections.abc import Sized

from runtime import Weight

approve = Weight(
    reads=5,
    writes=3,
    hashes=1,
    bytes=548,
    time_ns=30_100,
)


def execute(
    _threshold: object,
    _others: object,
    _opened_at: object,
    call: Sized,
) -> Weight:
    """The weight of `execute` by its arguments."""
    return Weight(
        reads=3,
        writes=3,
        hashes=3,
        bytes=541 + 2 * len(call),
        time_ns=45_200 + (1_890 * len(call)) // 1_000,
    )


cancel = Weight(
    reads=3,
    writes=3,
    hashes=1,
    bytes=548,
    time_ns=33_000,
)
