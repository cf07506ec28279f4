"""How a node treats Python's garbage collector: what it keeps for good need not be walked again.

The state's tree is millions of tuples that live as long as the process, and a block is thousands of
objects that live until it is committed.  With the default thresholds the collector walks both again
and again and finds nothing, which costs as much as everything else together.
"""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 500_000
"""How many more objects are made than freed before the youngest are walked: some full blocks."""
MIDDLE_COLLECTIONS = 10
OLD_COLLECTIONS = 10


def settle_memory() -> None:
    """Call it when all is loaded: collect once, and leave what is there out from now on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, MIDDLE_COLLECTIONS, OLD_COLLECTIONS)
