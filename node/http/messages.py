"""What an HTTP exchange is made of: request, response, limits and the site that answers."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from node.errors import HttpError

MIB = 1024 * 1024
LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
"""The names under which a loopback server is addressed; any other is a DNS rebinding attempt."""
JSON_DEPTH_REMEDY = "Send one JSON document in UTF-8."


@dataclass(frozen=True, slots=True)
class Request:
    """One complete request: its body has been read and its limits have been checked."""

    method: str
    path: str
    """Percent-decoded, without the query."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        """The body as JSON; raises `HttpError` 400."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            message = f"The body is not valid JSON: {error}."
            raise HttpError(400, message, remedy=JSON_DEPTH_REMEDY) from error


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; a generator as `body` is streamed, and closed when the client goes away."""

    body: bytes | AsyncGenerator[bytes, None] = b""
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_json(cls, payload: object, status: int = 200) -> Response:
        """An answer whose body is `payload` as JSON."""
        return cls(json.dumps(payload, separators=(",", ":")).encode(), status)


Handler = Callable[[Request], Awaitable[Response]]
"""Answers one request; may raise `HttpError`."""


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """A bound on everything the clients of WebSocket connections can make the server hold."""

    sockets_max: int = 1_024
    """At once; they count among the connections, too."""
    message_bytes_max: int = MIB
    """What is larger goes by POST."""
    ping_interval_s: float = 20.0
    silence_timeout_s: float = 60.0
    """Without a byte from the client, pongs included."""
    write_timeout_s: float = 30.0
    """For one message to leave."""


@dataclass(frozen=True, slots=True)
class Limits:
    """A bound on everything a client can make the server hold or wait for."""

    head_bytes_max: int = 16 * 1024
    body_bytes_max: int = 8 * MIB
    bodies_bytes_max: int = 512 * MIB
    """All request bodies held at once, over all connections."""
    connections_max: int = 2_048
    """Over all addresses; `raise_file_limit` makes room for them."""
    connections_per_address_max: int = 64
    """Of one IP address that is not this machine's."""
    idle_timeout_s: float = 75.0
    """From the end of one exchange to the first byte of the next."""
    head_timeout_s: float = 10.0
    """From the first byte of a request to the end of its headers."""
    body_timeout_s: float = 120.0
    handler_timeout_s: float = 60.0
    """From the whole request to the start of the answer."""
    write_timeout_s: float = 30.0
    """For one MiB of the answer, or one chunk of a stream, to leave."""
    sockets: SocketLimits = field(default_factory=SocketLimits)


def json_error(error: HttpError) -> Response:
    """The default shape of an HTTP-level error."""
    payload = {"error": {"message": error.message, "remedy": error.remedy}}
    return Response.from_json(payload, error.status)


@dataclass(frozen=True, slots=True)
class Site:
    """A handler with its limits, the host names it answers to, and the shape of its errors."""

    handler: Handler
    limits: Limits = field(default_factory=Limits)
    hosts: frozenset[str] = LOCAL_HOSTS
    """Accepted names in the `Host` header and, from browsers, in `Origin`."""
    explain: Callable[[HttpError], Response] = json_error
    body_bytes_max_of: Callable[[str, str], int | None] = lambda _method, _path: None
    """A larger or smaller body limit for some (method, path); None for the default."""
