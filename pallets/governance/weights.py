"""Weights of Governance, made by `openledger pallet bench Governance`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call                    per   reads  writes  hashes  bytes    time    +-
submit                  call      9       7       0      0  633000  3740
place_decision_deposit  call      5       4       0      0  359000  1720
cancel                  call     11      12       0      0  547000  1350
kill                    call     12      13       0      0  561000  1790

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from runtime import Weight

submit = Weight(
    reads=9,
    writes=7,
    hashes=0,
    bytes=0,
    time_ns=633_000,
)
place_decision_deposit = Weight(
    reads=5,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=359_000,
)
cancel = Weight(
    reads=11,
    writes=12,
    hashes=0,
    bytes=0,
    time_ns=547_000,
)
kill = Weight(
    reads=12,
    writes=13,
    hashes=0,
    bytes=0,
    time_ns=561_000,
)
