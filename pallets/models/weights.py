"""Weights of Models, made by `openledger pallet bench Models`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  30 at each of up to 5 sizes, each the fastest of 3 runs

call           per   reads  writes  hashes  bytes   time   +-
register_base  call      1       1       0      0   4070  118
publish        call      1       1       0      0  14400  228
set_price      call      1       1       0      0  15000  130
set_shares     call      1       1       0      0  16400  238

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

register_base = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=4_070,
)
publish = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=14_400,
)
set_price = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=15_000,
)
set_shares = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=16_400,
)
