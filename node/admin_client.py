"""`AdminClient`: gives a running node the orders of its operator, over the socket in its directory.

with AdminClient(Path("/var/lib/openledger")) as admin:
admin.call("admin_snapshot")
"""

from __future__ import annotations

import json
import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from node.closing import Closing
from node.config import DataDirectory
from node.errors import NodeUnreachable
from node.rpc.admin import ADMIN_HOST, ADMIN_TIMEOUT_S
from node.transport import failure_of


class _UnixConnection(HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: Path) -> None:
        super().__init__(ADMIN_HOST, timeout=ADMIN_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Raises `OSError` where nobody listens."""
        connecting = socket.socket(socket.AF_UNIX)
        try:
            connecting.settimeout(ADMIN_TIMEOUT_S)
            connecting.connect(str(self._path))
        except BaseException:
            connecting.close()
            raise
        self.sock = connecting


class AdminClient(Closing):
    """A connection to the node of one data directory."""

    def __init__(self, data: Path) -> None:
        """Prepare to talk to the node that uses the directory `data`; nothing is sent yet."""
        self._data = data
        self._http = _UnixConnection(DataDirectory(data).admin_socket)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def call(self, method: str, *parameters: Any) -> Any:
        """The result of one `admin_*` method; raises `RpcFailed`, `NodeUnreachable`."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
        try:
            self._http.request("POST", "/", json.dumps(request))
            answer = json.loads(self._http.getresponse().read())
        except (OSError, HTTPException, ValueError) as error:
            self._http.close()
            message = f"No node runs in {self._data}, or it is another user's: {error}."
            remedy = "Give the --data directory of a running node, as the user that runs it."
            raise NodeUnreachable(message, remedy=remedy) from error
        failure = failure_of(answer)
        if failure is not None:
            raise failure
        return answer["result"]
