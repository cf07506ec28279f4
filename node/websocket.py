"""The client's side of a WebSocket connection: blocking, text messages only.

One thread uses it.  Another may `interrupt` it, which ends a `receive` that waits.
"""

from __future__ import annotations

import socket
import ssl
from collections import deque
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import ProtocolError

from node.errors import NodeUnreachable

CONNECT_TIMEOUT_S = 3.0
SILENCE_TIMEOUT_S = 60.0
"""A node that sends nothing for so long, not even a ping, is gone."""
MESSAGE_CHARACTERS_MAX = 64 * 1024 * 1024
"""The events of the largest block, in hexadecimal digits, and room."""
RECEIVE_BYTES = 64 * 1024


def _connected(url: SplitResult) -> socket.socket:
    name, secure = url.hostname or "", url.scheme == "https"
    plain = socket.create_connection((name, url.port or (443 if secure else 80)), CONNECT_TIMEOUT_S)
    if not secure:
        return plain
    return ssl.create_default_context().wrap_socket(plain, server_hostname=name)


class WebSocket:
    """An open connection to the WebSocket endpoint of a node."""

    def __init__(self, url: str) -> None:
        """Connect to the node at an HTTP `url`; raises `NodeUnreachable`."""
        self._url = url
        parts = urlsplit(url)
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._events: deque[Event] = deque()
        try:
            self._socket = _connected(parts)
        except (OSError, ValueError) as error:
            raise self._lost(str(error)) from error
        try:
            self._shake_hands(parts.netloc)
        except BaseException:
            self._socket.close()
            raise

    def send(self, text: str) -> None:
        """Send one message; raises `NodeUnreachable`."""
        self._send(TextMessage(data=text))

    def receive(self) -> str:
        """The next message, waited for; raises `NodeUnreachable` when there will be none."""
        parts: list[str] = []
        count = 0
        while True:
            event = self._next_event()
            if isinstance(event, CloseConnection):
                with suppress(NodeUnreachable):
                    self._send(event.response())
                raise self._lost(event.reason or "it was closed")
            if isinstance(event, Ping):
                self._send(event.response())
            elif isinstance(event, TextMessage):
                parts.append(event.data)
                count += len(event.data)
                if count > MESSAGE_CHARACTERS_MAX:
                    raise self._lost(f"a message has more than {MESSAGE_CHARACTERS_MAX} characters")
                if event.message_finished:
                    return "".join(parts)

    def close(self) -> None:
        """End the connection; a closed one may be closed again."""
        with suppress(NodeUnreachable):
            self._send(CloseConnection(code=CloseReason.NORMAL_CLOSURE))
        self._socket.close()

    def interrupt(self) -> None:
        """From any thread: whoever receives or sends hears that the connection is lost."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _shake_hands(self, host: str) -> None:
        self._send(Request(host=host, target="/"))
        event = self._next_event()
        if isinstance(event, RejectConnection):
            raise self._lost(f"it was refused with status {event.status_code}")
        if not isinstance(event, AcceptConnection):
            raise self._lost("what answers is not a node")
        self._socket.settimeout(SILENCE_TIMEOUT_S)

    def _next_event(self) -> Event:
        while not self._events:
            try:
                data = self._socket.recv(RECEIVE_BYTES)
                self._protocol.receive_data(data or None)
                self._events.extend(self._protocol.events())
            except TimeoutError as error:
                raise self._lost("the node says nothing any more") from error
            except (OSError, ProtocolError) as error:
                raise self._lost(str(error)) from error
            if not data and not self._events:
                raise self._lost("it was closed")
        return self._events.popleft()

    def _send(self, event: Event) -> None:
        try:
            self._socket.sendall(self._protocol.send(event))
        except (OSError, ProtocolError) as error:
            raise self._lost(str(error)) from error

    def _lost(self, reason: str) -> NodeUnreachable:
        message = f"The connection to {self._url} failed: {reason}."
        return NodeUnreachable(message, remedy="Check that a node runs there, and its log.")
