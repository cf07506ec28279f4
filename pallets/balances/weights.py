"""Weights of Balances, made by `openledger pallet bench Balances`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call                 per   reads  writes  hashes  bytes   time   +-
transfer             call      2       2       0      0  10600  362
transfer_keep_alive  call      2       2       0      0  11600  199
approve              call      1       1       0      0   7070  145
transfer_from        call      3       3       0      0  15300  327
burn                 call      2       2       0      0   7810  169

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

transfer = Weight(
    reads=2,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=10_600,
)
transfer_keep_alive = Weight(
    reads=2,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=11_600,
)
approve = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=7_070,
)
transfer_from = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=15_300,
)
burn = Weight(
    reads=2,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=7_810,
)
