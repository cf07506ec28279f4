"""Weights of Treasury, made by `openledger pallet bench Treasury`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call         per   reads  writes  hashes  bytes   time   +-
spend_small  call      5       3       0      0  17000  540
spend_large  call      5       3       0      0  16800  316
spend        call      4       3       0      0  15900  273

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

spend_small = Weight(
    reads=5,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=17_000,
)
spend_large = Weight(
    reads=5,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=16_800,
)
spend = Weight(
    reads=4,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=15_900,
)
