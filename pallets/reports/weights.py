"""Weights of Reports, made by `openledger pallet bench Reports`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  8 at each of up to 5 sizes, each the fastest of 3 runs

call     per   reads  writes  hashes  bytes    time    +-
report   call      7       5       0      0   59900  1030
answer   call      3       1       0      0   29800   795
convene  call      8       7       1     36   45500   818
resolve  call     17      11       0      0  196000  2540

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

report = Weight(
    reads=7,
    writes=5,
    hashes=0,
    bytes=0,
    time_ns=59_900,
)
answer = Weight(
    reads=3,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=29_800,
)
convene = Weight(
    reads=8,
    writes=7,
    hashes=1,
    bytes=36,
    time_ns=45_500,
)
resolve = Weight(
    reads=17,
    writes=11,
    hashes=0,
    bytes=0,
    time_ns=196_000,
)
