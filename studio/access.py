"""Who may talk to Studio: this machine's browser, on Studio's own pages.

Studio holds unlocked keys, so no other web page may reach it: a request whose `Host` is not this
machine (a name that a stranger's DNS points here) or whose `Origin` is another page is refused,
for HTTP and websockets alike.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
REFUSAL = "Studio answers to its own pages at 127.0.0.1 only."


class LocalOnly:
    """ASGI middleware that refuses everybody else."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str] = HOSTS) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may enter."""
        if scope["type"] in {"http", "websocket"} and not self._may_enter(scope):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": REFUSAL})
                return
            await PlainTextResponse(REFUSAL, status_code=403)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _may_enter(self, scope: Scope) -> bool:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        if urlsplit(f"//{host}").hostname not in self._hosts:
            return False
        origin = headers.get(b"origin")
        return origin is None or urlsplit(origin).netloc == host
