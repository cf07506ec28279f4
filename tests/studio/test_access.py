"""Only this machine's browser, on Studio's own pages, may talk to Studio."""

from __future__ import annotations

import asyncio

import pytest

from studio.access import LocalOnly


async def _answer(scope):
    sent = []

    async def app(_scope, _receive, send):
        await send({"type": "reached"})

    async def send(message):
        sent.append(message)

    async def receive():
        return {}

    await LocalOnly(app)(scope, receive, send)
    return sent[0]


def _asked(kind, **headers):
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return asyncio.run(_answer({"type": kind, "headers": pairs}))


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"])
def test_this_machine_may_enter(kind, host):
    """Studio's own pages reach it under any name of this machine."""
    assert _asked(kind, host=host, origin=f"http://{host}")["type"] == "reached"
    assert _asked(kind, host=host)["type"] == "reached"


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.example:8080", "http://evil.example:8080"),
        ("127.0.0.1:8080", "http://evil.example"),
        ("127.0.0.1:8080", "http://127.0.0.1:9999"),
        ("127.0.0.1:8080", "null"),
        ("", "http://127.0.0.1:8080"),
    ],
)
def test_other_pages_may_not(host, origin):
    """Neither a name that points here nor a page of another origin is let in."""
    assert _asked("http", host=host, origin=origin)["status"] == 403
    assert _asked("websocket", host=host, origin=origin)["type"] == "websocket.close"
