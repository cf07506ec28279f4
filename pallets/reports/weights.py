"""Weights of Reports, made by `openledger pallet bench Reports`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  8 at each of up to 5 sizes, each the fastest of 3 runs

call     per   reads  writes  hashes  bytes    time    +-
report   call      7       5       0      0   55300   934
answer   call      3       1       0      0   27500   335
convene  call      8       7       1     36   43000   789
resolve  call     16      11       0      0  182000  1020

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

report = Weight(
    reads=7,
    writes=5,
    hashes=0,
    bytes=0,
    time_ns=55_300,
)
answer = Weight(
    reads=3,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=27_500,
)
convene = Weight(
    reads=8,
    writes=7,
    hashes=1,
    bytes=36,
    time_ns=43_000,
)
resolve = Weight(
    reads=16,
    writes=11,
    hashes=0,
    bytes=0,
    time_ns=182_000,
)
