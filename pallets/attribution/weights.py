"""Weights of Attribution, made by `openledger pallet bench Attribution`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  6 at each of up to 5 sizes, each the fastest of 3 runs

call    per                 reads  writes  hashes  bytes    time     +-
order   call                   28      10       2    172  291000  13700
settle  call                    3       1       1    192   45100   2260
claim   call                    8       6       2    144   81200   7070
        len(path.siblings)      0       0       1     96     102    947
sweep   call                   11       7       0      0  131000   6000

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from typing import Any

from runtime import Weight

order = Weight(
    reads=28,
    writes=10,
    hashes=2,
    bytes=172,
    time_ns=291_000,
)
settle = Weight(
    reads=3,
    writes=1,
    hashes=1,
    bytes=192,
    time_ns=45_100,
)


def claim(
    _model: object,
    _epoch: object,
    _payout: object,
    path: Any,
) -> Weight:
    """The weight of `claim` by its arguments."""
    return Weight(
        reads=8,
        writes=6,
        hashes=2 + len(path.siblings),
        bytes=144 + 96 * len(path.siblings),
        time_ns=81_200 + 102 * len(path.siblings),
    )


sweep = Weight(
    reads=11,
    writes=7,
    hashes=0,
    bytes=0,
    time_ns=131_000,
)
