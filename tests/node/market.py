"""A small market on a real chain: who acts there, their processes, a Datanet, a training job."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import openai

from genesis.chain_spec import development_keypair
from ml.manifest import manifest_of
from ml.training.recipe import default_training_parameters
from node.client import NodeClient
from pallets.compute.pallet import Compute
from runtime.types import OPEN
from runtime.wire.records import (
    RowSource,
    training_order,
)

BASE_MODEL = Path(__file__).parents[2] / "genesis" / "models" / "openledger-nano"
PATIENCE_S = 600.0
"""Ends a test that hangs; a process that has ended is noticed at once."""
ROW_COUNT = 1_500
STEPS, BATCH_ROWS = 4, 8


@dataclass
class Child:
    """A process of ours, with its log."""

    arguments: tuple[str, ...]
    log: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "node.cli", *self.arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        return self

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self):
        self.process.kill()
        self.process.wait(60)

    def lines(self):
        return self.log.read_text(errors="replace")


@dataclass
class Market:
    """A chain with a Datanet, a training job, and who acts on it."""

    client: NodeClient
    folder: Path
    url: str
    children: dict[str, Child] = field(default_factory=dict)
    model: bytes = b""
    server_url: str = ""
    api_key: str = ""

    def wait(self, condition, what):
        """What `condition` gives once it holds; fails early if a process has ended by itself."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            for name, child in self.children.items():
                assert child.process.poll() is None, f"{name} ended: {child.lines()[-1000:]}"
            time.sleep(0.1)
        raise AssertionError(f"{what} did not happen in {PATIENCE_S:g} s")

    def start(self, name, *arguments):
        self.children[name] = Child(arguments, self.folder / f"{name}.log").start()
        return self.children[name]

    def start_worker(self):
        return self.start(
            "worker",
            *("worker", "run", "--node", self.url, "--key", "dev:worker"),
            *("--work", str(self.folder / "work"), "--server", self.server_url),
        )

    def start_referee(self):
        """The validator's, without whose certificate nothing is settled."""
        return self.start(
            "referee",
            *("referee", "run", "--node", self.url, "--key", "dev:validator"),
            *("--work", str(self.folder / "referee"), "--server", self.server_url),
        )

    def start_server(self, port):
        return self.start(
            "server",
            *("serve", "--node", self.url, "--key", "dev:server", "--port", str(port)),
            *("--data", str(self.folder / "serve"), "--settle-every-seconds", "1"),
        )

    def job(self):
        return self.client.read("Compute", "jobs", 0)

    def openai(self, key=None):
        return openai.OpenAI(
            base_url=f"{self.server_url}/v1", api_key=key or self.api_key, max_retries=0
        )


def people(name):
    return development_keypair(name)


def submit_job(client, datanet):
    base = manifest_of(BASE_MODEL).hash()
    builder = people("builder")
    parameters = replace(
        default_training_parameters(ROW_COUNT),
        steps=STEPS,
        batch_rows=BATCH_ROWS,
        checkpoint_count=2,
        warmup_steps=1,
        validation_ppb=5_000_000,
    )
    order = training_order(base, (RowSource(datanet, 1),), parameters)
    call = Compute.submit_job.Call(order=order, fee=10 * OPEN)
    client.submit(call, builder)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
