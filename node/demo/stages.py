"""Stages of the demo: each is timed and shown, and one that takes long shows how far it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


@dataclass(slots=True)
class Bar:
    """The progress of the stage that runs."""

    progress: Progress
    task: TaskID

    def show(self, done: float, total: float, note: str = "") -> None:
        """Show `done` of `total` and a word about what is going on."""
        self.progress.update(self.task, completed=done, total=max(total, 1), note=note)


@dataclass(slots=True)
class Stages:
    """Every stage's seconds, in the order in which they ran."""

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[Bar]:
        """Time and show one stage; a failed one is left on screen as it was."""
        started = time.monotonic()
        columns = (
            TextColumn("{task.description:<34}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task(name, total=None, note="")
            yield Bar(progress, task)
            total = progress.tasks[0].total or 1
            progress.update(task, completed=total, total=total)
        self.seconds[name] = time.monotonic() - started
