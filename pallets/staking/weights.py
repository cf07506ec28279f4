"""Weights of Staking, made by `openledger pallet bench Staking`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call        per   reads  writes  hashes  bytes     time     +-
bond        call      4       3       0      0    19400    619
bond_extra  call      4       3       0      0    50700    387
unbond      call      3       2       0      0   125000    501
withdraw    call      3       3       0      0    38800    392
validate    call    515       1       0      0  1790000  25100
chill       call      1       1       0      0    87800    140
unjail      call    515       2       0      0  1690000   6760

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

bond = Weight(
    reads=4,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=19_400,
)
bond_extra = Weight(
    reads=4,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=50_700,
)
unbond = Weight(
    reads=3,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=125_000,
)
withdraw = Weight(
    reads=3,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=38_800,
)
validate = Weight(
    reads=515,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=1_790_000,
)
chill = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=87_800,
)
unjail = Weight(
    reads=515,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=1_690_000,
)
