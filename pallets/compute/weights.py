"""Weights of Compute, made by `openledger pallet bench Compute`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call             per   reads  writes  hashes  bytes   time   +-
register_worker  call      3       3       0      0  16100  562
unbond           call      3       3       0      0  18200  391
submit_training  call      6       4       0      0  32000  518
claim            call      3       2       0      0  28400  473
commit_result    call      2       1       0      0  22100  306
settle           call      8       9       0      0  73000  643
refund           call      4       4       0      0  39400  487

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

register_worker = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=16_100,
)
unbond = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=18_200,
)
submit_training = Weight(
    reads=6,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=32_000,
)
claim = Weight(
    reads=3,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=28_400,
)
commit_result = Weight(
    reads=2,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=22_100,
)
settle = Weight(
    reads=8,
    writes=9,
    hashes=0,
    bytes=0,
    time_ns=73_000,
)
refund = Weight(
    reads=4,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=39_400,
)
