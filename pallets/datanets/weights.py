"""Weights of Datanets, made by `openledger pallet bench Datanets`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  8 at each of up to 5 sizes, each the fastest of 3 runs

call                per   reads  writes  hashes  bytes   time   +-
create              call      1       3       1     68  27300  969
set_sponsor_budget  call      4       3       0      0  29200  654

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

create = Weight(
    reads=1,
    writes=3,
    hashes=1,
    bytes=68,
    time_ns=27_300,
)
set_sponsor_budget = Weight(
    reads=4,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=29_200,
)
