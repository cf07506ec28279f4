"""`--dev`: a local network, a worker and a server beside Studio, for who wants to try it.

Every validator has its referee.  DIRECTORY is kept: a stopped network goes on where it was.  All of
it ends with Studio.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.demo.chain import (
    LOCALHOST,
    start_referees,
    start_server,
    start_worker,
    wait_until_up,
)
from node.demo.lesson import lesson_spec
from node.demo.processes import Processes
from node.demo.settings import DemoSettings
from node.localnet import plan
from node.ports import free_port
from studio.settings import Settings

DIRECTORY = Path(".openledger/studio")


@contextmanager
def development(port: int, directory: Path = DIRECTORY) -> Iterator[Settings]:
    """Run everything, and give what Studio is to be started with; raises `ProcessFailed`."""
    directory = directory.resolve()
    demo = DemoSettings(directory, None, "", "", "", base_model=None, port=None, full=False)
    (directory / "work").mkdir(parents=True, exist_ok=True)
    with Processes(directory / "logs") as processes:
        nodes = plan(directory / "network", lesson_spec())
        for node in nodes:
            processes.start(node.name, node.arguments)
        for node in nodes:
            wait_until_up(processes, f"{node.url}/health")
        processes.watch()
        server_port = free_port()
        server = f"{LOCALHOST}:{server_port}"
        start_worker(processes, demo, nodes[0].url, server)
        # The validators certify each result: without them its window never begins.
        start_referees(processes, demo, nodes, server)
        start_server(processes, demo, nodes[0].url, server_port)
        yield Settings(
            node=nodes[0].url,
            data=directory / "studio",
            keys=directory / "keys",
            port=port,
            server=server,
            server_data=directory / "serve",
            work=directory / "work",
            lesson=directory / "lesson.json",
        )
