"""JSON-RPC 2.0 over WebSocket: every method of the node, and subscriptions to finalised blocks.

    chain_subscribeFinalizedHeads(since=null)  -> id, then chain_finalizedHead notifications
    chain_subscribeEvents(since=null)          -> id, then chain_events notifications
    chain_unsubscribeFinalizedHeads(id), chain_unsubscribeEvents(id)  -> whether there was one

A subscription is a height and nothing more: the node sends the blocks from there on, each once and
in order, as fast as the client reads them.  So nothing is queued for a slow client, nothing is
skipped, and a client that comes back names the height after the last one it has seen.  `since` is
that height; null means the present head.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import signature
from typing import Any

import structlog
import trio

from node.chain import Chain
from node.errors import TooManySubscriptions
from node.http.websocket import Socket, SocketClosed
from node.rpc.dispatch import Dispatcher, Method, signature_text
from node.rpc.methods import NodeMethods
from node.rpc.parameters import whole_number
from runtime.types import Between

SUBSCRIPTIONS_MAX = 16
"""Of one connection."""
REQUEST_TIMEOUT_S = 60.0
_log = structlog.get_logger("feeds")

View = Callable[[int], Awaitable[dict[str, Any]]]
"""What is sent of the block of a height."""


@dataclass(frozen=True, slots=True)
class Feeds:
    """What every conversation needs of the node."""

    chain: Chain
    methods: NodeMethods
    dispatcher: Dispatcher

    async def talk(self, socket: Socket) -> None:
        """Answer requests and serve subscriptions until the client goes away."""
        async with trio.open_nursery() as nursery:
            await _Conversation(self, socket, nursery).run()
            nursery.cancel_scope.cancel()


@dataclass(slots=True)
class _Conversation:
    """One client: requests are answered one after the other, each subscription is a task."""

    feeds: Feeds
    socket: Socket
    nursery: trio.Nursery
    subscriptions: dict[str, trio.CancelScope] = field(default_factory=dict)
    """By their id, with what each waits for the next block in."""
    starting: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    count: int = 0
    turn: trio.Lock = field(default_factory=trio.Lock)
    """Held while a notification is made and sent: one is in memory for each connection."""

    async def run(self) -> None:
        dispatcher = replace(
            self.feeds.dispatcher, methods={**self.feeds.dispatcher.methods, **self._own_methods()}
        )
        while (text := await self.socket.receive()) is not None:
            with trio.move_on_after(REQUEST_TIMEOUT_S) as deadline:
                answer = await dispatcher.answer(text.encode())
            if deadline.cancelled_caught:
                _log.info("request took too long", timeout_s=REQUEST_TIMEOUT_S)
                return
            if answer:
                await self.socket.send(answer.decode())
            # Only now does the client know the subscription by its id.
            for start in self.starting:
                self.nursery.start_soon(start)
            self.starting.clear()

    def _own_methods(self) -> Mapping[str, Method]:
        methods: dict[str, Method] = {
            "chain_subscribeFinalizedHeads": self.subscribe_finalized_heads,
            "chain_unsubscribeFinalizedHeads": self.unsubscribe,
            "chain_subscribeEvents": self.subscribe_events,
            "chain_unsubscribeEvents": self.unsubscribe,
        }
        return methods | {"rpc_methods": lambda: self._names(methods)}

    def _names(self, own: Mapping[str, Method]) -> dict[str, str]:
        names: dict[str, str] = self.feeds.dispatcher.methods["rpc_methods"]()
        return names | {name: signature_text(signature(method)) for name, method in own.items()}

    def subscribe_finalized_heads(self, since: Any = None) -> str:
        """Every finalised header from a height on, with what proves it final."""
        return self._subscribe("chain_finalizedHead", since, self._head)

    def subscribe_events(self, since: Any = None) -> str:
        """The events of every finalised block from a height on, encoded."""
        return self._subscribe("chain_events", since, self._events)

    def unsubscribe(self, subscription: Any) -> bool:
        """End a subscription; returns whether there was one."""
        waiting = self.subscriptions.pop(str(subscription), None)
        if waiting is not None:
            waiting.cancel()
        return waiting is not None

    def _subscribe(self, name: str, since: Any, view: View) -> str:
        if len(self.subscriptions) >= SUBSCRIPTIONS_MAX:
            message = f"This connection has {SUBSCRIPTIONS_MAX} subscriptions already."
            raise TooManySubscriptions(message, remedy="End one, or open another connection.")
        height = self.feeds.chain.head.height
        if since is not None:
            height = whole_number(since, "since", Between(0, height + 1))
        self.count += 1
        identifier = str(self.count)
        self.subscriptions[identifier] = trio.CancelScope()
        self.starting.append(partial(self._follow, name, identifier, height, view))
        return identifier

    async def _follow(self, name: str, identifier: str, next_height: int, view: View) -> None:
        chain = self.feeds.chain
        # It ends between two blocks, never in the middle of a message.
        while identifier in self.subscriptions:
            if next_height > chain.head.height:
                with trio.CancelScope() as self.subscriptions[identifier]:
                    await chain.advanced.wait()
                continue
            try:
                async with self.turn:
                    await self._notify(name, identifier, await view(next_height))
            except SocketClosed:
                self.nursery.cancel_scope.cancel()
                return
            next_height += 1

    async def _notify(self, name: str, identifier: str, result: dict[str, Any]) -> None:
        parameters = {"subscription": identifier, "result": result}
        notification = {"jsonrpc": "2.0", "method": name, "params": parameters}
        await self.socket.send(json.dumps(notification, separators=(",", ":")))

    async def _head(self, height: int) -> dict[str, Any]:
        if height == self.feeds.chain.head.height:
            return self.feeds.methods.get_finalized_head()
        return await trio.to_thread.run_sync(self.feeds.methods.get_header, height)

    async def _events(self, height: int) -> dict[str, Any]:
        return await self.feeds.methods.get_events(height, decoded=False)
