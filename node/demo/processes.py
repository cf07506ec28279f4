"""The demo's processes: start, watch, restart, stop, and read their logs for tracebacks.

A thread starts again what somebody killed; a child that ended by itself is an error for the demo.
Children live in their own session, so that Ctrl-C reaches the demo alone, which then stops them in
order; and none outlives the demo (`child.py`).
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from node.errors import NodeError

STOP_SECONDS_MAX = 10
RESTARTS_MAX = 5
WATCH_SECONDS = 0.2
TRACEBACK_MARK = "Traceback (most recent call last)"
LOG_TAIL_LINES = 5


class ProcessFailed(NodeError):
    """One of the demo's processes ended when it should run."""


@dataclass(slots=True)
class Child:
    """One process with its command, its log and how often it was started again."""

    name: str
    command: tuple[str, ...]
    log: Path
    process: subprocess.Popen[bytes]
    restarts: int = 0


@dataclass(slots=True)
class Processes:
    """All children of one demo, stopped in reverse order when the context ends."""

    logs: Path
    children: dict[str, Child] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _watcher: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Make the folder of logs."""
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop watching, then every child, last started first."""
        self._stopped.set()
        if self._watcher is not None:
            self._watcher.join()
        self.stop()

    def watch(self) -> None:
        """Start again what somebody kills, from now on and until the context ends."""
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        while not self._stopped.wait(WATCH_SECONDS):
            # A child that failed is `check`'s to report, where the demo waits for it.
            with contextlib.suppress(ProcessFailed):
                self.check()

    def start(self, name: str, *arguments: Sequence[str]) -> None:
        """Start `openledger` with all `arguments` as a child, its output in `logs/name.log`."""
        log = self.logs / f"{name}.log"
        command = (
            sys.executable,
            "-m",
            "node.demo.child",
            sys.executable,
            "-m",
            "node.cli",
            *chain.from_iterable(arguments),
        )
        self.children[name] = Child(name, command, log, launch(command, log))

    def kill(self, name: str) -> None:
        """End a child without any clean-up; `check` starts it again."""
        self.children[name].process.kill()

    def check(self) -> list[str]:
        """Start again what was killed; return the names of what was.

        Raises `ProcessFailed` for a child that ended by itself, or was killed too often.
        """
        revived = []
        with self._lock:
            for child in list(self.children.values()):
                status = child.process.poll()
                if status is None:
                    continue
                if status >= 0 or child.restarts >= RESTARTS_MAX:
                    raise ProcessFailed(
                        f"The {child.name} process ended with status {status}: {tail(child.log)}",
                        remedy=f"Read its log: {child.log}",
                    )
                child.restarts += 1
                child.process = launch(child.command, child.log)
                revived.append(child.name)
        return revived

    def stop(self) -> None:
        """Ask every child to stop, wait, and kill what does not."""
        for child in reversed(self.children.values()):
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS_MAX
        for child in reversed(self.children.values()):
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()

    def tracebacks(self) -> list[str]:
        """Names of the children whose log holds a traceback."""
        return [
            child.name
            for child in self.children.values()
            if child.log.exists() and TRACEBACK_MARK in child.log.read_text(errors="replace")
        ]


def launch(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a command in its own session with its output appended to `log`."""
    output: IO[bytes]
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def tail(log: Path) -> str:
    """The last lines of a log, on one line."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return " / ".join(line.strip() for line in lines[-LOG_TAIL_LINES:]) or "it printed nothing"
