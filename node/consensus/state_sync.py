"""State sync: a new node takes the state from a snapshot of its peers instead of every block.

Nothing of it is believed.  The operator names a block that is trusted, as people tell each other; a
light client goes from there to the snapshot's block, chunks are compared with the manifest, and
the restored state with the state root of that block's header.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace

import structlog
import trio

from consensus.light import LightBlock, LightPolicy, LightSync, TrustedState
from genesis.chain_spec import ChainSpec, genesis_block
from node.config import Checkpoint, DataDirectory
from node.consensus.snapshot_sharing import Part, SnapshotRequest
from node.errors import ConfigError, NodeError
from node.light import TRUSTING_PERIOD_MS
from node.metrics import Metrics
from node.p2p.errors import NetworkError, RequestRefused
from node.p2p.handshake import ChainIdentity
from node.p2p.identity import load_identity
from node.p2p.kinds import Kind
from node.p2p.metrics import NetworkMetrics
from node.p2p.network import Network, NetworkConfig
from node.snapshots import begin_download, import_snapshot, keep_chunk
from runtime.block import Header
from runtime.codec import codec_of
from runtime.errors import DecodeError, InvalidProof, OpenLedgerError
from runtime.state.snapshot import Manifest
from runtime.wire.validators import ValidatorSet

PEERS_TIMEOUT_S = 60.0
"""How long a node waits for a peer that has a snapshot."""
REQUEST_TIMEOUT_S = 20.0
BACKWARD_BLOCKS_MAX = 10_000
"""How far the snapshot may be behind the trusted block: each header between is fetched."""
ATTEMPTS_MAX = 5
"""How often a chunk is asked for before another snapshot is looked for."""
_RETRY_S = 1.0
_log = structlog.get_logger("state sync")


class NoSnapshot(NodeError):
    """No peer has a snapshot that can be verified."""


class _Guest:
    """`Handlers` of a node that has nothing yet."""

    async def receive(self, peer: bytes, kind: Kind, payload: bytes) -> None:
        """Nothing is of use yet."""

    async def answer(self, peer: bytes, kind: Kind, payload: bytes) -> bytes:
        """There is nothing to tell; raises `RequestRefused`."""
        message = f"This node has no state yet, so no {kind.name} for {peer.hex()}."
        del payload
        raise RequestRefused(message, remedy="Ask another node.")

    def connected(self, peer: bytes) -> None:
        """A peer is there."""

    def disconnected(self, peer: bytes) -> None:
        """A peer is gone."""


def needs_state(directory: DataDirectory) -> bool:
    """Whether a data directory has no state yet."""
    return not (directory.state.exists() and any(directory.state.iterdir()))


async def sync_state(
    config: NetworkConfig, directory: DataDirectory, spec: ChainSpec, trusted: Checkpoint
) -> None:
    """Make the state of an empty data directory from a snapshot that peers have.

    Raises `NoSnapshot`, and `ConfigError` or `StoreError` where it cannot be kept.
    """
    genesis = genesis_block(spec)[0].header
    identity = load_identity(directory.node_key)
    network = Network(
        replace(config, port=0),
        ChainIdentity(genesis.id(), genesis.beacon),
        identity,
        _Guest(),
        NetworkMetrics(Metrics().registry),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        await _Joining(network, directory, genesis, trusted).run()
        nursery.cancel_scope.cancel()


@dataclass(slots=True)
class _Joining:
    """One state sync."""

    network: Network
    directory: DataDirectory
    genesis: Header
    trusted: Checkpoint

    async def run(self) -> None:
        """Try one peer after the other until the state is there; raises `NoSnapshot`."""
        reason = "no peer is connected"
        deadline_s = trio.current_time() + PEERS_TIMEOUT_S
        while trio.current_time() < deadline_s:
            for peer in self.network.peers():
                try:
                    await self._join_from(peer.identity)
                except (NetworkError, DecodeError) as error:
                    reason = error.message
                except ConfigError:
                    raise
                except OpenLedgerError as error:
                    # What a peer sent does not hold: another one may be honest.
                    reason = error.message
                    _log.warning("refused", peer=peer.identity.hex(), reason=reason)
                else:
                    return
            await trio.sleep(_RETRY_S)
        message = f"No snapshot was found in {PEERS_TIMEOUT_S:.0f} s: {reason}"
        remedy = "Name peers that make snapshots, or leave --trust out to take every block."
        raise NoSnapshot(message, remedy=remedy)

    async def _join_from(self, peer: bytes) -> None:
        """Take the latest snapshot of a peer; raises what is wrong with it."""
        manifest = Manifest.decode(await self._ask(peer, Part.MANIFEST, 0, 0))
        validators = await self._verify(peer, manifest.header)
        folder = self.directory.root / "snapshot.partial"
        try:
            await trio.to_thread.run_sync(begin_download, folder, manifest)
            for index in range(len(manifest.chunks)):
                await self._fetch_chunk(peer, manifest, index)
            _log.info("fetched", height=manifest.header.height, chunks=len(manifest.chunks))
            await trio.to_thread.run_sync(
                import_snapshot, folder, self.directory, self.genesis, validators
            )
        finally:
            await trio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))
        _log.info("joined", height=manifest.header.height)

    async def _verify(self, peer: bytes, header: Header) -> ValidatorSet:
        """Return who decided a header that follows from the trusted block, either way in time."""
        root = await self._light_block(peer, self.trusted.height)
        named = root.header.validators_hash == root.validators.hash()
        if root.header.id() != self.trusted.block_id or not named:
            message = f"The peer has another block {self.trusted.height} than is trusted."
            raise InvalidProof(message, remedy="Compare height and id with others.")
        if header.height >= root.header.height:
            return await self._go_forward(peer, root, header)
        return await self._go_back(peer, root, header)

    async def _go_forward(self, peer: bytes, root: LightBlock, header: Header) -> ValidatorSet:
        policy = LightPolicy(self.genesis.id(), TRUSTING_PERIOD_MS)
        sync = LightSync(TrustedState(root.header, root.validators), header.height, policy)
        while (height := sync.wanted) is not None:
            sync.receive(await self._light_block(peer, height), time.time_ns() // 1_000_000)
        if sync.trusted.header != header:
            raise _another_block(header)
        return sync.trusted.validators

    async def _go_back(self, peer: bytes, root: LightBlock, header: Header) -> ValidatorSet:
        """Each header names its parent, so what is before a trusted block is certain."""
        if root.header.height - header.height > BACKWARD_BLOCKS_MAX:
            message = f"The snapshot of block {header.height} is too far behind the trusted block."
            raise InvalidProof(message, remedy="Trust an earlier block, or ask another node.")
        block = root
        while block.header.height > header.height:
            parent = await self._light_block(peer, block.header.height - 1)
            if parent.header.id() != block.header.parent_hash:
                raise _another_block(parent.header)
            block = parent
        if block.header != header or block.header.validators_hash != block.validators.hash():
            raise _another_block(header)
        return block.validators

    async def _fetch_chunk(self, peer: bytes, manifest: Manifest, index: int) -> None:
        folder = self.directory.root / "snapshot.partial"
        for attempt in range(ATTEMPTS_MAX):
            try:
                data = await self._ask(peer, Part.CHUNK, manifest.header.height, index)
                await trio.to_thread.run_sync(keep_chunk, folder, manifest, index, data)
            except NetworkError:
                if attempt == ATTEMPTS_MAX - 1:
                    raise
                await trio.sleep(_RETRY_S)
            else:
                return

    async def _light_block(self, peer: bytes, height: int) -> LightBlock:
        return LightBlock.decode(await self._ask(peer, Part.LIGHT_BLOCK, height, 0))

    async def _ask(self, peer: bytes, part: Part, height: int, index: int) -> bytes:
        request = codec_of(SnapshotRequest).encode(SnapshotRequest(part, height, index))
        return await self.network.request(peer, Kind.SNAPSHOT, request, REQUEST_TIMEOUT_S)


def _another_block(header: Header) -> InvalidProof:
    message = f"Block {header.height} of the peer does not belong to the trusted chain."
    return InvalidProof(message, remedy="Ask another node.")
