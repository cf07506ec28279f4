"""Weights of DatanetVotes, made by `openledger pallet bench DatanetVotes`: do not edit.

date     2026-11-22
cpu      AMD EPYC
python   3.11.7
samples  8 at each of up to 5 sizes, each the fastest of 3 runs

call     per   reads  writes  hashes  bytes   time    +-
propose  call      7       4       0      0  52800  1050
vote     call      8       4       0      0  65200  1220
close    call      4       4       0      0  56200  1210
release  call      4       3       0      0  35500   416

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

propose = Weight(
    reads=7,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=52_800,
)
vote = Weight(
    reads=8,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=65_200,
)
close = Weight(
    reads=4,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=56_200,
)
release = Weight(
    reads=4,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=35_500,
)
