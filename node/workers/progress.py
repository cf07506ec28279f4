"""What a worker is doing, in a small JSON file for whoever draws a bar.

    {"stage": "training", "job": 0, "model": null, "epoch": null, "done": 12, "total": 60,
     "loss": 2.31}

`stage` is `idle`, `training`, `evaluating`, `auditing` or `attributing`.  The file is replaced,
never rewritten in place, so that a reader always sees a whole one.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

INTERVAL_S = 0.2
"""Steps may be faster than anybody looks."""

Stage = Literal["idle", "training", "evaluating", "auditing", "attributing"]


@dataclass(frozen=True, slots=True)
class Progress:
    """One state of the bar."""

    stage: Stage
    job: int | None = None
    model: str | None = None
    epoch: int | None = None
    done: int = 0
    total: int = 0
    loss: float | None = None
    """Mean loss of the last training step in nats."""


def read_progress(path: Path) -> dict[str, Any]:
    """What the file says, or that nobody works there."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"stage": "not started"}
    return found


class ProgressFile:
    """Shows the latest `Progress`."""

    def __init__(self, path: Path) -> None:
        """Write to `path`, whose folder exists."""
        self._path = path
        self._temporary = path.with_name(f".{path.name}.new")
        self._shown_at = -INTERVAL_S

    def show(self, progress: Progress) -> None:
        """Replace the file, unless it is younger than `INTERVAL_S` and the work goes on."""
        now = time.monotonic()
        is_edge = progress.done in {0, progress.total}
        if is_edge or now - self._shown_at >= INTERVAL_S:
            self._shown_at = now
            # Without fsync: after a power cut nobody misses a progress bar.
            self._temporary.write_text(json.dumps(asdict(progress)), encoding="utf-8")
            self._temporary.replace(self._path)
