"""The node's HTTP routes: JSON-RPC at /, content, /health (alive), /ready, /metrics."""

from __future__ import annotations

from dataclasses import dataclass

import trio

from node.content import CONTENT_BYTES_MAX, HASH_BYTES, ContentStore
from node.errors import ContentError, ContentMissing, ContentTooLarge, HttpError
from node.http.messages import Limits, Request, Response, Site
from node.metrics import CONTENT_TYPE, Metrics
from node.rpc.dispatch import Dispatcher, http_error
from node.rpc.system import SystemMethods

RPC_BODY_BYTES_MAX = 8 * 1024 * 1024
STALLED_AFTER_S = 30.0
"""Without a block for this long, /ready says 503."""
CONTENT_PATH = "/content"


@dataclass(frozen=True, slots=True)
class NodeSite:
    """Routes a request to what answers it."""

    dispatcher: Dispatcher
    system: SystemMethods
    content: ContentStore
    metrics: Metrics

    async def answer(self, request: Request) -> Response:
        """The answer to one request; raises `HttpError`."""
        route = (request.method, request.path)
        if route == ("POST", "/"):
            return Response(await self.dispatcher.answer(request.body))
        if request.path == CONTENT_PATH or request.path.startswith(f"{CONTENT_PATH}/"):
            return await self._content(request)
        if request.method in {"GET", "HEAD"} and request.path == "/health":
            return Response.from_json(self.system.health())
        if request.method in {"GET", "HEAD"} and request.path == "/ready":
            return self._ready()
        if request.method in {"GET", "HEAD"} and request.path == "/metrics":
            return Response(self.metrics.text(), content_type=CONTENT_TYPE)
        message = f"There is nothing at {request.method} {request.path[:80]}."
        remedy = "POST JSON-RPC to /, PUT /content, GET /content/HASH, /health, /ready or /metrics."
        raise HttpError(404, message, remedy=remedy)

    async def _content(self, request: Request) -> Response:
        try:
            if (request.method, request.path) == ("PUT", CONTENT_PATH):
                content_hash = await trio.to_thread.run_sync(self.content.put, request.body)
                return Response.from_json({"hash": content_hash.hex()})
            if request.method in {"GET", "HEAD"}:
                wanted = _hash_in(request.path)
                data = await trio.to_thread.run_sync(self.content.get, wanted)
                return Response(data, content_type="application/octet-stream")
        except ContentError as error:
            raise HttpError(_status_of(error), error.message, remedy=error.remedy) from error
        message = f"{request.method} is not a way to use {request.path[:80]}."
        raise HttpError(405, message, remedy="PUT /content, or GET /content/HASH.")

    def _ready(self) -> Response:
        """Whether to send work here: 200 or 503, and why."""
        health = self.system.health()
        block_age_s = round(self.system.seconds_since_block(), 3)
        checks = {
            "synced": not health["syncing"],
            "producing": block_age_s <= STALLED_AFTER_S,
            "migrated": not health["migrating"],
        }
        ready = all(checks.values())
        answer = {"ready": ready, **checks, "height": health["height"], "block_age_s": block_age_s}
        return Response.from_json(answer, 200 if ready else 503)


def node_site(node: NodeSite, allowed_hosts: frozenset[str]) -> Site:
    """The site with the node's limits and the shape of its errors."""
    return Site(
        handler=node.answer,
        limits=Limits(body_bytes_max=RPC_BODY_BYTES_MAX),
        hosts=allowed_hosts,
        explain=http_error,
        body_bytes_max_of=_body_bytes_max_of,
    )


def _body_bytes_max_of(method: str, path: str) -> int | None:
    return CONTENT_BYTES_MAX if (method, path) == ("PUT", CONTENT_PATH) else None


def _hash_in(path: str) -> bytes:
    try:
        content_hash = bytes.fromhex(path.removeprefix(f"{CONTENT_PATH}/"))
    except ValueError:
        content_hash = b""
    if len(content_hash) != HASH_BYTES:
        message = "The path is not /content/ and 64 hexadecimal digits."
        raise HttpError(400, message, remedy="Give the hash that PUT /content returned.")
    return content_hash


def _status_of(error: ContentError) -> int:
    if isinstance(error, ContentMissing):
        return 404
    return 413 if isinstance(error, ContentTooLarge) else 500
