"""The HTTP/1.1 server that the RPC and the inference API share.

    listeners = await open_listeners("127.0.0.1", 0)
    await serve(listeners, Site(handler))            # until cancelled

h11 is the state machine, trio the I/O.  Invariants:

- A client can hold at most what `Limits` says: connections, header and body bytes, all bodies
  together, and time in each phase.  Whoever exceeds one gets a typed answer (400, 408, 413, 429,
  431, 503), never silence.
- The `Host` header must name the server, and so must `Origin` where a browser sends one: a web page
  cannot drive a node on the same machine (DNS rebinding, cross-site requests).
- A streamed answer notices a client that goes away while it is being computed: its generator is
  closed.
- A WebSocket handshake at / hands the connection over to the site's `talk`, after the same checks.
- No request ends the server: an unexpected exception is logged and answered with status 500.
"""

from __future__ import annotations

import errno
import math
import socket
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from enum import Enum, auto
from functools import lru_cache, partial
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import parse_qsl, unquote, urlsplit

import h11
import structlog
import trio
from wsproto import WSConnection

from node.errors import HttpError, PortInUse
from node.http.messages import Limits, Request, Response, Site
from node.http.websocket import Socket, Talk, accept, converse, wants_socket

PORT_MAX = 65_535
RECEIVE_BYTES = 64 * 1024
WRITE_BYTES = 1024 * 1024
QUERY_FIELDS_MAX = 64
CLOCK_TICK_S = 0.1
"""How often the clocks of all connections are looked at."""
HEADS_MAX = 512
"""Heads of answers that are kept: most answers are as long as some before them."""
HOSTS_MAX = 64
"""`Host` headers whose name is kept."""
LINGER_TIMEOUT_S = 2.0
LINGER_BYTES_MAX = 64 * 1024 * 1024
_STATUSES = frozenset(HTTPStatus)
_log = structlog.get_logger("http")


class _Disconnected(Exception):
    """The client has closed the connection."""


class _Load:
    """What all connections of one server hold together."""

    def __init__(self) -> None:
        self.connections: dict[_Connection, None] = {}
        self.by_address: Counter[str] = Counter()
        self.sockets = 0
        self.body_bytes = 0


async def open_listeners(host: str, port: int) -> list[trio.SocketListener]:
    """Bind `host`:`port` (0 for any free port); raises `PortInUse`."""
    if not 0 <= port <= PORT_MAX:
        raise _bind_error(host, port, OverflowError(f"{port} is not a port"))
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        raise _bind_error(host, port, error) from error


def bound_port(listeners: list[trio.SocketListener]) -> int:
    """The TCP port that the first listener is bound to."""
    port: int = listeners[0].socket.getsockname()[1]
    return port


async def serve(listeners: list[trio.SocketListener], site: Site, talk: Talk | None = None) -> None:
    """Answer requests until cancelled; the listeners are closed at the end.

    With `talk`, clients may also open WebSocket connections at /.
    """
    load = _Load()

    async def handle(stream: trio.SocketStream) -> None:
        address = _address_of(stream)
        connection = _Connection(stream, site, load, talk)
        load.connections[connection] = None
        load.by_address[address] += 1
        try:
            await connection.run(_refusal(load, address, site.limits))
        finally:
            del load.connections[connection]
            load.by_address[address] -= 1
            if not load.by_address[address]:
                del load.by_address[address]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watch_clocks, load)
        await trio.serve_listeners(handle, listeners)


async def _watch_clocks(load: _Load) -> None:
    """Cut off whoever takes longer than it may, within `CLOCK_TICK_S`."""
    while True:
        await trio.sleep(CLOCK_TICK_S)
        now_s = trio.current_time()
        for connection in load.connections:
            connection.check_clock(now_s)


def _address_of(stream: trio.SocketStream) -> str:
    """The client's IP address; empty for this machine and for UNIX sockets.

    What is local is a proxy as often as a client, and is limited by all connections together.
    """
    try:
        address = ip_address(stream.socket.getpeername()[0])
    except (OSError, ValueError, IndexError):  # gone already, or no IP address
        return ""
    mapped = getattr(address, "ipv4_mapped", None) or address
    return "" if mapped.is_loopback else str(mapped)


def _refusal(load: _Load, address: str, limits: Limits) -> HttpError | None:
    """Why a new connection may not stay, if so."""
    if len(load.connections) > limits.connections_max:
        return _too_busy()
    if address and load.by_address[address] > limits.connections_per_address_max:
        message = f"{address} has as many connections to this server as it may."
        return HttpError(429, message, remedy="Use fewer connections, and keep them open.")
    return None


def _bind_error(host: str, port: int, error: Exception) -> PortInUse:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        message = f"Port {port} on {host} is already in use."
        return PortInUse(message, remedy="Stop the other process, or choose another port.")
    if number == errno.EACCES:
        message = f"Port {port} on {host} needs privileges that this process does not have."
        return PortInUse(message, remedy="Choose a port from 1024 to 65535.")
    if isinstance(error, socket.gaierror) or number == errno.EADDRNOTAVAIL:
        message = f"This machine has no address {host!r} to listen on."
        return PortInUse(message, remedy="Listen on 127.0.0.1, or on an address of this machine.")
    message = f"Cannot listen on {host}:{port}: {error}."
    return PortInUse(message, remedy="Choose another address and a port from 0 to 65535.")


class _Phase(Enum):
    """What a connection is doing, which decides what happens when its time is up."""

    IDLE = auto()
    """A quiet connection is closed without a word."""
    HEAD = auto()
    """A request that does not arrive is refused."""
    BODY = auto()
    HANDLER = auto()
    """The answer is that there is none; the connection goes on."""
    WRITE = auto()
    """A client that does not read is cut off."""


class _Connection:
    """One client: exchanges follow each other until either side closes.

    Each phase of an exchange has its time.  One task looks after the clocks of all connections: a
    scope or a deadline for each phase would cost as much as all the rest.
    """

    def __init__(
        self, stream: trio.SocketStream, site: Site, load: _Load, talk: Talk | None
    ) -> None:
        self._stream = stream
        self._talk = talk
        self._upgrade: tuple[WSConnection, bytes] | None = None
        self._site = site
        self._limits = site.limits
        self._load = load
        self._held_bytes = 0
        self._is_head = False
        self._phase = _Phase.IDLE
        self._clock = trio.CancelScope()
        self._until_s = math.inf
        """When the phase has to be over."""
        self._protocol = h11.Connection(
            h11.SERVER, max_incomplete_event_size=site.limits.head_bytes_max
        )

    async def run(self, refusal: HttpError | None) -> None:
        """Serve exchanges until the connection ends; never raises for what a client does.

        With a `refusal`, that is all it gets.
        """
        async with self._stream:
            try:
                if refusal is not None:
                    with self._clock:
                        await self._refuse(refusal)
                    return
                while await self._serve_in_time():
                    self._protocol.start_next_cycle()
                if self._upgrade is not None and self._talk is not None:
                    await self._converse(*self._upgrade, self._talk)
            except (_Disconnected, trio.BrokenResourceError, trio.ClosedResourceError):
                _log.debug("client went away")
            except Exception:  # noqa: BLE001 -- the boundary: one connection never ends the server
                _log.exception("connection failed")

    async def _serve_in_time(self) -> bool:
        """Exchanges until one is the last or late; returns whether another one may follow."""
        with trio.CancelScope() as self._clock:
            self._begin(_Phase.IDLE, self._limits.idle_timeout_s)
            while await self._exchange():
                self._protocol.start_next_cycle()
                self._begin(_Phase.IDLE, self._limits.idle_timeout_s)
            return False
        with trio.CancelScope() as self._clock:
            return await self._end_late()
        raise _Disconnected

    def check_clock(self, now_s: float) -> None:
        """Cancel what takes longer than it may."""
        if now_s > self._until_s:
            self._until_s = math.inf
            self._clock.cancel()

    def _begin(self, phase: _Phase, timeout_s: float) -> None:
        self._phase = phase
        self._until_s = trio.current_time() + timeout_s

    async def _end_late(self) -> bool:
        """Say that the time is up, if anybody waits for that; raises `_Disconnected`."""
        limits = self._limits
        match self._phase:
            case _Phase.IDLE:
                return False
            case _Phase.HEAD:
                message = f"The headers did not arrive within {limits.head_timeout_s:g} s."
                remedy = "Send the request at once."
                await self._refuse(HttpError(408, message, remedy=remedy))
                return False
            case _Phase.BODY:
                message = f"The body did not arrive within {limits.body_timeout_s:g} s."
                remedy = "Send the body faster, or a smaller one."
                await self._refuse(HttpError(408, message, remedy=remedy))
                return False
            case _Phase.HANDLER:
                message = f"No answer within {limits.handler_timeout_s:g} s."
                error = HttpError(504, message, remedy="Ask for less at once.")
                await self._send(self._site.explain(error))
                return self._may_go_on
            case _Phase.WRITE:
                _log.info("client does not read its answer", timeout_s=limits.write_timeout_s)
                raise _Disconnected

    @property
    def _may_go_on(self) -> bool:
        return self._protocol.our_state is h11.DONE and self._protocol.their_state is h11.DONE

    async def _exchange(self) -> bool:
        """One request and its answer; returns whether another one may follow."""
        try:
            request = await self._receive_request()
            if request is None:
                return False
            if self._talk is not None and wants_socket(request):
                self._upgrade = self._accept(request)
                return False
            self._is_head = request.method == "HEAD"
            self._begin(_Phase.HANDLER, self._limits.handler_timeout_s)
            response = await self._answer(request)
        except HttpError as error:
            await self._refuse(error)
            return False
        except h11.RemoteProtocolError as error:
            await self._refuse(_malformed(error))
            return False
        finally:
            self._load.body_bytes -= self._held_bytes
            self._held_bytes = 0
        await self._send(response)
        return self._may_go_on

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._site.handler(request)
        except HttpError as error:
            return self._site.explain(error)
        except Exception:  # noqa: BLE001 -- the boundary: one request never ends the server
            _log.exception("request failed", method=request.method, path=request.path)
            remedy = "This is a fault of the server; its log has the details."
            failed = HttpError(500, "The server failed on this request.", remedy=remedy)
            return self._site.explain(failed)

    # WebSocket

    def _accept(self, request: Request) -> tuple[WSConnection, bytes]:
        """A socket's protocol, and the answer to its handshake; raises `HttpError`."""
        if self._load.sockets >= self._limits.sockets.sockets_max:
            raise _too_busy()
        return accept(request)

    async def _converse(self, protocol: WSConnection, greeting: bytes, talk: Talk) -> None:
        self._load.sockets += 1
        try:
            await self._write(greeting)
            socket = Socket(self._stream, protocol, self._limits.sockets)
            # What the client sent right behind its handshake.
            socket.feed(self._protocol.trailing_data[0])
            await converse(socket, talk)
        finally:
            self._load.sockets -= 1

    # Receiving

    async def _receive_request(self) -> Request | None:
        """The next request, or None when the client is done; raises `HttpError`."""
        head = await self._receive_head()
        if head is None:
            return None
        headers = _headers_of(head, self._limits.head_bytes_max)
        self._check_access(headers)
        method = head.method.decode("ascii")
        target = urlsplit(head.target.decode("ascii", "replace"))
        path = unquote(target.path)
        bytes_max = self._site.body_bytes_max_of(method, path)
        if bytes_max is None:
            bytes_max = self._limits.body_bytes_max
        body = await self._receive_body(headers, bytes_max)
        return Request(method, path, _query_of(target.query), headers, body)

    async def _receive_head(self) -> h11.Request | None:
        # A quiet connection may idle; once the first byte is there, the head has its own time.
        if not self._protocol.trailing_data[0]:
            await self._receive_some()
        while (event := self._protocol.next_event()) is h11.NEED_DATA:
            if self._phase is _Phase.IDLE:
                self._begin(_Phase.HEAD, self._limits.head_timeout_s)
            await self._receive_some()
        return event if isinstance(event, h11.Request) else None

    async def _receive_body(self, headers: dict[str, str], bytes_max: int) -> bytes:
        announced = headers.get("content-length", "0")
        if int(announced) > bytes_max:
            raise _too_large(bytes_max)
        body = bytearray()
        while not isinstance(event := self._protocol.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                await self._receive_more_body()
            elif isinstance(event, h11.Data):
                body += event.data
                self._hold(len(event.data))
                if len(body) > bytes_max:
                    raise _too_large(bytes_max)
            else:
                raise _Disconnected
        return bytes(body)

    async def _receive_more_body(self) -> None:
        if self._phase is not _Phase.BODY:
            self._begin(_Phase.BODY, self._limits.body_timeout_s)
        if self._protocol.they_are_waiting_for_100_continue:
            go_ahead = h11.InformationalResponse(
                status_code=HTTPStatus.CONTINUE, headers=[], reason=_reason(HTTPStatus.CONTINUE)
            )
            await self._stream.send_all(self._protocol.send(go_ahead) or b"")
        await self._receive_some()

    def _hold(self, size_bytes: int) -> None:
        """Count bytes of a body until its request is answered; raises `HttpError`."""
        self._load.body_bytes += size_bytes
        self._held_bytes += size_bytes
        if self._load.body_bytes > self._limits.bodies_bytes_max:
            raise _too_busy()

    async def _receive_some(self) -> None:
        self._protocol.receive_data(await self._stream.receive_some(RECEIVE_BYTES))

    def _check_access(self, headers: dict[str, str]) -> None:
        if _host_name(headers.get("host", "")) not in self._site.hosts:
            message = f"This server does not answer to the host {headers.get('host', '')!r}."
            remedy = "Use the URL it printed, or start it with this name as an allowed host."
            raise HttpError(403, message, remedy=remedy)
        origin = headers.get("origin")
        if origin is not None and _origin_name(origin) not in self._site.hosts:
            message = f"Requests from web pages of {origin!r} are refused."
            raise HttpError(403, message, remedy="Call the server from a program, not a web page.")

    # Sending

    async def _refuse(self, error: HttpError) -> None:
        """Answer with an error and close, without cutting off a client that is still sending."""
        if self._protocol.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        response = self._site.explain(error)
        closing = Response(
            response.body,
            response.status,
            response.content_type,
            (*response.headers, ("Connection", "close")),
        )
        self._is_head = False
        await self._send(closing)
        await self._linger()

    async def _linger(self) -> None:
        # Closing with unread data resets the connection, and the answer could be lost with it.
        with trio.move_on_after(LINGER_TIMEOUT_S):
            await self._stream.send_eof()
            discarded_bytes = 0
            while discarded_bytes < LINGER_BYTES_MAX:
                chunk = await self._stream.receive_some(RECEIVE_BYTES)
                if not chunk:
                    return
                discarded_bytes += len(chunk)

    async def _send(self, response: Response) -> None:
        head = partial(_head_of, response.status, response.content_type, response.headers)
        if isinstance(response.body, bytes):
            data = self._protocol.send(head(len(response.body))) or b""
            if not self._is_head:
                data += self._protocol.send(h11.Data(data=response.body)) or b""
            data += self._protocol.send(h11.EndOfMessage()) or b""
            await self._write(data)
            return
        async with aclosing(response.body) as chunks:
            await self._write(self._protocol.send(head(None)))
            if not self._is_head:
                await self._send_chunks(chunks)
            await self._write(self._protocol.send(h11.EndOfMessage()))

    async def _send_chunks(self, chunks: AsyncGenerator[bytes, None]) -> None:
        """Stream; a client that goes away cancels whatever computes the next chunk."""
        finished = False
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                await self._await_disconnect()
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            finished = await self._forward(chunks)
            nursery.cancel_scope.cancel()
        if not finished:
            raise _Disconnected

    async def _forward(self, chunks: AsyncGenerator[bytes, None]) -> bool:
        """Send every chunk; False when that failed, and the connection has to be cut."""
        try:
            # A chunk takes as long as it takes to compute: only writing it has a limit.
            self._until_s = math.inf
            async for chunk in chunks:
                await self._write(self._protocol.send(h11.Data(data=chunk)))
                self._until_s = math.inf
        except (_Disconnected, trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        except Exception:  # noqa: BLE001 -- the head is sent: cutting the stream is all that is left
            _log.exception("stream failed")
            return False
        return True

    async def _await_disconnect(self) -> None:
        pipelined_bytes = 0
        try:
            while pipelined_bytes <= self._limits.head_bytes_max:
                chunk = await self._stream.receive_some(RECEIVE_BYTES)
                if not chunk:
                    return
                pipelined_bytes += len(chunk)
                self._protocol.receive_data(chunk)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            _log.debug("client reset a stream")

    async def _write(self, data: bytes | None) -> None:
        if not data:
            return
        for start in range(0, len(data), WRITE_BYTES):
            self._begin(_Phase.WRITE, self._limits.write_timeout_s)
            await self._stream.send_all(data[start : start + WRITE_BYTES])


def _headers_of(head: h11.Request, bytes_max: int) -> dict[str, str]:
    # h11 bounds only what is incomplete; a long head that came in one piece is noticed here.
    size_bytes = len(head.target)
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        size_bytes += len(raw_name) + len(raw_value)
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if size_bytes > bytes_max:
        message = f"The headers are longer than {bytes_max} bytes."
        raise HttpError(431, message, remedy="Send fewer or shorter headers.")
    return headers


def _query_of(query: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(query, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX))
    except ValueError as error:
        message = f"The query has more than {QUERY_FIELDS_MAX} fields."
        raise HttpError(400, message, remedy="Send fewer query fields.") from error


@lru_cache(HEADS_MAX)
def _head_of(
    status: int, content_type: str, extra: tuple[tuple[str, str], ...], length: int | None
) -> h11.Response:
    """The head of an answer, which h11 need not check again when it is like one before."""
    headers = [
        ("Content-Type", content_type),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        *extra,
    ]
    if length is not None:
        headers.append(("Content-Length", str(length)))
    return h11.Response(status_code=status, headers=headers, reason=_reason(status))


def _reason(status: int) -> bytes:
    return HTTPStatus(status).phrase.encode() if status in _STATUSES else b""


@lru_cache(HOSTS_MAX)
def _host_name(host: str) -> str:
    """The name in a `Host` header, without port and IPv6 brackets."""
    return _origin_name(f"http://{host}")


def _origin_name(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""


def _too_large(bytes_max: int) -> HttpError:
    message = f"The body is larger than {bytes_max} bytes."
    return HttpError(413, message, remedy="Send less, or split it over several requests.")


def _too_busy() -> HttpError:
    message = "The server holds as many connections or request bodies as it can."
    return HttpError(503, message, remedy="Try again in a few seconds.")


def _malformed(error: h11.RemoteProtocolError) -> HttpError:
    message = f"This is not a valid HTTP/1.1 request: {error}."
    return HttpError(error.error_status_hint, message, remedy="Send an HTTP/1.1 request.")
