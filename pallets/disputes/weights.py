"""Weights of Disputes, made by `openledger pallet bench Disputes`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  4 at each of up to 5 sizes, each the fastest of 3 runs

call            per                               reads  writes  hashes  bytes    time     +-
name_referee    call                                  1       1       0      0    3960    383
certify         call                                  7       1       0      0   80700   1260
challenge       call                                  5       4       0      0   77300   2090
challenge_step  call                                  5       4       0      0  125000   8710
split           call                                  1       1      17   1088   63100   3000
pick            call                                  1       1       0      0   29100    744
open_step       call                                  6       3       4    606   40900   2490
                len(opening.after.path.siblings)      0       0       2    128    1240    344
judge           call                                 22      17       1    175  273000  47500
time_out        call                                 16      14       0      0  168000  12500

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from typing import Any

from runtime import Weight

name_referee = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=3_960,
)
certify = Weight(
    reads=7,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=80_700,
)
challenge = Weight(
    reads=5,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=77_300,
)
challenge_step = Weight(
    reads=5,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=125_000,
)
split = Weight(
    reads=1,
    writes=1,
    hashes=17,
    bytes=1_088,
    time_ns=63_100,
)
pick = Weight(
    reads=1,
    writes=1,
    hashes=0,
    bytes=0,
    time_ns=29_100,
)


def open_step(
    _work: object,
    opening: Any,
) -> Weight:
    """The weight of `open_step` by its arguments."""
    return Weight(
        reads=6,
        writes=3,
        hashes=4 + 2 * len(opening.after.path.siblings),
        bytes=606 + 128 * len(opening.after.path.siblings),
        time_ns=40_900 + 1_240 * len(opening.after.path.siblings),
    )


judge = Weight(
    reads=22,
    writes=17,
    hashes=1,
    bytes=175,
    time_ns=273_000,
)
time_out = Weight(
    reads=16,
    writes=14,
    hashes=0,
    bytes=0,
    time_ns=168_000,
)
