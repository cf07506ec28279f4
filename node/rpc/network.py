"""What the RPC tells of other nodes: a protocol, and what a node answers that has no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from node.consensus.sync import BlockSync
from node.p2p.network import Network
from node.rpc.results import PeerView


class NetworkView(Protocol):
    """What a node knows of its peers."""

    def local_identity(self) -> str:
        """What other nodes know this one by."""

    def peers(self) -> Sequence[PeerView]:
        """Whom it is connected to; bounded by the limits of the network."""

    def highest_height(self) -> int:
        """The highest finalised height that a peer has told of; 0 without any."""


class Alone:
    """The view of a node without a network: the only validator of its chain."""

    def __init__(self, account: bytes | None) -> None:
        """Its identity is the validator's `account`."""
        self._account = account or b""

    def local_identity(self) -> str:
        """The validator's account."""
        return self._account.hex()

    def peers(self) -> Sequence[PeerView]:
        """Nobody."""
        return ()

    def highest_height(self) -> int:
        """Nothing is ahead of it."""
        return 0


class Connected:
    """The view of a node among others."""

    def __init__(self, network: Network, sync: BlockSync) -> None:
        self._network = network
        self._sync = sync

    def local_identity(self) -> str:
        """The public key that it proves to have."""
        return self._network.identity.hex()

    def peers(self) -> Sequence[PeerView]:
        """The connected peers."""
        return [
            {
                "peer": each.identity.hex(),
                "address": each.address,
                "direction": "inbound" if each.inbound else "outbound",
                "reserved": each.reserved,
                "connected_s": each.connected_s,
                "received_bytes": each.received_bytes,
                "sent_bytes": each.sent_bytes,
                "rtt_s": each.rtt_s,
                "points": each.points,
            }
            for each in self._network.peers()
        ]

    def highest_height(self) -> int:
        """The highest that this node or a peer has."""
        return self._sync.highest
