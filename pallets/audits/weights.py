"""Weights of Audits, made by `openledger pallet bench Audits`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  4 at each of up to 5 sizes, each the fastest of 3 runs

call    per   reads  writes  hashes  bytes   time    +-
commit  call      1       1       0      0  41400  4430
reveal  call      1       1       1     96  38300   612

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

commit = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=41_400,
)
reveal = Weight(
    reads=1,
    writes=1,
    hashes=1,
    bytes=96,
    time_ns=38_300,
)
