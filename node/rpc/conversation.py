"""JSON-RPC over WebSocket: requests are answered one after the other, each subscription is a task.

Nothing is queued for a slow client: the next notification is made when the last one has left, and
one is in memory for each connection, whatever it has subscribed to.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import structlog
import trio

from node.errors import TooManySubscriptions
from node.http.websocket import Socket, SocketClosed
from node.rpc.dispatch import Dispatcher
from node.rpc.method import Feed
from runtime.errors import OpenLedgerError

SUBSCRIPTIONS_MAX = 16
"""Of one connection."""
REQUEST_TIMEOUT_S = 60.0
_log = structlog.get_logger("rpc")


async def talk(dispatcher: Dispatcher, socket: Socket) -> None:
    """Answer requests and serve subscriptions until the client goes away."""
    async with trio.open_nursery() as nursery:
        conversation = _Conversation(dispatcher, socket, nursery)
        try:
            await conversation.run()
        finally:
            conversation.close()
            nursery.cancel_scope.cancel()


@dataclass(slots=True)
class _Subscription:
    """A feed, and what its task waits for the next result in."""

    feed: Feed
    waiting: trio.CancelScope = field(default_factory=trio.CancelScope)


@dataclass(slots=True)
class _Conversation:
    """One client; a `node.rpc.method.Subscriber`."""

    dispatcher: Dispatcher
    socket: Socket
    nursery: trio.Nursery
    subscriptions: dict[str, _Subscription] = field(default_factory=dict)
    starting: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    count: int = 0
    turn: trio.Lock = field(default_factory=trio.Lock)
    """Held while a notification is made and sent."""

    async def run(self) -> None:
        while (text := await self.socket.receive()) is not None:
            with trio.move_on_after(REQUEST_TIMEOUT_S) as deadline:
                answer = await self.dispatcher.answer(text.encode(), self)
            if deadline.cancelled_caught:
                _log.info("request took too long", timeout_s=REQUEST_TIMEOUT_S)
                return
            if answer:
                await self.socket.send(answer.decode())
            # Only now does the client know the subscription by its id.
            for start in self.starting:
                self.nursery.start_soon(start)
            self.starting.clear()

    def close(self) -> None:
        for identifier in list(self.subscriptions):
            self.end(identifier)

    def begin(self, notification: str, feed: Feed) -> str:
        if len(self.subscriptions) >= SUBSCRIPTIONS_MAX:
            feed.close()
            message = f"This connection has {SUBSCRIPTIONS_MAX} subscriptions already."
            raise TooManySubscriptions(message, remedy="End one, or open another connection.")
        self.count += 1
        identifier = str(self.count)
        self.subscriptions[identifier] = _Subscription(feed)
        self.starting.append(partial(self._follow, notification, identifier))
        return identifier

    def end(self, subscription: str) -> bool:
        ended = self.subscriptions.pop(subscription, None)
        if ended is not None:
            ended.feed.close()
            ended.waiting.cancel()
        return ended is not None

    async def _follow(self, notification: str, identifier: str) -> None:
        # It ends between two results, never in the middle of a message.
        while (subscription := self.subscriptions.get(identifier)) is not None:
            there_is_more = True
            with subscription.waiting:
                there_is_more = await subscription.feed.wait()
            if subscription.waiting.cancelled_caught:
                return
            if not there_is_more:
                self.end(identifier)
                return
            subscription.waiting = trio.CancelScope()
            try:
                await self._take(subscription.feed, notification, identifier)
            except SocketClosed:
                self.nursery.cancel_scope.cancel()
                return
            except OpenLedgerError as error:
                # What comes next is not here any more: the client hears of it, and asks anew.
                _log.info("subscription ended", notification=notification, reason=error.message)
                self.nursery.cancel_scope.cancel()
                return

    async def _take(self, feed: Feed, notification: str, identifier: str) -> None:
        async with self.turn:
            result = await feed.take()
            if result is None:
                return
            parameters = {"subscription": identifier, "result": result}
            message = {"jsonrpc": "2.0", "method": notification, "params": parameters}
            await self.socket.send(json.dumps(message, separators=(",", ":")))
