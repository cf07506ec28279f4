"""Weights of Models, made by `openledger pallet bench Models`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call           per   reads  writes  hashes  bytes   time    +-
register_base  call      1       1       0      0   5180   186
publish        call      1       1       0      0  15700   520
set_price      call      1       1       0      0  15300   288
set_shares     call      1       1       0      0  20200  1160

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

register_base = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=5_180,
)
publish = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=15_700,
)
set_price = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=15_300,
)
set_shares = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=20_200,
)
