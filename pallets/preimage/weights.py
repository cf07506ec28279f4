"""Weights of Preimage, made by `openledger pallet bench Preimage`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call    per        reads  writes  hashes  bytes   time     +-
note    call           5       4       1      0  31400    266
        len(call)      0       0       0      1  3.590  0.028
unnote  call           4       4       0      0  65900    323

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from collections.abc import Sized

from runtime import Weight


def note(
    call: Sized,
) -> Weight:
    """The weight of `note` by its arguments."""
    return Weight(
        reads=5,
        writes=4,
        hashes=1,
        bytes=len(call),
        time_ns=31_400 + (3_590 * len(call)) // 1_000,
    )


unnote = Weight(
    reads=4,
    writes=4,
    hashes=0,
    bytes=0,
    time_ns=65_900,
)
