"""`system_*` and `content_*`: the node, the chain it runs, whom it knows, and what it stores."""

from __future__ import annotations

import time

from node.chain import Chain
from node.content import ContentStore
from node.errors import StorageMigrating
from node.json_values import to_json
from node.mempool import Mempool
from node.rpc.method import rpc
from node.rpc.network import NetworkView
from node.rpc.parameters import Account, Hashes
from node.rpc.results import Health, PeerView, Properties, SyncState

NODE_NAME = "openledger"
NODE_VERSION = "0.1.0"
TOKEN, DECIMALS = "OPEN", 18


class SystemMethods:
    """What this node says of itself."""

    def __init__(
        self,
        chain: Chain,
        mempool: Mempool,
        content: ContentStore,
        network: NetworkView,
        account: bytes | None,
    ) -> None:
        """`account` is what this node votes as, None for one that follows."""
        self._chain = chain
        self._mempool = mempool
        self._content = content
        self._network = network
        self._account = account
        self._starting_height = chain.head.height

    @rpc("system_health")
    def health(self) -> Health:
        """Heights, peers, and whether something is going on that keeps the node from working."""
        head = self._chain.head
        return {
            "height": head.height,
            "finalized_height": head.height,
            "peers": len(self._network.peers()),
            "syncing": self.is_syncing(),
            "migrating": self._chain.is_migrating,
            "pending": len(self._mempool),
            "time_ms": head.time_ms,
        }

    @rpc("system_chain")
    def chain_name(self) -> str:
        """The chain's name; what tells two chains apart is `genesis_hash` of the properties."""
        return self._chain.spec.name

    @rpc("system_name")
    def name(self) -> str:
        """The name of the software."""
        return NODE_NAME

    @rpc("system_version")
    def version(self) -> str:
        """The version of the software; the runtime's is in `state_getRuntimeVersion`."""
        return NODE_VERSION

    @rpc("system_properties")
    def properties(self) -> Properties:
        """What identifies the chain, and what a signature binds."""
        return {
            "chain": self._chain.spec.name,
            "genesis_hash": self._chain.genesis_hash.hex(),
            "spec_name": self._chain.runtime.name,
            "spec_version": self._chain.runtime.spec_version,
            "token": TOKEN,
            "decimals": DECIMALS,
            "validators": self._chain.head_validators.encode().hex(),
            "pallets": to_json(self._chain.spec.pallets),
        }

    @rpc("system_accountNextIndex", StorageMigrating)
    def account_next_index(self, account: Account) -> int:
        """The first nonce of an account that neither a block nor the mempool has."""
        return self._mempool.next_nonce(account, self._chain.nonce_of(account))

    @rpc("system_localPeerId")
    def local_peer_id(self) -> str:
        """What other nodes know this one by."""
        return self._network.local_identity()

    @rpc("system_peers")
    def peers(self) -> list[PeerView]:
        """The nodes that this one is connected to."""
        return list(self._network.peers())

    @rpc("system_nodeRoles")
    def node_roles(self) -> list[str]:
        """What this node does: `Authority` produces blocks and votes, `Full` follows."""
        account, validators = self._account, self._chain.validators
        votes = account is not None and validators.index_of(account) is not None
        return ["Authority" if votes else "Full"]

    @rpc("system_syncState")
    def sync_state(self) -> SyncState:
        """How far this node is, and how far the network."""
        height = self._chain.head.height
        return {
            "starting_height": self._starting_height,
            "current_height": height,
            "highest_height": max(height, self._network.highest_height()),
        }

    @rpc("content_has")
    def content_has(self, hashes: Hashes) -> list[bool]:
        """Which contents are stored here; PUT /content stores one, GET /content/HASH reads it."""
        return [self._content.has(each) for each in hashes]

    # For the routes beside JSON-RPC

    def is_syncing(self) -> bool:
        """Whether a peer is more than one block ahead."""
        return self._network.highest_height() > self._chain.head.height + 1

    def seconds_since_block(self) -> float:
        """How long ago the head was made, by this machine's clock."""
        return time.time() - self._chain.head.time_ms / 1_000
