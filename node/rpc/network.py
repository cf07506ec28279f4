"""What the RPC tells of other nodes: a protocol, and what a node answers that has no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from node.consensus.sync import BlockSync
from node.errors import ConfigError
from node.p2p.network import Network
from node.p2p.reputation import Ban
from node.rpc.results import BanView, PeerView


class NetworkView(Protocol):
    """What a node knows of its peers."""

    def local_identity(self) -> str:
        """What other nodes know this one by."""

    def peers(self) -> Sequence[PeerView]:
        """Whom it is connected to; bounded by the limits of the network."""

    def highest_height(self) -> int:
        """The highest finalised height that a peer has told of; 0 without any."""

    def bans(self) -> Sequence[BanView]:
        """Whom it keeps out; bounded by the limits of the network."""

    def ban(self, who: str, length_s: float) -> BanView:
        """Keep out an identity or IP address; raises `InvalidAddress`, `ConfigError`."""

    def lift_ban(self, who: str) -> bool:
        """Let somebody in again; whether it was banned.  Raises `InvalidAddress`."""


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

    def bans(self) -> Sequence[BanView]:
        """Nobody."""
        return ()

    def ban(self, who: str, length_s: float) -> BanView:
        """There is nobody to keep out."""
        del who, length_s
        message = "This node has no network."
        raise ConfigError(message, remedy="Give the order to a node of `openledger node`.")

    def lift_ban(self, who: str) -> bool:
        """Nobody is banned."""
        del who
        return False


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

    def bans(self) -> Sequence[BanView]:
        """Whom it keeps out now."""
        return [_view(ban) for ban in self._network.bans()]

    def ban(self, who: str, length_s: float) -> BanView:
        """Keep out an identity or IP address; raises `InvalidAddress`, `ConfigError`."""
        return _view(self._network.ban(who, length_s))

    def lift_ban(self, who: str) -> bool:
        """Let somebody in again; whether it was banned.  Raises `InvalidAddress`."""
        return self._network.lift_ban(who)


def _view(ban: Ban) -> BanView:
    return {"who": ban.who, "until_s": ban.until_s}
