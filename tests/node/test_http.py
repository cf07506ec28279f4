"""The HTTP server keeps its limits, answers in types, and notices who goes away."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import httpx
import pytest
import trio

from node.errors import HttpError, PortInUse
from node.http import server
from node.http.messages import Handler, Limits, Request, Response, Site
from node.http.server import bound_port, open_listeners, serve
from node.lifetime import raise_file_limit

T = TypeVar("T")


async def echo(request: Request) -> Response:
    """Tell what arrived; some paths misbehave."""
    if request.path == "/boom":
        raise RuntimeError("a bug")
    if request.path == "/gone":
        raise HttpError(410, "It is gone.", remedy="Forget it.")
    if request.path == "/slow":
        await trio.sleep(60)
    seen = {"method": request.method, "path": request.path, "bytes": len(request.body)}
    return Response.from_json({**seen, "query": dict(request.query)})


@contextlib.asynccontextmanager
async def served(handler: Handler = echo, **limits: Any) -> AsyncIterator[int]:
    """A server on a free port while the context is open."""
    listeners = await open_listeners("127.0.0.1", 0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, listeners, Site(handler, Limits(**limits)))
        yield bound_port(listeners)
        nursery.cancel_scope.cancel()


async def exchange(port: int, data: bytes, *, then_wait: bool = True) -> bytes:
    """Send raw bytes and return all that comes back until the server closes."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.send_all(data)
        answer = b""
        with trio.fail_after(10):
            while chunk := await stream.receive_some(65_536):
                answer += chunk
        return answer


def head(path: str = "/", extra: str = "", method: str = "GET", host: str = "127.0.0.1") -> bytes:
    """The head of a request."""
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{extra}\r\n".encode()


def run(scenario: Callable[[int], Awaitable[T]], **limits: Any) -> T:
    """Run `scenario(port)` against a server with these limits."""

    async def main() -> T:
        with trio.fail_after(30):
            async with served(**limits) as port:
                return await scenario(port)

    return trio.run(main)


def raw(data: bytes, **limits: Any) -> tuple[int, dict[str, Any]]:
    """Status and JSON body of the answer to raw bytes."""
    answer = run(lambda port: exchange(port, data), **limits)
    top, _, body = answer.partition(b"\r\n\r\n")
    return int(top.split()[1]), json.loads(body)


def test_a_request_reaches_the_handler_decoded() -> None:
    """Method, decoded path, query and body arrive; the connection is kept for the next request."""

    async def scenario(port: int) -> tuple[Any, Any, int]:
        def client() -> tuple[Any, Any, int]:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
                first = http.post("/a%20b?x=1&y=", content=b"12345").json()
                return first, http.get("/second").json(), http.head("/third").status_code

        return await trio.to_thread.run_sync(client)

    first, second, third = run(scenario)
    assert first == {
        "method": "POST", "path": "/a b", "bytes": 5, "query": {"x": "1", "y": ""},
    }  # fmt: skip
    assert second["path"] == "/second"
    assert third == 200


def test_pipelined_requests_are_answered_in_order() -> None:
    """Two requests in one packet get two answers."""
    data = head("/one") + head("/two", "Connection: close\r\n")
    answer = run(lambda port: exchange(port, data))
    assert answer.index(b"/one") < answer.index(b"/two")
    assert answer.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", ""])
def test_a_foreign_host_is_refused(host: str) -> None:
    """DNS rebinding: a name that is not the server's gets 403 and a remedy."""
    status, body = raw(head(host=host))
    assert status == 403
    assert body["error"]["remedy"]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://[broken"])
def test_a_web_page_is_refused(origin: str) -> None:
    """A browser's request from another site gets 403."""
    assert raw(head(extra=f"Origin: {origin}\r\n"))[0] == 403


def test_local_names_are_accepted() -> None:
    """127.0.0.1, localhost and [::1], with any port, and local origins, pass."""
    for host in ("localhost:1234", "[::1]:99", "127.0.0.1"):
        extra = f"Origin: http://{host}\r\nConnection: close\r\n"
        assert raw(head(host=host, extra=extra))[0] == 200


def test_an_announced_large_body_is_refused_before_it_is_read() -> None:
    """Content-Length over the limit gets 413, even while the client is still sending."""
    data = head(method="PUT", extra="Content-Length: 2000000\r\n") + bytes(2_000_000)
    status, body = raw(data, body_bytes_max=1_000)
    assert status == 413
    assert "1000 bytes" in body["error"]["message"]


def test_a_chunked_body_is_limited_too() -> None:
    """Without Content-Length the limit holds while reading."""
    chunks = b"400\r\n" + bytes(0x400) + b"\r\n"
    data = head(method="PUT", extra="Transfer-Encoding: chunked\r\n") + chunks * 3 + b"0\r\n\r\n"
    assert raw(data, body_bytes_max=2_000)[0] == 413


def test_all_bodies_together_are_limited() -> None:
    """The server holds a bounded number of body bytes over all connections."""
    data = head(method="PUT", extra="Content-Length: 2000\r\n") + bytes(2_000)
    assert raw(data, bodies_bytes_max=1_000)[0] == 503


def test_long_headers_are_refused() -> None:
    """More header bytes than allowed get 431."""
    assert raw(head(extra=f"X-Long: {'a' * 20_000}\r\n"))[0] == 431


def test_nonsense_is_a_bad_request() -> None:
    """Bytes that are not HTTP get 400."""
    assert raw(b"\x16\x03\x01 hello\r\n\r\n")[0] == 400


def test_slow_headers_time_out() -> None:
    """A client that never ends its headers gets 408."""
    assert raw(b"GET / HTTP/1.1\r\nHost: local", head_timeout_s=0.1)[0] == 408


def test_a_slow_body_times_out() -> None:
    """A client that never ends its body gets 408."""
    data = head(method="PUT", extra="Content-Length: 9\r\n") + b"1"
    assert raw(data, body_timeout_s=0.1)[0] == 408


def test_a_quiet_connection_is_closed_without_a_word() -> None:
    """A kept connection that asks for nothing is closed after the idle time."""
    assert run(lambda port: exchange(port, b""), idle_timeout_s=0.1) == b""


def test_a_handler_that_takes_too_long_times_out() -> None:
    """The answer to a request that takes too long is 504."""
    extra = "Connection: close\r\n"
    assert raw(head("/slow", extra), handler_timeout_s=0.1)[0] == 504


def test_a_bug_is_answered_and_the_server_lives() -> None:
    """An unexpected exception gets 500 without its text; the connection goes on."""
    data = head("/boom") + head("/after", "Connection: close\r\n")
    answer = run(lambda port: exchange(port, data))
    assert b"500" in answer
    assert b"a bug" not in answer
    assert b"/after" in answer


def test_a_typed_refusal_keeps_the_connection() -> None:
    """`HttpError` from a handler is its status, message and remedy."""
    status, body = raw(head("/gone", "Connection: close\r\n"))
    assert (status, body["error"]) == (410, {"message": "It is gone.", "remedy": "Forget it."})


def test_a_stream_may_pause_for_longer_than_a_write() -> None:
    """Only what waits for the client is limited; between chunks the server may compute."""

    async def scenario() -> bytes:
        async with served(Ticker(0.2, 3), write_timeout_s=0.1, handler_timeout_s=0.1) as port:
            return await exchange(port, head(extra="Connection: close\r\n"))

    assert trio.run(scenario).endswith(b"0\r\n\r\n")


def test_a_client_that_does_not_read_is_cut_off() -> None:
    """Its answer is larger than what the network holds, and nobody takes it."""

    class Large(Ticker):
        async def chunks(self) -> AsyncGenerator[bytes, None]:
            try:
                yield bytes(64 * 1024 * 1024)
            finally:
                self.closed.set()

    async def scenario() -> None:
        large = Large(0, 1)
        async with served(large, write_timeout_s=0.1) as port:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            async with stream:
                await stream.send_all(head())
                with trio.fail_after(10):
                    await large.closed.wait()

    trio.run(scenario)


def test_connections_of_one_address_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine's address gets 429 for one too many; this machine's is no address."""
    monkeypatch.setattr(server, "_address_of", lambda _stream: "192.0.2.1")

    async def scenario(port: int) -> bytes:
        first = await trio.open_tcp_stream("127.0.0.1", port)
        async with first:
            await first.send_all(head())
            await first.receive_some(1)
            return await exchange(port, head())

    assert b"429" in run(scenario, connections_per_address_max=1)


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        (("127.0.0.1", 5), ""),
        (("::1", 5, 0, 0), ""),
        (("::ffff:127.0.0.1", 5, 0, 0), ""),
        (("::ffff:192.0.2.7", 5, 0, 0), "192.0.2.7"),
        (("192.0.2.7", 5), "192.0.2.7"),
        (("2001:db8::7", 5, 0, 0), "2001:db8::7"),
        ("", ""),
    ],
)
def test_addresses_are_told_apart(peer: Any, address: str) -> None:
    """Local ones and UNIX sockets have none; IPv4 behind IPv6 is IPv4."""
    stream = SimpleNamespace(socket=SimpleNamespace(getpeername=lambda: peer))
    assert server._address_of(cast("trio.SocketStream", stream)) == address


def test_a_thousand_connections_hold() -> None:
    """All open at once, each is answered."""

    async def scenario(port: int) -> int:
        answered = 0
        async with contextlib.AsyncExitStack() as stack:
            streams = [
                await stack.enter_async_context(await trio.open_tcp_stream("127.0.0.1", port))
                for _ in range(1_000)
            ]
            for stream in streams:
                await stream.send_all(head())
            for stream in streams:
                answered += (await stream.receive_some(1_000)).startswith(b"HTTP/1.1 200")
        return answered

    raise_file_limit()
    assert run(scenario) == 1_000


def test_connections_are_limited() -> None:
    """One connection too many gets 503 at once."""

    async def scenario(port: int) -> bytes:
        first = await trio.open_tcp_stream("127.0.0.1", port)
        async with first:
            await first.send_all(head())
            await first.receive_some(1)
            return await exchange(port, head())

    assert b"503" in run(scenario, connections_max=1)


def test_the_body_is_invited_only_when_wanted() -> None:
    """`Expect: 100-continue` gets 100 for an allowed size and 413 for a larger one."""

    async def scenario(port: int, size: int) -> bytes:
        extra = f"Content-Length: {size}\r\nExpect: 100-continue\r\nConnection: close\r\n"
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            await stream.send_all(head(method="PUT", extra=extra))
            return await stream.receive_some(1_000)

    assert b"100 Continue" in run(functools.partial(scenario, size=5), body_bytes_max=10)
    assert b"413" in run(functools.partial(scenario, size=50), body_bytes_max=10)


class Ticker:
    """A handler that streams, and remembers whether its generator was closed."""

    def __init__(self, pause_s: float, count: int) -> None:
        self.pause_s, self.count = pause_s, count
        self.closed = trio.Event()

    async def __call__(self, _request: Request) -> Response:
        return Response(self.chunks(), content_type="text/event-stream")

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            for number in range(self.count):
                yield f"data: {number}\n\n".encode()
                await trio.sleep(self.pause_s)
            if self.pause_s == 0:
                raise RuntimeError("the engine failed")
        finally:
            self.closed.set()


def test_a_stream_arrives_chunk_by_chunk() -> None:
    """A generator's chunks are sent as they come, and the connection is kept."""

    async def scenario() -> bytes:
        async with served(Ticker(0.01, 3)) as port:
            data = head() + head(extra="Connection: close\r\n")
            return await exchange(port, data)

    answer = trio.run(scenario)
    assert answer.count(b"data: 2") == 2


def test_a_client_that_leaves_a_stream_stops_its_generator() -> None:
    """The generator is closed while it computes the next chunk."""

    async def scenario() -> None:
        ticker = Ticker(1_000, 3)
        async with served(ticker) as port:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(head())
            await stream.receive_some(1_000)
            await stream.aclose()
            with trio.fail_after(5):
                await ticker.closed.wait()

    trio.run(scenario)


def test_a_stream_that_fails_is_cut_and_the_server_lives() -> None:
    """A generator's exception ends its connection without the closing chunk, and nothing else."""

    async def scenario() -> tuple[bytes, bytes]:
        async with served(Ticker(0, 1)) as port:
            return await exchange(port, head()), await exchange(port, head())

    for answer in trio.run(scenario):
        assert b"data: 0" in answer
        assert not answer.endswith(b"0\r\n\r\n")


def test_a_taken_port_is_a_typed_error() -> None:
    """A port in use gives one sentence and a remedy."""

    async def scenario() -> None:
        listeners = await open_listeners("127.0.0.1", 0)
        try:
            await open_listeners("127.0.0.1", bound_port(listeners))
        finally:
            for listener in listeners:
                await listener.aclose()

    with pytest.raises(PortInUse, match="already in use"):
        trio.run(scenario)


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("127.0.0.1", 70_000)])
def test_an_address_that_cannot_be_bound_is_a_typed_error(host: str, port: int) -> None:
    """An address of another machine and a port out of range give a remedy."""
    with pytest.raises(PortInUse) as caught:
        trio.run(open_listeners, host, port)
    assert caught.value.remedy
