"""`Subscription`: what happens in finalised blocks, one after the other, without gaps.

A subscription knows the height that it wants next.  Whenever the connection is lost it opens
another one and asks for the blocks from that height on, so that nothing is lost or seen twice,
even if the node was restarted in between.  Nothing is read ahead: a slow reader slows the node's
sending down, and a block is the most that waits here.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from typing import Any, Generic, TypeVar

from node.closing import Closing
from node.errors import ClientError, NodeUnreachable, RpcFailed
from node.transport import PAUSE_FIRST_S, PAUSE_MAX_S, failure_of
from node.websocket import WebSocket

PATIENCE_S = 60.0
"""How long a subscription waits for a node that is gone, unless its user says otherwise."""

T = TypeVar("T")


class Subscription(Closing, Generic[T]):
    """An endless sequence, until `close`: `for head in client.finalised_heads(): ...`.

    Leaving the loop keeps the place; another loop goes on from there.  One thread reads; any may
    `close`, which ends the loop.
    """

    def __init__(
        self,
        url: str,
        method: str,
        next_height: int,
        read: Callable[[Any], Iterable[T]],
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Begin with the block of `next_height`; `read` gives the items of one block."""
        self._url = url
        self._method = method
        self._next_height = next_height
        self._read = read
        self._patience_s = patience_s
        self._ready: deque[T] = deque()
        self._closed = threading.Event()
        self._socket: WebSocket | None = None

    @property
    def next_height(self) -> int:
        """The first height of which nothing was read yet."""
        return self._next_height

    def __iter__(self) -> Iterator[T]:
        """Wait for the items; raises `NodeUnreachable` when the node stays away too long."""
        while not self._closed.is_set():
            while self._ready:
                yield self._ready.popleft()
            socket = self._connect()
            if socket is None:
                return
            with closing(socket), suppress(NodeUnreachable):
                yield from self._items(socket)
            # It was there a moment ago, and is asked again.
            self._closed.wait(PAUSE_FIRST_S)

    def close(self) -> None:
        """End the loop that reads, in whatever thread it is."""
        self._closed.set()
        socket = self._socket
        if socket is not None:
            socket.interrupt()

    def _connect(self) -> WebSocket | None:
        """A socket whose next messages are the blocks from the next height on; None if closed."""
        deadline = time.monotonic() + self._patience_s
        pause_s = PAUSE_FIRST_S
        while True:
            try:
                self._socket = WebSocket(self._url)
                # `close` sets this first: either it interrupts the new socket, or it is seen here.
                if not self._closed.is_set():
                    return self._subscribed(self._socket)
                self._socket.close()
            except NodeUnreachable:
                if not self._closed.is_set() and time.monotonic() + pause_s > deadline:
                    raise
            if self._closed.wait(pause_s):
                return None
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    def _subscribed(self, socket: WebSocket) -> WebSocket:
        try:
            request = {"jsonrpc": "2.0", "id": 1, "method": self._method}
            socket.send(json.dumps(request | {"params": [self._next_height]}))
            failure = failure_of(_parsed(socket.receive()))
        except BaseException:
            socket.close()
            raise
        if failure is not None:
            socket.close()
            raise failure
        return socket

    def _items(self, socket: WebSocket) -> Iterator[T]:
        while True:
            try:
                result = _parsed(socket.receive())["params"]["result"]
                height = result["height"]
            except (KeyError, TypeError) as error:
                raise _nonsense() from error
            if height != self._next_height:
                message = f"The node sent block {height}, not {self._next_height}."
                raise ClientError(message, remedy="Report it; no block may be left out.")
            # One step: whatever happens from here on, the block is neither read again nor lost.
            self._ready.extend(self._read(result))
            self._next_height += 1
            while self._ready:
                yield self._ready.popleft()


def _parsed(message: str) -> Any:
    try:
        return json.loads(message)
    except ValueError as error:
        raise _nonsense() from error


def _nonsense() -> RpcFailed:
    message = "The node's message is not JSON-RPC 2.0."
    remedy = "Check that the URL is that of an OpenLedger node."
    return RpcFailed(message, remedy=remedy, kind="NotJsonRpc", code=0)
