"""The WebSocket server keeps its limits and says why it closes; our client understands it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.events import Request as Handshake

from node.errors import NodeUnreachable
from node.http.messages import Limits, Request, Response, Site, SocketLimits
from node.http.server import bound_port, open_listeners, serve
from node.http.websocket import Socket
from node.websocket import WebSocket

T = TypeVar("T")
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
VERSION = "Sec-WebSocket-Version: 13\r\n"


async def plain(_request: Request) -> Response:
    """What answers ordinary requests."""
    return Response(b"plain")


async def echo(socket: Socket) -> None:
    """Send every message back, until `end`; `flood` sends without end."""
    while (text := await socket.receive()) not in {None, "end"}:
        await socket.send(text or "")
        while text == "flood":
            await socket.send("x" * 1_000_000)


@contextlib.asynccontextmanager
async def served(**limits: Any) -> AsyncIterator[int]:
    """A server with an echo on a free port while the context is open."""
    listeners = await open_listeners("127.0.0.1", 0)
    site = Site(plain, Limits(sockets=SocketLimits(**limits)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, listeners, site, echo)
        yield bound_port(listeners)
        nursery.cancel_scope.cancel()


def run(scenario: Callable[[int], Awaitable[T]], **limits: Any) -> T:
    """Run `scenario(port)` against a server with these limits."""

    async def main() -> T:
        with trio.fail_after(30):
            async with served(**limits) as port:
                return await scenario(port)

    return trio.run(main)


class RawClient:
    """A client that sees every frame."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.protocol = WSConnection(ConnectionType.CLIENT)

    @classmethod
    async def connect(cls, port: int) -> RawClient:
        """Shake hands."""
        client = cls(await trio.open_tcp_stream("127.0.0.1", port))
        await client.send(Handshake(host="127.0.0.1", target="/"))
        await client.events()
        return client

    async def send(self, event: Event) -> None:
        """One event."""
        await self.stream.send_all(self.protocol.send(event))

    async def events(self) -> list[Event]:
        """What comes next, at least one event."""
        events: list[Event] = []
        while not events:
            data = await self.stream.receive_some(65_536)
            self.protocol.receive_data(data or None)
            events = list(self.protocol.events())
        return events


async def first_line(port: int, extra: str) -> bytes:
    """The status line of the answer to a GET with these headers."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        await stream.send_all(f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n{extra}\r\n".encode())
        return (await stream.receive_some(65_536)).split(b"\r\n")[0]


def closing(event: Event | None, **limits: Any) -> CloseConnection:
    """How the server ends a connection on which a client sends `event`, or nothing."""

    async def scenario(port: int) -> CloseConnection:
        client = await RawClient.connect(port)
        async with client.stream:
            if event is not None:
                await client.send(event)
            while True:
                for each in await client.events():
                    if isinstance(each, CloseConnection):
                        return each

    return run(scenario, **limits)


def test_our_client_and_server_understand_each_other() -> None:
    """Text goes both ways, whole, whatever its size; an end is an end."""

    def talk(port: int) -> list[str]:
        with contextlib.closing(WebSocket(f"http://127.0.0.1:{port}")) as socket:
            heard = []
            for text in ("a", "ä€😀", "x" * 500_000):
                socket.send(text)
                heard.append(socket.receive())
            socket.send("end")
            with pytest.raises(NodeUnreachable, match="failed"):
                socket.receive()
            return heard

    async def scenario(port: int) -> list[str]:
        return await trio.to_thread.run_sync(talk, port)

    assert run(scenario) == ["a", "ä€😀", "x" * 500_000]


def test_only_a_good_handshake_opens_a_socket() -> None:
    """Bad ones are answered in HTTP, as are web pages; an ordinary request goes to the site."""

    async def scenario(port: int) -> list[bytes]:
        headers = (
            UPGRADE + VERSION,
            UPGRADE,
            UPGRADE + "Sec-WebSocket-Version: 7\r\n",
            UPGRADE + VERSION + "Origin: http://evil.example\r\n",
            "Connection: Upgrade\r\nUpgrade: h2c\r\n",
            "",
        )
        return [(await first_line(port, extra)).split(b" ")[1] for extra in headers]

    assert run(scenario) == [b"101", b"400", b"426", b"403", b"200", b"200"]


def test_sockets_are_limited() -> None:
    """One more than allowed is told to come later; a closed one makes room."""

    async def scenario(port: int) -> bytes:
        client = await RawClient.connect(port)
        refused = await first_line(port, UPGRADE + VERSION)
        await client.send(CloseConnection(code=1000))
        await client.events()
        assert await client.stream.receive_some(1) == b""
        await client.stream.aclose()
        await (await RawClient.connect(port)).stream.aclose()
        return refused

    assert b"503" in run(scenario, sockets_max=1)


def test_a_broken_rule_is_named() -> None:
    """A message that is too large or not text ends the connection with a code and a reason."""
    assert closing(BytesMessage(data=b"x")).code == 1003
    assert closing(TextMessage(data="x" * 11), message_bytes_max=10).code == 1009
    assert closing(TextMessage(data="end")).code == 1001


def test_who_is_silent_is_closed() -> None:
    """Pings go out; a client that answers none is told so."""
    closed = closing(None, ping_interval_s=0.01, silence_timeout_s=0.1)
    assert (closed.code, closed.reason) == (1008, "No pong came.")


def test_pings_go_both_ways() -> None:
    """The server pings and answers pings; a client that answers stays."""

    async def scenario(port: int) -> set[str]:
        client = await RawClient.connect(port)
        seen: set[str] = set()
        async with client.stream:
            await client.send(Ping(payload=b"hello"))
            while len(seen) < 2:
                for event in await client.events():
                    if isinstance(event, Ping):
                        seen.add("ping")
                        await client.send(event.response())
                    if isinstance(event, Pong):
                        seen.add(bytes(event.payload).decode())
        return seen

    assert run(scenario, ping_interval_s=0.01) == {"ping", "hello"}


def test_who_does_not_read_is_cut_off() -> None:
    """A full connection is given up after the limit, and frees its place."""

    async def scenario(port: int) -> None:
        client = await RawClient.connect(port)
        await client.send(TextMessage(data="flood"))
        while b"503" in await first_line(port, UPGRADE + VERSION):
            await trio.lowlevel.checkpoint()
        await client.stream.aclose()

    run(scenario, sockets_max=1, write_timeout_s=0.2)


def test_a_stopping_server_says_goodbye() -> None:
    """Clients hear that the server goes away."""

    async def main() -> list[Event]:
        async with served() as port:
            client = await RawClient.connect(port)
        async with client.stream:
            return await client.events()

    (event,) = trio.run(main)
    assert isinstance(event, CloseConnection)
    assert (event.code, event.reason) == (1001, "The server stops.")


def test_no_socket_is_a_typed_error() -> None:
    """Nobody, nonsense, and an HTTP server that opens no sockets."""
    for url in ("http://127.0.0.1:1", "nonsense", "http://127.0.0.1:99999"):
        with pytest.raises(NodeUnreachable):
            WebSocket(url)

    async def scenario() -> None:
        listeners = await open_listeners("127.0.0.1", 0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, listeners, Site(plain))
            with pytest.raises(NodeUnreachable, match="status 200"):
                await trio.to_thread.run_sync(
                    WebSocket, f"http://127.0.0.1:{bound_port(listeners)}"
                )
            nursery.cancel_scope.cancel()

    trio.run(scenario)
