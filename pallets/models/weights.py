"""Weights of Models, made by `openledger pallet bench Models`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call           per   reads  writes  hashes  bytes   time   +-
register_base  call      1       1       0      0   8200  243
publish        call      2       1       0      0  16600  864
set_price      call      2       1       0      0  16600  227
set_shares     call      2       1       0      0  22500  381
grant          call      6       3       0      0  29700  524
revoke_grant   call      4       3       0      0  29500  379
retire         call      2       1       0      0  11400  243
admit_base     call      1       1       0      0  12900  376

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

register_base = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=8_200,
)
publish = Weight(
    reads=2,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=16_600,
)
set_price = Weight(
    reads=2,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=16_600,
)
set_shares = Weight(
    reads=2,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=22_500,
)
grant = Weight(
    reads=6,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=29_700,
)
revoke_grant = Weight(
    reads=4,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=29_500,
)
retire = Weight(
    reads=2,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=11_400,
)
admit_base = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=12_900,
)
