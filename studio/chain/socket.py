"""`NodeSocket`: JSON-RPC over one websocket that is kept open, however many pages ask.

Requests go out as they come and answers are matched by their ids.  When the connection is lost,
whoever waits hears `NodeUnreachable` and the socket connects again, with growing pauses, until it
is closed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from node.errors import NodeUnreachable, RpcFailed
from node.transport import failure_of

MESSAGE_BYTES_MAX = 64 * 1024 * 1024
"""The answer to a batch, at the node's own limit and room."""
ANSWER_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 5.0
PAUSE_FIRST_S = 0.1
PAUSE_MAX_S = 3.0
BATCH_REQUESTS_MAX = 200
"""Of one frame; longer lists are cut into several."""
NOTIFICATIONS_MAX = 1_000
"""How many notifications wait for a reader of a subscription; it is slow, and hears so."""


class NodeSocket:
    """One websocket to the node at `url`; for one event loop."""

    def __init__(self, url: str) -> None:
        """Prepare; `start` connects."""
        self.url = url.rstrip("/")
        self._connection: ClientConnection | None = None
        self._is_open = asyncio.Event()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._feeds: dict[str, asyncio.Queue[Any]] = {}
        self._early: dict[str, list[Any]] = {}
        self._next_id = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the node is connected now."""
        return self._is_open.is_set()

    def start(self) -> None:
        """Connect, and stay connected until `close`."""
        self._task = asyncio.create_task(self._stay_connected(), name="node socket")

    async def close(self) -> None:
        """End the connection."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def call(self, method: str, *parameters: Any) -> Any:
        """The result of a method; raises `RpcFailed`, `NodeUnreachable`."""
        (result,) = await self.try_many(method, [parameters])
        if isinstance(result, RpcFailed):
            raise result
        return result

    async def call_many(self, method: str, parameters: Sequence[Sequence[Any]]) -> list[Any]:
        """The results of one method for several parameter lists; raises the first failure."""
        results = await self.try_many(method, parameters)
        for result in results:
            if isinstance(result, RpcFailed):
                raise result
        return results

    async def try_many(self, method: str, parameters: Sequence[Sequence[Any]]) -> list[Any]:
        """The result, or the `RpcFailed`, for each parameter list; raises `NodeUnreachable`."""
        results: list[Any] = []
        for start in range(0, len(parameters), BATCH_REQUESTS_MAX):
            part = parameters[start : start + BATCH_REQUESTS_MAX]
            answers = await self._exchange(method, part)
            results.extend(failure_of(answer) or answer["result"] for answer in answers)
        return results

    async def subscribe(self, method: str, *parameters: Any) -> AsyncIterator[Any]:
        """What a subscription sends, until the connection is lost (`NodeUnreachable`)."""
        identifier = await self.call(method, *parameters)
        feed: asyncio.Queue[Any] = asyncio.Queue(NOTIFICATIONS_MAX)
        for result in self._early.pop(identifier, []):
            feed.put_nowait(result)
        self._feeds[identifier] = feed
        try:
            while (item := await feed.get()) is not None:
                yield item
            raise self._lost("the subscription ended")
        finally:
            self._feeds.pop(identifier, None)

    async def _exchange(self, method: str, part: Sequence[Sequence[Any]]) -> list[Any]:
        connection = await self._connected()
        loop = asyncio.get_running_loop()
        first = self._next_id + 1
        self._next_id += len(part)
        identifiers = range(first, self._next_id + 1)
        futures = {each: loop.create_future() for each in identifiers}
        self._waiting |= futures
        requests = [
            {"jsonrpc": "2.0", "id": each, "method": method, "params": list(parameters)}
            for each, parameters in zip(identifiers, part, strict=True)
        ]
        try:
            await connection.send(json.dumps(requests[0] if len(requests) == 1 else requests))
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return [await future for future in futures.values()]
        except (WebSocketException, OSError, TimeoutError) as error:
            raise self._lost(type(error).__name__) from error
        finally:
            for each, future in futures.items():
                self._waiting.pop(each, None)
                future.cancel()

    async def _connected(self) -> ClientConnection:
        try:
            await asyncio.wait_for(self._is_open.wait(), CONNECT_TIMEOUT_S)
        except TimeoutError as error:
            raise self._lost("nothing answers") from error
        if self._connection is None:
            raise self._lost("it was closed")
        return self._connection

    async def _stay_connected(self) -> None:
        url = self.url.replace("http", "ws", 1) + "/"
        pause_s = PAUSE_FIRST_S
        while True:
            with suppress(OSError, WebSocketException, TimeoutError):
                async with connect(
                    url,
                    proxy=None,
                    compression=None,
                    max_size=MESSAGE_BYTES_MAX,
                    open_timeout=CONNECT_TIMEOUT_S,
                ) as connection:
                    self._connection = connection
                    self._is_open.set()
                    pause_s = PAUSE_FIRST_S
                    async for message in connection:
                        self._take(json.loads(message))
            self._forget()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    def _take(self, message: Any) -> None:
        if isinstance(message, dict) and "method" in message:
            told = message["params"]
            self._notify(told["subscription"], told["result"])
            return
        for answer in message if isinstance(message, list) else [message]:
            future = self._waiting.pop(answer.get("id"), None)
            if future is not None and not future.done():
                future.set_result(answer)

    def _notify(self, identifier: str, result: Any) -> None:
        feed = self._feeds.get(identifier)
        if feed is None:
            # The first notification may come before whoever subscribed has read its id.
            early = self._early.setdefault(identifier, [])
            if len(early) < NOTIFICATIONS_MAX:
                early.append(result)
        elif not feed.full():
            feed.put_nowait(result)

    def _forget(self) -> None:
        """Tell everybody who waits that the connection is lost."""
        self._is_open.clear()
        self._connection = None
        self._early.clear()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(self._lost("it was closed"))
        self._waiting.clear()
        for feed in self._feeds.values():
            if feed.full():
                feed.get_nowait()
            feed.put_nowait(None)

    def _lost(self, reason: str) -> NodeUnreachable:
        message = f"The connection to the node at {self.url} is lost: {reason}."
        return NodeUnreachable(message, remedy="Check that the node runs; Studio connects again.")
