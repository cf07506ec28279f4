"""Weights of Panels, made by `openledger pallet bench Panels`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  8 at each of up to 5 sizes, each the fastest of 3 runs

call    per   reads  writes  hashes  bytes     time     +-
enrol   call      6       5       0      0   535000    914
leave   call      3       3       0      0   369000    795
seat    call      6       4      64   2560   657000   1310
commit  call      3       1       0      0    81600    430
reveal  call      4       1       1     72    85800    643
close   call    170     165       0      0  2110000  10700

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

enrol = Weight(
    reads=6,
    writes=5,
    hashes=0,
    bytes=0,
    time_ns=535_000,
)
leave = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=369_000,
)
seat = Weight(
    reads=6,
    writes=4,
    hashes=64,
    bytes=2_560,
    time_ns=657_000,
)
commit = Weight(
    reads=3,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=81_600,
)
reveal = Weight(
    reads=4,
    writes=1,
    hashes=1,
    bytes=72,
    time_ns=85_800,
)
close = Weight(
    reads=170,
    writes=165,
    hashes=0,
    bytes=0,
    time_ns=2_110_000,
)
