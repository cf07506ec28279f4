"""Weights of Session, made by `openledger pallet bench Session`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call        per   reads  writes  hashes  bytes     time      +-
set_keys    call      2       3       1    144  3490000   22500
purge_keys  call      1       1       0      0     3800  88.400

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

set_keys = Weight(
    reads=2,
    writes=3,
    hashes=1,
    bytes=144,
    time_ns=3_490_000,
)
purge_keys = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=3_800,
)
