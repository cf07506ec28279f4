"""Weights of Compute, made by `openledger pallet bench Compute`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  30 at each of up to 5 sizes, each the fastest of 3 runs

call             per   reads  writes  hashes  bytes   time    +-
register_worker  call      3       3       0      0  14300   452
unbond           call      3       3       0      0  17400   395
submit_training  call      6       4       0      0  30900   482
claim            call      3       2       0      0  26500   344
commit_result    call      2       1       0      0  23200   534
settle           call      8       9       0      0  70800  2380
refund           call      4       4       0      0  43000  1530

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

register_worker = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=14_300,
)
unbond = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=17_400,
)
submit_training = Weight(
    reads=6,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=30_900,
)
claim = Weight(
    reads=3,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=26_500,
)
commit_result = Weight(
    reads=2,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=23_200,
)
settle = Weight(
    reads=8,
    writes=9,
    hashes=0,
    bytes=0,
    time_ns=70_800,
)
refund = Weight(
    reads=4,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=43_000,
)
