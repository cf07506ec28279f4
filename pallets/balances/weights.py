"""Weights of Balances, made by `openledger pallet bench Balances`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  30 at each of up to 5 sizes, each the fastest of 3 runs

call                 per   reads  writes  hashes  bytes   time      +-
transfer             call      2       2       0      0  10100     367
transfer_keep_alive  call      2       2       0      0   9350     123
approve              call      1       1       0      0   6590  87.300
transfer_from        call      3       3       0      0  14700     210
burn                 call      2       2       0      0   7520     152

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

transfer = Weight(
    reads=2,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=10_100,
)
transfer_keep_alive = Weight(
    reads=2,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=9_350,
)
approve = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=6_590,
)
transfer_from = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=14_700,
)
burn = Weight(
    reads=2,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=7_520,
)
