"""Weights of Exams, made by `openledger pallet bench Exams`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call    per   reads  writes  hashes  bytes   time   +-
commit  call      4       4       0      0  23000  430
show    call      3       3       1     96  33700  455

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

commit = Weight(
    reads=4,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=23_000,
)
show = Weight(
    reads=3,
    writes=3,
    hashes=1,
    bytes=96,
    time_ns=33_700,
)
