"""Real validators for benchmarks and tests: processes that talk over real TCP."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from genesis.chain_spec import ChainSpec, local_spec
from node.client import NodeClient
from node.errors import ClientError, NodeError
from node.localnet import LocalNode, RunningNode, plan, start, stop
from node.p2p.addresses import PeerAddress
from node.p2p.identity import load_identity

TIMEOUT_S = 90.0
POLL_S = 0.05


class ProcessFailed(NodeError):
    """A process wrote a traceback."""


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Wait for something that tells nobody when it is there."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not in {timeout_s} s: {what}")
        time.sleep(POLL_S)


@dataclass(slots=True)
class LocalNetwork:
    """The validators of one chain; some may be down."""

    nodes: Sequence[LocalNode]
    running: dict[str, RunningNode] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """All validators."""
        return [node.name for node in self.nodes]

    def node(self, name: str) -> LocalNode:
        """One of them."""
        return next(node for node in self.nodes if node.name == name)

    def start(self, *names: str, code: str | None = None) -> None:
        """Start some, or all, and wait until they answer; `code` runs another program."""
        for name in names or self.names:
            self.running[name] = start(self.node(name), code)
        for name in names or self.names:
            self.wait_for_answer(name)

    def wait_for_answer(self, name: str) -> None:
        """Wait until a node that was started answers."""
        wait_until(lambda: self.height(name) is not None, f"{name} answers")

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End a process; SIGKILL is a power cut for it."""
        node = self.running.pop(name)
        os.kill(node.pid, number)
        wait_until(lambda: not node.is_running, f"{name} ends")

    def client(self, name: str) -> NodeClient:
        """A new client of one node."""
        return NodeClient(self.node(name).url)

    def height(self, name: str) -> int | None:
        """The finalised height; None while it does not answer."""
        with contextlib.suppress(ClientError), self.client(name) as client:
            return int(client.call("system_health")["height"])
        return None

    def heights(self) -> list[int]:
        """Of those that run."""
        return [self.height(name) or 0 for name in self.running]

    def wait_for_height(self, height: int, timeout_s: float = TIMEOUT_S) -> None:
        """Wait until all that run have a block."""
        wait_until(lambda: min(self.heights()) >= height, f"height {height}", timeout_s)

    def wait_for_blocks(self, count: int) -> None:
        """Wait until all that run have some blocks more than any has now."""
        self.wait_for_height(max(self.heights()) + count)

    def block_ids(self, height: int) -> set[str]:
        """The block of a height, by everybody who runs."""
        found = set()
        for name in self.running:
            with self.client(name) as client:
                found.add(client.call("chain_getHeader", height)["id"])
        return found

    def logs(self) -> str:
        """What all wrote."""
        return "\n".join(f"{node.name}:\n{node.log.read_text()}" for node in self.nodes)

    def peer_arguments(self) -> list[str]:
        """What makes another node connect to all."""
        addresses = [
            PeerAddress("127.0.0.1", node.p2p_port, load_identity(node.data / "node.key").account)
            for node in self.nodes
        ]
        return [f"--peer={address}" for address in addresses]


@contextlib.contextmanager
def local_network(
    directory: Path, spec: ChainSpec | None = None, *, snapshot_blocks: int = 0
) -> Iterator[LocalNetwork]:
    """Four validators that run; no process outlives the block, and none wrote a traceback."""
    nodes = plan(directory, spec or local_spec(4), snapshot_blocks=snapshot_blocks)
    network = LocalNetwork(nodes)
    try:
        network.start()
        yield network
    except BaseException:
        sys.stderr.write(network.logs())
        raise
    finally:
        stop(list(network.running.values()))
    if "Traceback" in network.logs():
        raise ProcessFailed(network.logs(), remedy="Read the traceback.")
