"""Weights of Attribution, made by `openledger pallet bench Attribution`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call    per                 reads  writes  hashes  bytes   time      +-
commit  call                    9       2       0      0  40900     457
settle  call                    1       1       0      0  15200     198
claim   call                    8       6       2    128  47900     241
        len(path.siblings)      0       0       1     96   1280  36.200
sweep   call                    6       4       0      0  26800     238

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from typing import Any

from runtime import Weight

commit = Weight(
    reads=9,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=40_900,
)
settle = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=15_200,
)


def claim(
    _model: object,
    _epoch: object,
    _owner: object,
    _amount: object,
    path: Any,
) -> Weight:
    """The weight of `claim` by its arguments."""
    return Weight(
        reads=8,
        writes=6,
        hashes=2 + len(path.siblings),
        bytes=128 + 96 * len(path.siblings),
        time_ns=47_900 + 1_280 * len(path.siblings),
    )


sweep = Weight(
    reads=6,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=26_800,
)
