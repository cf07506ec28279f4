"""Weights of Models, made by `openledger pallet bench Models`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  6 at each of up to 5 sizes, each the fastest of 3 runs

call           per   reads  writes  hashes  bytes   time   +-
register_base  call      1       1       0      0   5890  370
publish        call      2       1       0      0  17200  744
set_price      call      2       1       0      0  18700  536
set_shares     call      2       1       0      0  22600  576
grant          call      6       3       0      0  31400  685
revoke_grant   call      4       3       0      0  31600  938
retire         call      2       1       0      0  11000  354

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

admit_base = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=5_890,
)
register_base = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=5_890,
)
publish = Weight(
    reads=2,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=17_200,
)
set_price = Weight(
    reads=2,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=18_700,
)
set_shares = Weight(
    reads=2,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=22_600,
)
grant = Weight(
    reads=6,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=31_400,
)
revoke_grant = Weight(
    reads=4,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=31_600,
)
retire = Weight(
    reads=2,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=11_000,
)
