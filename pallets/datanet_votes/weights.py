"""Weights of DatanetVotes, made by `openledger pallet bench DatanetVotes`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  8 at each of up to 5 sizes, each the fastest of 3 runs

call     per   reads  writes  hashes  bytes   time   +-
propose  call      7       4       0      0  46800  797
vote     call      7       4       0      0  58100  539
close    call      4       4       0      0  48500  535
release  call      4       3       0      0  31700  360

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

propose = Weight(
    reads=7,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=46_800,
)
vote = Weight(
    reads=7,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=58_100,
)
close = Weight(
    reads=4,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=48_500,
)
release = Weight(
    reads=4,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=31_700,
)
