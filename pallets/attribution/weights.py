"""Weights of Attribution, made by `openledger pallet bench Attribution`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  30 at each of up to 5 sizes, each the fastest of 3 runs

call    per                 reads  writes  hashes  bytes   time   +-
commit  call                    8       2       0      0  55400  636
settle  call                    1       1       0      0  24200  287
claim   call                    6       5       2    128  54500  737
        len(path.siblings)      0       0       1     96   2320  119
sweep   call                    6       4       0      0  39700  498

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from typing import Any

from runtime import Weight

commit = Weight(
    reads=8,
    writes=2,
    hashes=0,
    bytes=0,
    time_ns=55_400,
)
settle = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=24_200,
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
        reads=6,
        writes=5,
        hashes=2 + len(path.siblings),
        bytes=128 + 96 * len(path.siblings),
        time_ns=54_500 + 2_320 * len(path.siblings),
    )


sweep = Weight(
    reads=6,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=39_700,
)
