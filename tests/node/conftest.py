"""Real node processes for the tests: `python -m node.cli dev`, on free ports of 127.0.0.1."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.cli.main import main
from node.client import NodeClient

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 20


class RunningNode:
    """A development node in a process of its own."""

    def __init__(self, data: Path, port: int = 0, start: Sequence[str] = ("dev",)) -> None:
        self.data = data
        self.log = data.parent / f"{data.name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command(*start, "--data", str(data), "--rpc-port", str(port), "--json"),
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self.url = json.loads(self._first_line())["url"]
        self.port = int(self.url.rpartition(":")[2])

    def _first_line(self) -> str:
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], START_TIMEOUT_S)
        line = self.process.stdout.readline() if readable else b""
        if not line:
            self.kill()
            raise AssertionError(f"the node did not start: {self.log.read_text()}")
        return line.decode()

    def client(self) -> NodeClient:
        """A new client of this node."""
        return NodeClient(self.url)

    def kill(self) -> None:
        """End the process as a power cut would: without any clean-up."""
        self.process.kill()
        self._wait()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop the process politely and return its exit code."""
        self.process.send_signal(number)
        return self._wait()

    def _wait(self) -> int:
        code = self.process.wait(STOP_TIMEOUT_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def command(*arguments: str) -> list[str]:
    """The command line of `openledger`."""
    return [sys.executable, "-m", "node.cli", *arguments]


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[Callable[..., RunningNode]]:
    """Start development nodes; what still runs at the end is killed."""
    started: list[RunningNode] = []

    def start(name: str = "node", port: int = 0, start: Sequence[str] = ("dev",)) -> RunningNode:
        started.append(RunningNode(tmp_path / name, port, start))
        return started[-1]

    yield start
    for node in started:
        if node.process.poll() is None:
            node.kill()


@pytest.fixture(scope="session")
def dev_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """One development node for all tests that only add to its chain."""
    node = RunningNode(tmp_path_factory.mktemp("dev") / "node")
    yield node
    with contextlib.suppress(ProcessLookupError):
        node.kill()


@pytest.fixture
def client(dev_node: RunningNode) -> Iterator[NodeClient]:
    """A client of the shared node."""
    with dev_node.client() as client:
        yield client


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def openledger(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Finished]:
    """Run one `openledger` command to its end, in this process."""

    def run(*arguments: str, **environment: str) -> Finished:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["openledger", *arguments])
            patch.setattr(os, "isatty", lambda _descriptor: False)
            for name, value in environment.items():
                patch.setenv(name, value)
            capsys.readouterr()
            code: object = 0
            try:
                main()
            except SystemExit as ended:
                code = ended.code
            printed = capsys.readouterr()
        return Finished(code if isinstance(code, int) else 0, printed.out, printed.err)

    return run


@pytest.fixture
def openledger_process() -> Callable[..., Finished]:
    """Run one `openledger` command to its end, in a process of its own."""

    def run(*arguments: str) -> Finished:
        ended = subprocess.run(
            command(*arguments),
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Finished(ended.returncode, ended.stdout, ended.stderr)

    return run
