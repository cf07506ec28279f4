"""Weights of Upgrade, made by `openledger pallet bench Upgrade`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call      per   reads  writes  hashes  bytes  time   +-
schedule  call      2       1       0      0  5300  182
cancel    call      1       1       0      0  5290  143

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

schedule = Weight(
    reads=2,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=5_300,
)
cancel = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=5_290,
)
