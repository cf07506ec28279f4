"""Weights of Bounties, made by `openledger pallet bench Bounties`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call          per   reads  writes  hashes  bytes   time   +-
post          call      7       9       0      0  34600  542
raise_reward  call      4       4       0      0  22800  513
award         call      6       6       0      0  26900  554

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

post = Weight(
    reads=7,
    writes=9,
    hashes=0,
    bytes=0,
    time_ns=34_600,
)
raise_reward = Weight(
    reads=4,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=22_800,
)
award = Weight(
    reads=6,
    writes=6,
    hashes=0,
    bytes=0,
    time_ns=26_900,
)
