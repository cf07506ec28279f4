"""`admin_*`: what only the operator of a node may do, over a UNIX socket in its data directory.

The socket's file has mode 0600 from the moment it is there: who may write to it is who owns the
node's process, and no address, token or header makes anybody else an operator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

import structlog

from node.chain import Chain
from node.config import DataDirectory
from node.errors import ConfigError
from node.logs import LEVELS, configure_level
from node.p2p.errors import InvalidAddress
from node.rpc.method import rpc
from node.rpc.network import NetworkView
from node.rpc.parameters import BAN_DEFAULT_S, BanSeconds, LogLevel, PeerName
from node.rpc.results import BanView, PeersView
from node.snapshots import write_snapshot
from runtime.errors import StoreError

ADMIN_HOST = "openledger-admin"
"""What clients say in the `Host` header; a browser cannot reach a UNIX socket, and says no such."""
ADMIN_TIMEOUT_S = 3_600.0
"""For one order: a snapshot of a large state takes its time."""
_log = structlog.get_logger("admin")


class Snapshot(TypedDict):
    """A snapshot of the state."""

    height: int
    directory: str


class AdminMethods:
    """They act on this process alone."""

    def __init__(
        self,
        chain: Chain,
        network: NetworkView,
        directory: DataDirectory,
        stop: Callable[[], None],
    ) -> None:
        """`stop` begins a graceful end of the node."""
        self._chain = chain
        self._network = network
        self._directory = directory
        self._stop = stop

    @rpc("admin_snapshot", ConfigError, StoreError)
    async def snapshot(self) -> Snapshot:
        """Write a snapshot of the state at the head beside the state, while the node goes on."""
        height = self._chain.head.height
        target = await write_snapshot(self._chain.store, height, self._directory.snapshots)
        return {"height": height, "directory": str(target)}

    @rpc("admin_setLogLevel")
    def set_log_level(self, level: LogLevel) -> bool:
        """Log from this level on, until the node ends or it is set anew."""
        configure_level(level)
        _log.log(LEVELS[level], "log level set", now=level)
        return True

    @rpc("admin_peers")
    def peers(self) -> PeersView:
        """The nodes that this one is connected to, and those that it keeps out."""
        return {"peers": list(self._network.peers()), "bans": list(self._network.bans())}

    @rpc("admin_ban", InvalidAddress, ConfigError)
    def ban(self, who: PeerName, seconds: BanSeconds = BAN_DEFAULT_S) -> BanView:
        """Keep out an identity or an IP address, and send away who is connected with it."""
        ban = self._network.ban(who, seconds)
        _log.warning("banned by order", who=ban["who"], seconds=seconds)
        return ban

    @rpc("admin_unban", InvalidAddress)
    def unban(self, who: PeerName) -> bool:
        """Let an identity or an IP address in again; whether it was banned."""
        return self._network.lift_ban(who)

    @rpc("admin_stop")
    def stop(self) -> bool:
        """Stop gracefully, as SIGTERM does, when this is answered."""
        _log.warning("stopping", reason="admin_stop")
        self._stop()
        return True
