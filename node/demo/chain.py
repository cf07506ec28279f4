"""Start the demo's processes: the node, then worker and server, each with a key and a folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx

from genesis.chain_spec import ChainSpec, dev_spec
from node.client import NodeClient
from node.demo.processes import Processes
from node.demo.settings import DemoSettings
from node.demo.waiting import wait_for
from node.ports import free_port

START_SECONDS_MAX = 120.0
RESTART_SECONDS_MAX = 30.0
"""How long a node that was killed may take to come back."""
LOCALHOST = "http://127.0.0.1"
EPOCH_BLOCKS = 20
"""Ten seconds, when nothing happens on the chain."""
SETTLE_SECONDS = 20
"""Longer than the questions take: one batch, in one epoch, is attributed in one pass."""


def demo_spec() -> ChainSpec:
    """The development chain with short epochs, so that nobody waits long for one to end."""
    spec = dev_spec()
    return replace(spec, parameters=replace(spec.parameters, epoch_blocks=EPOCH_BLOCKS))


def start_node(processes: Processes, settings: DemoSettings) -> NodeClient:
    """Write the chain spec, start the node and return a client once it answers."""
    spec = settings.directory / "chain.toml"
    demo_spec().save(spec)
    port = settings.port or free_port()
    processes.start(
        "node",
        ["node", f"--data={settings.directory / 'node'}", f"--chain={spec}"],
        ["--key=dev:validator", f"--rpc-port={port}"],
    )
    client = NodeClient(f"{LOCALHOST}:{port}", patience_s=RESTART_SECONDS_MAX)
    wait_until_up(processes, f"{LOCALHOST}:{port}/health")
    processes.watch()
    return client


def start_worker(processes: Processes, settings: DemoSettings, node: str, server: str) -> None:
    """Start the worker that trains and attributes."""
    base_model = [] if settings.base_model is None else [f"--base-model={settings.base_model}"]
    processes.start(
        "worker",
        ["worker", "run", f"--node={node}", f"--server={server}", "--key=dev:worker"],
        [f"--work={settings.directory / 'work'}", *base_model],
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
