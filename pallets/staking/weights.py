"""Weights of Staking, made by `openledger pallet bench Staking`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  6 at each of up to 5 sizes, each the fastest of 3 runs

call            per   reads  writes  hashes  bytes    time    +-
bond            call     11       7       0      0   69100  3180
nominate        call     11       7       0      0   89200   928
unbond          call     12       6       0      0  448000  2220
withdraw        call     22      20       0      0  166000  1230
claim           call      7       6       0      0   82400  4100
set_commission  call      2       1       0      0   10600   486

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

bond = Weight(
    reads=11,
    writes=7,
    hashes=0,
    bytes=0,
    time_ns=69_100,
)
nominate = Weight(
    reads=11,
    writes=7,
    hashes=0,
    bytes=0,
    time_ns=89_200,
)
unbond = Weight(
    reads=12,
    writes=6,
    hashes=0,
    bytes=0,
    time_ns=448_000,
)
withdraw = Weight(
    reads=22,
    writes=20,
    hashes=0,
    bytes=0,
    time_ns=166_000,
)
claim = Weight(
    reads=7,
    writes=6,
    hashes=0,
    bytes=0,
    time_ns=82_400,
)
set_commission = Weight(
    reads=2,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=10_600,
)
