"""Weights of Proxy, made by `openledger pallet bench Proxy`: do not edit.

date     2026-11-21
cpu      AMD EPYC
python   3.11.7
samples  20 at each of up to 5 sizes, each the fastest of 3 runs

call             per        reads  writes  hashes  bytes    time     +-
proxy            call           1       0       1      0   83100    557
                 len(call)      0       0       0      1   0.826  0.215
give_right       call           4       3       0      0  116000    468
take_right       call           4       3       0      0  123000    470
create_pure      call           5       5       1     50   31700    342
announce         call           5       3       0      0  110000    353
withdraw         call           4       3       0      0   58700    430
reject           call           4       3       0      0   58900    730
proxy_announced  call           5       3       2      0  145000    605
                 len(call)      0       0       0      2   1.990  0.233

Times are in nanoseconds, +- is their standard error.
"""

from __future__ import annotations

from collections.abc import Sized

from runtime import Weight


def proxy(
    _owner: object,
    call: Sized,
) -> Weight:
    """The weight of `proxy` by its arguments."""
    return Weight(
        reads=1,
        writes=0,
        hashes=1,
        bytes=len(call),
        time_ns=83_100 + (826 * len(call)) // 1_000,
    )


give_right = Weight(
    reads=4,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=116_000,
)
take_right = Weight(
    reads=4,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=123_000,
)
create_pure = Weight(
    reads=5,
    writes=5,
    hashes=1,
    bytes=50,
    time_ns=31_700,
)
announce = Weight(
    reads=5,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=110_000,
)
withdraw = Weight(
    reads=4,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=58_700,
)
reject = Weight(
    reads=4,
    writes=3,
    hashes=0,
    bytes=0,
    time_ns=58_900,
)


def proxy_announced(
    _owner: object,
    call: Sized,
) -> Weight:
    """The weight of `proxy_announced` by its arguments."""
    return Weight(
        reads=5,
        writes=3,
        hashes=2,
        bytes=2 * len(call),
        time_ns=145_000 + (1_990 * len(call)) // 1_000,
    )
