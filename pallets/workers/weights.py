"""Weights of Workers, made by `openledger pallet bench Workers`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  3 at each of up to 5 sizes, each the fastest of 3 runs

call        per   reads  writes  hashes  bytes   time    +-
register    call      5       5       0      0  28300   513
bond_extra  call      3       3       0      0  26800   881
unbond      call      6       7       0      0  36500  1020

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

register = Weight(
    reads=5,
    writes=5,
    hashes=0,
    bytes=0,
    time_ns=28_300,
)
bond_extra = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=26_800,
)
unbond = Weight(
    reads=6,
    writes=7,
    hashes=0,
    bytes=0,
    time_ns=36_500,
)
