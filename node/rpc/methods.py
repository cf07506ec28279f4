"""All JSON-RPC methods of a node, by family, and those that tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from node.rpc.author import AuthorMethods
from node.rpc.blocks import BlockMethods
from node.rpc.method import Method, methods_of, rpc
from node.rpc.openrpc import openrpc_document
from node.rpc.payment import PaymentMethods
from node.rpc.state import StateMethods
from node.rpc.system import NODE_VERSION, SystemMethods


class DiscoveryMethods:
    """What there is to call."""

    @rpc("rpc_methods")
    def names(self) -> dict[str, str]:
        """Every method with its parameters for people."""
        return {method.name: method.signature for method in public_methods()}

    @rpc("rpc.discover")
    def discover(self) -> dict[str, Any]:
        """This OpenRPC document."""
        return public_document()


FAMILIES = (
    AuthorMethods,
    BlockMethods,
    StateMethods,
    PaymentMethods,
    SystemMethods,
    DiscoveryMethods,
)
"""What a node answers over HTTP and WebSocket."""


@cache
def public_methods() -> Sequence[Method]:
    """The methods of all families, sorted by name."""
    found = [method for family in FAMILIES for method in methods_of(family)]
    return tuple(sorted(found, key=lambda method: method.name))


@cache
def public_document() -> dict[str, Any]:
    """The OpenRPC document of this version of the node."""
    return openrpc_document(public_methods(), NODE_VERSION)
