"""Weights of Staking, made by `openledger pallet bench Staking`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call        per   reads  writes  hashes  bytes     time     +-
bond        call      4       3       0      0    20300    566
bond_extra  call      4       3       0      0    51000    348
unbond      call      4       2       0      0   121000    388
withdraw    call      3       3       0      0    37900    358
validate    call    515       1       0      0  1670000  11700
chill       call      1       1       0      0    85100    188
unjail      call    515       2       0      0  1650000   7660

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

bond = Weight(
    reads=4,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=20_300,
)
bond_extra = Weight(
    reads=4,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=51_000,
)
unbond = Weight(
    reads=4,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=121_000,
)
withdraw = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=37_900,
)
validate = Weight(
    reads=515,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=1_670_000,
)
chill = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=85_100,
)
unjail = Weight(
    reads=515,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=1_650_000,
)
