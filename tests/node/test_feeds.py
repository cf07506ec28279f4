"""JSON-RPC over WebSocket: requests, subscriptions, and the loops that read them."""

from __future__ import annotations

import contextlib
import itertools
import json
import select
import socket as socket_module
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.client import NodeClient
from node.errors import NodeUnreachable, RpcFailed
from node.rpc.conversation import SUBSCRIPTIONS_MAX
from node.subscription import Subscription
from node.websocket import WebSocket
from tests.node.conftest import RunningNode


@pytest.fixture
def socket(dev_node: RunningNode) -> Iterator[WebSocket]:
    """A connection to the shared node."""
    with contextlib.closing(WebSocket(dev_node.url)) as socket:
        yield socket


def ask(socket: WebSocket, method: str, *parameters: Any) -> dict[str, Any]:
    """The answer to one request, past the notifications that come before it."""
    request = {"jsonrpc": "2.0", "id": "q", "method": method, "params": list(parameters)}
    socket.send(json.dumps(request))
    while True:
        message: dict[str, Any] = json.loads(socket.receive())
        if "id" in message:
            return message


def heights(url: str, since: int, **options: Any) -> Subscription[int]:
    """A subscription to the heights of finalised heads."""

    def read(head: Any) -> tuple[int, ...]:
        return (head["height"],)

    return Subscription(url, "chain_subscribeFinalizedHeads", since, read, **options)


def test_every_method_is_there(socket: WebSocket, client: NodeClient) -> None:
    """A socket answers what POST answers, nonsense included."""
    assert ask(socket, "system_properties")["result"] == client.properties
    assert ask(socket, "nothing")["error"]["code"] == -32601
    assert ask(socket, "system_accountNextIndex")["error"]["code"] == -32602
    names = ask(socket, "rpc_methods")["result"]
    assert names["chain_subscribeEvents"] == "(since=None)"
    assert names == client.call("rpc_methods")


def test_a_subscription_sends_every_block_from_its_height_on(socket: WebSocket) -> None:
    """First the blocks there are, then each as it is finalised, after the subscription's id."""
    identifier = ask(socket, "chain_subscribeFinalizedHeads", 0)["result"]
    seen = [json.loads(socket.receive()) for _ in range(4)]
    assert {each["method"] for each in seen} == {"chain_finalizedHead"}
    assert {each["params"]["subscription"] for each in seen} == {identifier}
    heads = [each["params"]["result"] for each in seen]
    assert [head["height"] for head in heads] == [0, 1, 2, 3]
    assert heads[1]["fields"]["parent_hash"] == heads[0]["id"]


def test_a_subscription_ends_when_asked(socket: WebSocket) -> None:
    """It ends once; nothing of it comes afterwards."""
    identifier = ask(socket, "chain_subscribeEvents")["result"]
    assert ask(socket, "chain_unsubscribeEvents", identifier)["result"] is True
    assert ask(socket, "chain_unsubscribeEvents", identifier)["result"] is False
    assert ask(socket, "chain_unsubscribeEvents", [])["error"]["code"] == -32602
    other = ask(socket, "chain_subscribeFinalizedHeads")["result"]
    for _ in range(2):
        assert json.loads(socket.receive())["params"]["subscription"] == other


def test_subscriptions_are_limited(socket: WebSocket) -> None:
    """One connection holds so many; ending one makes room."""
    for _ in range(SUBSCRIPTIONS_MAX):
        identifier = ask(socket, "chain_subscribeEvents")["result"]
    refused = ask(socket, "chain_subscribeEvents")["error"]
    assert refused["data"]["type"] == "TooManySubscriptions"
    for _ in range(100):
        assert ask(socket, "chain_unsubscribeEvents", identifier)["result"]
        identifier = ask(socket, "chain_subscribeEvents")["result"]


def test_a_height_that_cannot_be_is_refused(dev_node: RunningNode) -> None:
    """The reader hears it as an error of the node, not as a lost connection."""
    with pytest.raises(RpcFailed, match="since"):
        next(iter(heights(dev_node.url, 10**9)))


def test_leaving_the_loop_keeps_the_place(dev_node: RunningNode) -> None:
    """A second loop goes on after the last item of the first."""
    subscription = heights(dev_node.url, 0)
    assert list(itertools.islice(subscription, 3)) == [0, 1, 2]
    assert list(itertools.islice(subscription, 2)) == [3, 4]
    assert subscription.next_height == 5


def test_a_loop_ends_when_another_thread_closes_it(dev_node: RunningNode) -> None:
    """`close` ends the loop without an error, also one that waits."""
    seen: list[int] = []
    started = threading.Event()
    with heights(dev_node.url, 0) as subscription:

        def read() -> None:
            for height in subscription:
                seen.append(height)
                started.set()

        thread = threading.Thread(target=read)
        thread.start()
        assert started.wait(30)
    thread.join(30)
    assert not thread.is_alive()
    assert seen == list(range(len(seen)))
    assert list(subscription) == []


def test_a_node_that_stays_away_is_an_error() -> None:
    """After its patience the loop raises; closed before, it ends."""
    with pytest.raises(NodeUnreachable):
        next(iter(heights("http://127.0.0.1:1", 0, patience_s=0)))
    closed = heights("http://127.0.0.1:1", 0)
    closed.close()
    assert list(closed) == []


def test_nothing_is_lost_or_doubled_when_the_node_is_killed(
    start_node: Callable[..., RunningNode],
) -> None:
    """Over three kills and restarts a loop sees every height once, in order."""
    node = start_node()
    seen = []
    kills = 3
    for height in heights(node.url, 0):
        seen.append(height)
        if len(seen) % 5 == 0:
            if not kills:
                break
            kills -= 1
            node.kill()
            node = start_node(port=node.port)
    assert seen == list(range(20))


class CuttingProxy(threading.Thread):
    """Hands connections on to a node, and cuts each after some bytes of the node's answers."""

    def __init__(self, port: int, budgets: list[int]) -> None:
        super().__init__()
        self.target = port
        self.budgets = budgets
        self.listener = socket_module.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def run(self) -> None:
        """One connection after the other; after the last budget, connections last."""
        with self.listener:
            for budget in [*self.budgets, 10**9]:
                client, _ = self.listener.accept()
                server = socket_module.create_connection(("127.0.0.1", self.target))
                # A side that is gone is what this is about.
                with client, server, contextlib.suppress(OSError):
                    self._forward(client, server, budget)

    @staticmethod
    def _forward(client: socket_module.socket, server: socket_module.socket, budget: int) -> None:
        while budget > 0:
            readable, _, _ = select.select([client, server], [], [], 30)
            for source in readable:
                data = source.recv(budget if source is server else 65_536)
                if not data:
                    return
                budget -= len(data) if source is server else 0
                (client if source is server else server).sendall(data)


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(budgets=st.lists(st.integers(0, 20_000), max_size=6))
def test_connections_that_are_cut_anywhere_lose_nothing(
    dev_node: RunningNode, budgets: list[int]
) -> None:
    """In the handshake, in an answer, in a notification: each height comes once, in order."""
    proxy = CuttingProxy(dev_node.port, budgets)
    proxy.start()
    assert list(itertools.islice(heights(proxy.url, 0), 12)) == list(range(12))
    # What the loop did not need of the budgets.
    while proxy.is_alive():
        with contextlib.suppress(OSError):
            socket_module.create_connection(proxy.listener.getsockname(), 1).close()
    proxy.join()
