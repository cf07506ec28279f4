"""Where each microsecond of a transfer goes: `python -m bench.breakdown`.

CPU time of the thread for each step of a block, per transfer; the steps are those of
`bench.transfers` in one process.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from bench import transfers
from bench.report import report
from node.chain import Chain
from runtime.executive import Runtime
from runtime.overlay import Overlay
from runtime.state.store import Store
from runtime.state.tree import Tree

STEPS: dict[str, tuple[type, str]] = {
    "execute": (Runtime, "execute"),
    "apply": (Runtime, "_apply_all"),
    "encode_changes": (Overlay, "changes"),
    "prepare": (Store, "prepare"),
    "tree": (Tree, "update"),
    "header": (Chain, "_header"),
    "build": (Chain, "build"),
    "commit": (Store, "commit"),
}
"""The methods whose time is taken; some are parts of others."""


def figures() -> dict[str, float]:
    """Microseconds of a transfer by step, over all rounds."""
    spent: dict[str, float] = defaultdict(float)
    with transfers.fresh_chain() as chain:
        work = transfers.make_workload(chain)
        transfers.fund(chain, work)
        for name, (owner, method) in STEPS.items():
            setattr(owner, method, _timed(getattr(owner, method), spent, name))
        count = 0
        for raws in [block for blocks in work.rounds for block in blocks]:
            spent["signature"] += transfers.own_verify_seconds(chain, raws, time.thread_time)
            start = time.thread_time()
            checked = [chain.check(raw) for raw in raws]
            spent["check"] += time.thread_time() - start
            transfers.commit_block(chain, checked)
            count += len(raws)
    each = {name: seconds / count * 1e6 for name, seconds in spent.items()}
    return {
        "signature": each["signature"],
        "decode": each["check"] - each["signature"],
        "apply": each["apply"],
        "encode_changes": each["encode_changes"],
        "hash_changes": each["prepare"] - each["tree"],
        "tree": each["tree"],
        "events_and_roots": each["header"],
        "rest_of_the_block": each["build"] - each["execute"] - each["prepare"] - each["header"],
        "database": each["commit"],
        "all": each["check"] + each["build"] + each["commit"],
    }


def _timed(method: Callable[..., Any], spent: dict[str, float], name: str) -> Callable[..., Any]:
    def timed(*arguments: Any, **options: Any) -> Any:
        start = time.thread_time()
        try:
            return method(*arguments, **options)
        finally:
            spent[name] += time.thread_time() - start

    return timed


if __name__ == "__main__":
    report("breakdown", figures())
