"""Weights of Vesting, made by `openledger pallet bench Vesting`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call             per   reads  writes  hashes  bytes   time     +-
vest             call      3       3       0      0  45500    416
claim            call      3       3       0      0  86300  41900
vested_transfer  call      5       4       0      0  58700    539
merge            call      3       3       0      0  46600    405

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

vest = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=45_500,
)
claim = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=86_300,
)
vested_transfer = Weight(
    reads=5,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=58_700,
)
merge = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=46_600,
)
