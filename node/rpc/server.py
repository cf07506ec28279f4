"""The RPC servers of one node: the public one over TCP, the operator's over a UNIX socket."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import trio

from node.admission import Admission
from node.chain import Chain
from node.config import DataDirectory
from node.content import ContentStore
from node.dry_run import DryRunner
from node.errors import HttpError
from node.http.messages import Limits, Request, Response, Site
from node.http.server import serve
from node.mempool import Mempool
from node.metrics import Metrics
from node.rpc.admin import ADMIN_HOST, ADMIN_TIMEOUT_S, AdminMethods
from node.rpc.author import AuthorMethods
from node.rpc.blocks import BlockMethods
from node.rpc.conversation import talk
from node.rpc.dispatch import Dispatcher, http_error
from node.rpc.method import served
from node.rpc.methods import DiscoveryMethods
from node.rpc.network import NetworkView
from node.rpc.payment import PaymentMethods
from node.rpc.site import NodeSite, node_site
from node.rpc.state import StateMethods
from node.rpc.system import SystemMethods

ADMIN_LIMITS = Limits(
    connections_max=16, body_bytes_max=64 * 1024, handler_timeout_s=ADMIN_TIMEOUT_S
)
"""Of the operator's socket."""
STOP_DELAY_S = 0.1
"""Between the order to stop and the end, for its answer to leave."""


@dataclass(frozen=True, slots=True)
class NodeParts:
    """What the servers answer from."""

    chain: Chain
    mempool: Mempool
    admission: Admission
    content: ContentStore
    network: NetworkView
    metrics: Metrics
    directory: DataDirectory
    account: bytes | None
    """What this node votes as; None for one that follows."""


async def serve_public(
    parts: NodeParts, listeners: list[trio.SocketListener], allowed_hosts: frozenset[str]
) -> None:
    """Answer everybody until cancelled."""
    dispatcher, system = public_dispatcher(parts)
    site = NodeSite(dispatcher, system, parts.content, parts.metrics)
    await serve(listeners, node_site(site, allowed_hosts), partial(talk, dispatcher))


async def serve_admin(
    parts: NodeParts, listener: trio.SocketListener, scope: trio.CancelScope
) -> None:
    """Answer the operator until cancelled, and cancel `scope` when that is the order."""

    def stop() -> None:
        scope.deadline = trio.current_time() + STOP_DELAY_S

    methods = AdminMethods(parts.chain, parts.network, parts.directory, stop)
    dispatcher = Dispatcher(served(methods), parts.metrics.count_request)

    async def answer(request: Request) -> Response:
        if (request.method, request.path) != ("POST", "/"):
            raise HttpError(404, "There is nothing here.", remedy="POST JSON-RPC to /.")
        return Response(await dispatcher.answer(request.body))

    site = Site(answer, ADMIN_LIMITS, frozenset({ADMIN_HOST}), http_error)
    try:
        await serve([listener], site)
    finally:
        parts.directory.admin_socket.unlink(missing_ok=True)


def public_dispatcher(parts: NodeParts) -> tuple[Dispatcher, SystemMethods]:
    """What answers everybody's JSON-RPC requests, and the part that HTTP routes need, too."""
    chain, mempool = parts.chain, parts.mempool
    blocks = BlockMethods(chain)
    system = SystemMethods(chain, mempool, parts.content, parts.network, parts.account)
    families = (
        AuthorMethods(chain, mempool, parts.admission),
        blocks,
        StateMethods(chain, blocks),
        PaymentMethods(chain, DryRunner(chain)),
        system,
        DiscoveryMethods(),
    )
    return Dispatcher(served(*families), parts.metrics.count_request), system
