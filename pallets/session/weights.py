"""Weights of Session, made by `openledger pallet bench Session`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call        per   reads  writes  hashes  bytes     time    +-
set_keys    call      2       4       1    144  3260000  4150
purge_keys  call      1       1       0      0     4370   104

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

set_keys = Weight(
    reads=2,
    writes=4,
    hashes=1,
    bytes=144,
    time_ns=3_260_000,
)
purge_keys = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=4_370,
)
