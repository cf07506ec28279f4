"""A network of validators on one machine, each a process of its own: for trying and for tests.

DIRECTORY/chain.toml        the chain spec
DIRECTORY/NAME/             the data directory of a node
DIRECTORY/NAME.log          what it wrote
DIRECTORY/localnet.json     the processes that run
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from genesis.chain_spec import LOCAL_VALIDATORS, ChainSpec
from node.config import DataDirectory
from node.errors import ConfigError
from node.files import write_atomically
from node.p2p.addresses import PeerAddress
from node.p2p.identity import load_identity
from node.ports import free_port

STOP_TIMEOUT_S = 15.0
SNAPSHOT_BLOCKS = 1_000
"""How often each validator makes a snapshot, for nodes that join."""
_POLL_S = 0.05
_STATE_FILE = "localnet.json"
_STATE_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class LocalNode:
    """One validator of a local network."""

    name: str
    data: Path
    log: Path
    rpc_port: int
    p2p_port: int
    arguments: tuple[str, ...]
    """Of `openledger`."""

    @property
    def url(self) -> str:
        """Where it answers RPC."""
        return f"http://127.0.0.1:{self.rpc_port}"


@dataclass(frozen=True, slots=True)
class RunningNode:
    """A node that was started, as `localnet.json` has it."""

    name: str
    pid: int
    url: str
    data: str
    log: str

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        # A child of this process that ended is a zombie until it is waited for.
        with contextlib.suppress(ChildProcessError):
            return os.waitpid(self.pid, os.WNOHANG) == (0, 0)
        return True


def plan(
    directory: Path,
    spec: ChainSpec,
    ports: Sequence[int] = (),
    *,
    snapshot_blocks: int = SNAPSHOT_BLOCKS,
) -> tuple[LocalNode, ...]:
    """Prepare the directories of a network of the spec's validators; nothing is started.

    `ports` are for RPC, and free ones are chosen where there are none.  Raises `ConfigError`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "chain.toml"
    spec.save(path)
    names = LOCAL_VALIDATORS[: len(spec.validators)]
    rpc_ports = [*ports, *(free_port() for _ in names[len(ports) :])]
    addresses: list[PeerAddress] = []
    for name in names:
        data = DataDirectory(directory / name)
        data.take_spec(spec)
        identity = load_identity(data.node_key).account
        addresses.append(PeerAddress("127.0.0.1", free_port(), identity))
    return tuple(
        LocalNode(
            name,
            directory / name,
            directory / f"{name}.log",
            rpc_ports[place],
            addresses[place].port,
            (
                *_arguments(directory / name, name, rpc_ports[place], place, addresses),
                f"--snapshot-blocks={snapshot_blocks}",
            ),
        )
        for place, name in enumerate(names)
    )


def _arguments(
    data: Path, name: str, rpc_port: int, place: int, addresses: Sequence[PeerAddress]
) -> tuple[str, ...]:
    others = [f"--peer={each}" for each in addresses if each != addresses[place]]
    return (
        "node",
        f"--data={data}",
        f"--key=dev:{name}",
        f"--rpc-port={rpc_port}",
        f"--p2p-port={addresses[place].port}",
        *others,
    )


def start(node: LocalNode, code: str | None = None) -> RunningNode:
    """Start a node in a session of its own; it goes on when this process ends.

    `code` is Python to run instead of `openledger`.
    """
    program = ("-m", "node.cli") if code is None else ("-c", code)
    # Not a `Popen`: it is meant to outlive the object that would wait for it.
    with node.log.open("ab") as log, Path(os.devnull).open("rb") as nothing:
        pid = os.posix_spawn(
            sys.executable,
            (sys.executable, *program, *node.arguments),
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, nothing.fileno(), 0),
                (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
            ],
            setsid=True,
        )
    return RunningNode(node.name, pid, node.url, str(node.data), str(node.log))


def save_running(directory: Path, nodes: Sequence[RunningNode]) -> None:
    """Note which processes run."""
    document = json.dumps([asdict(node) for node in nodes], indent=2)
    write_atomically(directory / _STATE_FILE, document.encode(), directory)


def load_running(directory: Path) -> tuple[RunningNode, ...]:
    """The processes that were started; raises `ConfigError` if there is no network here."""
    path = directory / _STATE_FILE
    try:
        with path.open("rb") as file:
            documents = json.loads(file.read(_STATE_BYTES_MAX))
        return tuple(RunningNode(**document) for document in documents)
    except (OSError, ValueError, TypeError) as error:
        message = f"There is no local network in {directory}."
        raise ConfigError(message, remedy="Start one with `openledger localnet up`.") from error


def stop(nodes: Sequence[RunningNode]) -> None:
    """Ask all processes to stop, wait, and kill what does not."""
    for node in nodes:
        _signal(node, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    for node in nodes:
        while node.is_running and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        if node.is_running:
            _signal(node, signal.SIGKILL)


def _signal(node: RunningNode, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(node.pid, number)
