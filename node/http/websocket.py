"""The server's side of WebSocket connections (RFC 6455): handshake, messages, pings, limits.

wsproto is the state machine, trio the I/O.  Messages are text.  What a client can make the server
hold is one message of `message_bytes_max` and one answer that it has not read yet: whoever does not
read for `write_timeout_s`, or says nothing (not even a pong) for `silence_timeout_s`, is cut off.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

import h11
import structlog
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import ProtocolError, RemoteProtocolError

from node.errors import HttpError
from node.http.messages import Request, SocketLimits

SOCKET_PATH = "/"
RECEIVE_BYTES = 64 * 1024
CLOSE_TIMEOUT_S = 1.0
"""How long a closing frame may take to leave."""
_log = structlog.get_logger("websocket")


class SocketClosed(Exception):
    """The connection has ended, or does not take what is sent."""


class Socket:
    """One WebSocket connection after its handshake; several tasks may send, one receives."""

    def __init__(
        self, stream: trio.SocketStream, protocol: WSConnection, limits: SocketLimits
    ) -> None:
        self._stream = stream
        self._protocol = protocol
        self._limits = limits
        self._sending = trio.Lock()
        self._events: deque[Event] = deque()
        self._is_cut = False

    async def receive(self) -> str | None:
        """The next message, whole; None when the client closes, breaks the rules or is gone."""
        parts: list[str] = []
        size_bytes = 0
        while (event := await self._next_event()) is not None:
            if isinstance(event, BytesMessage):
                await self.close(CloseReason.UNSUPPORTED_DATA, "Send text.")
                return None
            if not isinstance(event, TextMessage):
                continue
            parts.append(event.data)
            size_bytes += len(event.data.encode())
            if size_bytes > self._limits.message_bytes_max:
                most = self._limits.message_bytes_max
                await self.close(CloseReason.MESSAGE_TOO_BIG, f"A message has {most} bytes at most")
                return None
            if event.message_finished:
                return "".join(parts)
        return None

    async def send(self, text: str) -> None:
        """Send one message; raises `SocketClosed`."""
        await self._send(TextMessage(data=text))

    async def ping_regularly(self) -> None:
        """Send pings until cancelled, so that a quiet client is heard of; raises `SocketClosed`."""
        while True:
            await trio.sleep(self._limits.ping_interval_s)
            await self._send(Ping())

    async def close(self, code: int, reason: str) -> None:
        """Tell the client why nothing more comes, as far as it still listens."""
        with trio.move_on_after(CLOSE_TIMEOUT_S, shield=True), suppress(SocketClosed):
            await self._send(CloseConnection(code=code, reason=reason))

    async def _next_event(self) -> Event | None:
        """The next message, or part of one; pings and the closing are answered here."""
        while True:
            while self._events:
                event = self._events.popleft()
                if isinstance(event, CloseConnection):
                    await self.close(event.code, event.reason or "")
                    return None
                if isinstance(event, Ping):
                    await self._send(event.response())
                else:
                    return event
            if not await self._receive_some():
                return None

    async def _receive_some(self) -> bool:
        data = b""
        with trio.move_on_after(self._limits.silence_timeout_s) as silence:
            data = await self._stream.receive_some(RECEIVE_BYTES)
        if silence.cancelled_caught:
            await self.close(CloseReason.POLICY_VIOLATION, "No pong came.")
        if not data:
            return False
        self.feed(data)
        return True

    def feed(self, data: bytes) -> None:
        """Take bytes off the wire."""
        try:
            self._protocol.receive_data(data)
        except RemoteProtocolError as error:
            raise SocketClosed(str(error)) from error
        self._events.extend(self._protocol.events())

    async def _send(self, event: Event) -> None:
        async with self._sending:
            if self._is_cut:
                raise SocketClosed("Part of a message was sent; nothing can follow it.")
            try:
                data = self._protocol.send(event)
                self._is_cut = True
                with trio.fail_after(self._limits.write_timeout_s):
                    await self._stream.send_all(data)
                self._is_cut = False
            except trio.TooSlowError:
                _log.info("client does not read", timeout_s=self._limits.write_timeout_s)
                await trio.aclose_forcefully(self._stream)
                raise SocketClosed("The client does not read.") from None
            except (ProtocolError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise SocketClosed(str(error)) from error


Talk = Callable[[Socket], Awaitable[None]]
"""Holds the conversation of one socket, until it returns or raises `SocketClosed`."""


def wants_socket(request: Request) -> bool:
    """Whether a request asks for a WebSocket connection."""
    # Other clients offer other protocols to upgrade to, and go on with HTTP/1.1.
    wanted = request.headers.get("upgrade", "").lower() == "websocket"
    return wanted and (request.method, request.path) == ("GET", SOCKET_PATH)


def accept(request: Request) -> tuple[WSConnection, bytes]:
    """The protocol of a new socket and the answer to its handshake; raises `HttpError`."""
    protocol = WSConnection(ConnectionType.SERVER)
    headers = [(name.encode(), value.encode("latin-1")) for name, value in request.headers.items()]
    try:
        protocol.initiate_upgrade_connection(headers, SOCKET_PATH)
        return protocol, protocol.send(AcceptConnection())
    except (ProtocolError, h11.ProtocolError) as error:
        hint = getattr(error, "event_hint", None)
        status = hint.status_code if isinstance(hint, RejectConnection) else 400
        message = f"This is no WebSocket handshake: {error}."
        raise HttpError(status, message, remedy="Send one of RFC 6455, version 13.") from error


async def converse(socket: Socket, talk: Talk) -> None:
    """Hold a conversation with pings beside it; the client is told when it ends."""
    reason = "The server stops."
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(socket.ping_regularly)
            await talk(socket)
            reason = ""
            nursery.cancel_scope.cancel()
    except* SocketClosed:
        _log.debug("socket closed")
    finally:
        await socket.close(CloseReason.GOING_AWAY, reason)
