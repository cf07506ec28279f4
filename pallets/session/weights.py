"""Weights of Session, made by `openledger pallet bench Session`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  6 at each of up to 5 sizes, each the fastest of 3 runs

call        per   reads  writes  hashes  bytes     time       +-
set_keys    call      2       4       1    144  8400000  1900000
purge_keys  call      1       1       0      0     5070      337
validate    call    516       1       0      0  1770000    28400
chill       call      1       1       0      0    87400      971
unjail      call    516       2       0      0  1620000    56000

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

set_keys = Weight(
    reads=2,
    writes=4,
    hashes=1,
    bytes=144,
    time_ns=8_400_000,
)
purge_keys = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=5_070,
)
validate = Weight(
    reads=516,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=1_770_000,
)
chill = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=87_400,
)
unjail = Weight(
    reads=516,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=1_620_000,
)
