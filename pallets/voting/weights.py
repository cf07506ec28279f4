"""Weights of Voting, made by `openledger pallet bench Voting`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call         per   reads  writes  hashes  bytes      time       +-
vote         call     33       6       0      0    605000     5750
remove_vote  call     34       6       0      0    595000     4110
delegate     call     68      41       0      0  17800000  1160000
undelegate   call     64      34       0      0   1740000   275000
unlock       call     35       4       0      0    338000     1270

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

vote = Weight(
    reads=33,
    writes=6,
    hashes=0,
    bytes=0,
    time_ns=605_000,
)
remove_vote = Weight(
    reads=34,
    writes=6,
    hashes=0,
    bytes=0,
    time_ns=595_000,
)
delegate = Weight(
    reads=68,
    writes=41,
    hashes=0,
    bytes=0,
    time_ns=17_800_000,
)
undelegate = Weight(
    reads=64,
    writes=34,
    hashes=0,
    bytes=0,
    time_ns=1_740_000,
)
unlock = Weight(
    reads=35,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=338_000,
)
