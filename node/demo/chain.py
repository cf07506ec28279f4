"""Start the demo's worker and server, each with a key and a folder, and wait for processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx

from node.demo.processes import Processes
from node.demo.settings import DemoSettings
from node.demo.waiting import wait_for
from node.localnet import LocalNode

START_SECONDS_MAX = 120.0
RESTART_SECONDS_MAX = 30.0
"""How long a node that was killed may take to come back."""
LOCALHOST = "http://127.0.0.1"
SETTLE_SECONDS = 20
"""Longer than the questions take: one batch, in one epoch, is attributed in one pass."""


def start_worker(processes: Processes, settings: DemoSettings, node: str, server: str) -> None:
    """Start the worker that trains and attributes."""
    base_model = [] if settings.base_model is None else [f"--base-model={settings.base_model}"]
    processes.start(
        "worker",
        ["worker", "run", f"--node={node}", f"--server={server}", "--key=dev:worker"],
        [f"--work={settings.directory / 'work'}", *base_model],
    )


def start_referees(
    processes: Processes, settings: DemoSettings, nodes: Sequence[LocalNode], server: str
) -> None:
    """Start a referee beside each validator; the worker talks to the first one's node."""
    base_model = [] if settings.base_model is None else [f"--base-model={settings.base_model}"]
    for node in nodes:
        processes.start(
            f"{node.name}-referee",
            ["referee", "run", f"--key=dev:{node.name}", f"--node={node.url}"],
            [f"--source={nodes[0].url}", f"--work={settings.directory / 'referees' / node.name}"],
            [f"--server={server}", *base_model],
        )


def start_server(processes: Processes, settings: DemoSettings, node: str, port: int) -> str:
    """Start the server that answers, and return its URL once it is up."""
    base_model = [] if settings.base_model is None else [f"--base-model={settings.base_model}"]
    processes.start(
        "server",
        ["serve", f"--node={node}", "--key=dev:server", f"--port={port}"],
        [f"--data={settings.directory / 'serve'}", f"--settle-every-seconds={SETTLE_SECONDS}"],
        base_model,
    )
    wait_until_up(processes, f"{LOCALHOST}:{port}/health")
    return f"{LOCALHOST}:{port}"


def wait_until_up(processes: Processes, url: str) -> None:
    """Wait until `url` answers; raises `ProcessFailed` if a process ends instead."""

    def is_up() -> bool:
        processes.check()
        try:
            return httpx.get(url, timeout=2.0).is_success
        except httpx.HTTPError:
            return False

    wait_for(is_up, f"Nothing answers at {url}.", START_SECONDS_MAX)


def progress_of(file: Path, processes: Processes) -> Callable[[], tuple[float, float, str]]:
    """A function that reads how far the worker is; it raises what made a process end."""

    def read() -> tuple[float, float, str]:
        processes.check()
        try:
            document = json.loads(file.read_text())
            return float(document["done"]), float(document["total"]), str(document["stage"])
        except (OSError, ValueError, KeyError):
            return 0.0, 1.0, ""

    return read
