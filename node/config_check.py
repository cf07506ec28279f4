"""`openledger config check`: what would keep a node from starting, said before it is started.

Each check is one sentence when it holds, and a sentence with a remedy when it does not.  Nothing is
written, and no password is asked for.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from genesis.chain_spec import ChainSpec, genesis_block
from node.config import DataDirectory
from node.errors import ConfigError, PortInUse
from node.keystore import account_in_file, check_private
from node.unix_sockets import check_socket_path
from runtime.errors import OpenLedgerError

DISK_BYTES_MIN = 5 * 1024**3
"""Free space below which a node is not worth starting."""
FILES_MIN = 4_096
"""Open files that a node with all its connections needs."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    finding: str
    remedy: str = ""


def check_config(
    data: Path, chain: Path | None, key: Path | None, ports: tuple[tuple[str, int], ...]
) -> list[Check]:
    """Look at everything that a node with these options needs."""
    return list(_checks(DataDirectory(data), chain, key, ports))


def _checks(
    directory: DataDirectory,
    chain: Path | None,
    key: Path | None,
    ports: tuple[tuple[str, int], ...],
) -> Iterator[Check]:
    yield _checked("chain spec", lambda: _check_spec(_spec_file(directory, chain)))
    yield _checked("data directory", lambda: _check_directory(directory, chain))
    if key is not None:
        yield _checked("key", lambda: _check_key(key))
    for host, port in ports:
        yield _checked(f"port {port}", partial(_check_port, host, port))
    yield _checked("disk", lambda: _check_disk(directory.root))
    yield _checked("open files", _check_files)


def _checked(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, ok=True, finding=look())
    except OpenLedgerError as error:
        return Check(name, ok=False, finding=error.message, remedy=error.remedy)


def _spec_file(directory: DataDirectory, chain: Path | None) -> Path:
    if chain is None and not directory.spec.exists():
        message = f"{directory.root} holds no chain yet."
        raise ConfigError(message, remedy="Give a chain spec with --chain.")
    return chain or directory.spec


def _check_spec(file: Path) -> str:
    spec = ChainSpec.load(file)
    block = genesis_block(spec)[0]
    count = len(spec.validators)
    return f"{spec.name}, {count} validators, genesis hash {block.header.id().hex()}."


def _check_directory(directory: DataDirectory, chain: Path | None) -> str:
    check_socket_path(directory.admin_socket)
    if not directory.root.exists():
        return f"{directory.root} will be made."
    if not os.access(directory.root, os.W_OK):
        message = f"{directory.root} cannot be written by this user."
        raise ConfigError(message, remedy="Give it to the user that runs the node.")
    if not directory.spec.exists():
        foreign = next(directory.root.iterdir(), None)
        if foreign is not None:
            message = f"{directory.root} is not empty and not a node's: it has {foreign.name!r}."
            raise ConfigError(message, remedy="Choose an empty or a new --data directory.")
        return f"{directory.root} is empty."
    if chain is not None and ChainSpec.load(chain) != ChainSpec.load(directory.spec):
        message = f"{directory.root} belongs to another chain than is asked for."
        raise ConfigError(message, remedy="Leave --chain out, or choose another --data.")
    if directory.signer.exists() and not directory.state.exists():
        message = f"{directory.root} has a signer file and no state: data is lost."
        raise ConfigError(message, remedy="Restore the directory from a backup.")
    return f"{directory.root} goes on with its chain."


def _check_key(file: Path) -> str:
    account = account_in_file(file)
    check_private(file)
    return f"{file} has the account {account.hex()}."


def _check_port(host: str, port: int) -> str:
    try:
        with socket.create_server((host, port)):
            return f"{host}:{port} is free."
    except OSError as error:
        message = f"{host}:{port} cannot be listened on: {error.strerror}."
        raise PortInUse(message, remedy="Stop what listens there, or choose another.") from error


def _check_disk(root: Path) -> str:
    existing = next(each for each in (root, *root.absolute().parents) if each.exists())
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < DISK_BYTES_MIN:
        message = f"The disk of {root} has {free_bytes // 1024**2} MiB free."
        raise ConfigError(message, remedy=f"Make room for {DISK_BYTES_MIN // 1024**2} MiB.")
    return f"{free_bytes // 1024**3} GiB are free."


def _check_files() -> str:
    _, permitted = resource.getrlimit(resource.RLIMIT_NOFILE)
    if permitted != resource.RLIM_INFINITY and permitted < FILES_MIN:
        message = f"This process may have {permitted} files open."
        raise ConfigError(message, remedy=f"Permit {FILES_MIN}: LimitNOFILE, or ulimit -Hn.")
    return "As many as a node needs may be open."
