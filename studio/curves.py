"""Training curves: live from a worker on this machine, complete from the transcript on the chain.

The worker says in a small file how far it is; whoever looks at a job sees the points since Studio
has been running.  When the job is committed, its transcript has every step, and that is shown.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

from runtime.wire.transcripts import TranscriptLeaf
from studio.chain.contents import Contents

LOSS_GRID = 2**30
INTERVAL_S = 0.25
JOBS_MAX = 200
"""Live curves that are kept."""
PROGRESS_FILE = "progress.json"
PROGRESS_BYTES_MAX = 64 * 1024

Points = list[tuple[float, float]]


class Curves:
    """What a worker on this machine has told so far."""

    def __init__(self, work: Path | None) -> None:
        self._path = None if work is None else work / PROGRESS_FILE
        self._points: OrderedDict[int, dict[int, float]] = OrderedDict()
        self.now: dict[str, Any] = {}
        """What the worker does now; empty without one."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Follow the worker's file."""
        if self._path is not None:
            self._task = asyncio.create_task(self._follow(self._path), name="curves")

    async def close(self) -> None:
        """End following."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def live(self, job: int) -> Points:
        """The mean loss of each step that was seen, in nats."""
        return [(float(step), loss) for step, loss in sorted(self._points.get(job, {}).items())]

    def note(self, told: dict[str, Any]) -> None:
        """Take a look at the worker's progress in."""
        self.now = told
        job, loss = told.get("job"), told.get("loss")
        if told.get("stage") != "training" or not isinstance(job, int) or loss is None:
            return
        self._points.setdefault(job, {})[int(told["done"])] = float(loss)
        while len(self._points) > JOBS_MAX:
            self._points.popitem(last=False)

    async def _follow(self, path: Path) -> None:
        while True:
            # Without a file there is no worker yet; half a file there never is.
            with suppress(OSError, ValueError, KeyError, TypeError):
                self.note(json.loads(await asyncio.to_thread(_read, path)))
            await asyncio.sleep(INTERVAL_S)


async def complete(contents: Contents, transcript: bytes) -> tuple[Points, Points]:
    """The training curve of a finished job, and its validation losses; in nats by step."""
    leaves = await contents.items(transcript, TranscriptLeaf)
    steps = [(float(leaf.step), leaf.loss_grid / LOSS_GRID) for leaf in leaves[1:-1]]
    ends = (leaves[0], leaves[-1])
    last = float(leaves[-2].step) if len(leaves) > 1 else 0.0
    return steps, [(0.0, ends[0].loss_grid / LOSS_GRID), (last, ends[1].loss_grid / LOSS_GRID)]


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(PROGRESS_BYTES_MAX)
