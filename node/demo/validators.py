"""The four validators of the demo: started, one killed in the middle, compared at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from genesis.chain_spec import ChainSpec, local_spec
from node.client import NodeClient
from node.demo.chain import RESTART_SECONDS_MAX, wait_until_up
from node.demo.processes import Processes
from node.demo.report import Check
from node.demo.settings import DemoSettings
from node.demo.waiting import wait_for
from node.localnet import LocalNode, plan
from pallets.attribution.pallet import Attribution

VALIDATORS = 4
VICTIM = "validator-3"
"""Who is killed: not the one that the demo talks to."""
EPOCH_BLOCKS = 20
"""Ten seconds, when nothing happens on the chain."""


def demo_spec() -> ChainSpec:
    """The local network's chain with short epochs, so that nobody waits long for one to end."""
    spec = local_spec(VALIDATORS)
    short = {Attribution.epoch_blocks: EPOCH_BLOCKS}
    return replace(spec, parameters=spec.parameters.choosing(short))


@dataclass(slots=True)
class Validators:
    """The processes that decide the demo's blocks."""

    nodes: Sequence[LocalNode]
    killed_at: int = 0
    """The height at which one was killed."""

    @classmethod
    def start(cls, processes: Processes, settings: DemoSettings) -> Validators:
        """Start all, and return once each answers."""
        ports = () if settings.port is None else (settings.port,)
        nodes = plan(settings.directory / "network", demo_spec(), ports)
        for node in nodes:
            processes.start(node.name, node.arguments)
        for node in nodes:
            wait_until_up(processes, f"{node.url}/health")
        processes.watch()
        return cls(nodes)

    def client(self) -> NodeClient:
        """A client of the first validator, which waits for it if it must."""
        return NodeClient(self.nodes[0].url, patience_s=RESTART_SECONDS_MAX)

    def kill_one(self, processes: Processes, client: NodeClient) -> None:
        """Kill a validator as a power cut would; it is started again, and catches up by itself."""
        self.killed_at = client.height()
        processes.kill(VICTIM)

    def compare(self, height: int) -> Check:
        """Whether all have the same block of a height, the one that was killed among them."""
        clients = [NodeClient(node.url, patience_s=RESTART_SECONDS_MAX) for node in self.nodes]

        def caught_up() -> bool:
            return all(client.height() >= height for client in clients)

        wait_for(caught_up, f"Not all validators have block {height}.", RESTART_SECONDS_MAX)
        blocks = {client.call("chain_getHeader", height)["id"] for client in clients}
        for client in clients:
            client.close()
        return Check(
            "the validators agree",
            len(blocks) == 1,
            f"{len(clients)} have the same block {height}; "
            f"{VICTIM} was killed at {self.killed_at} and caught up",
        )
