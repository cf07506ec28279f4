"""UNIX sockets that their owner alone may use."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import trio

from node.errors import ConfigError

CONNECTIONS_WAITING_MAX = 16
PATH_BYTES_MAX = 107
"""Of a UNIX socket's path, by the kernel's structure."""


def check_socket_path(path: Path) -> None:
    """Raise `ConfigError` for a path that the kernel takes for no UNIX socket."""
    if len(os.fsencode(path)) > PATH_BYTES_MAX:
        message = f"The path of the socket {path} has more than {PATH_BYTES_MAX} bytes."
        raise ConfigError(message, remedy="Choose a directory with a shorter path.")


def open_unix_listener(path: Path) -> trio.SocketListener:
    """Listen on a UNIX socket of mode 0600; raises `ConfigError`.

    A file that is left of a killed process goes: whoever calls holds the lock of its directory, so
    nobody listens.
    """
    check_socket_path(path)
    listening = socket.socket(socket.AF_UNIX)
    try:
        path.unlink(missing_ok=True)
        # The mode of the unbound socket is the one that its file is made with.
        os.fchmod(listening.fileno(), 0o600)
        listening.bind(str(path))
        listening.listen(CONNECTIONS_WAITING_MAX)
        return trio.SocketListener(trio.socket.from_stdlib_socket(listening))
    except OSError as error:
        listening.close()
        message = f"The socket {path} cannot be made: {error.strerror}."
        raise ConfigError(message, remedy="Choose a directory on a local disk.") from error
