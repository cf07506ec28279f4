"""One node: a block producer and an RPC server around one chain, started and stopped together."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import structlog
import trio

from genesis.chain_spec import ChainSpec
from node.admission import Admission, readmit
from node.chain import Chain
from node.config import DataDirectory, NodeConfig
from node.consensus.execution import Execution
from node.consensus.network import ChainNetwork
from node.consensus.peers import NoPeers
from node.consensus.snapshot_sharing import SnapshotServer, keep_snapshots
from node.consensus.start import NodeKeys, open_driver
from node.consensus.state_sync import needs_state, sync_state
from node.consensus.sync import BlockSync
from node.content import ContentStore
from node.datanets.erasing import erase_withdrawn
from node.errors import ConfigError
from node.http.server import bound_port, open_listeners
from node.lifetime import cause_of, raise_file_limit, stop_on_signal
from node.memory import settle_memory
from node.mempool import Mempool
from node.mempool_journal import MempoolJournal, read_journal
from node.metrics import Metrics
from node.p2p.handshake import ChainIdentity
from node.p2p.identity import load_identity
from node.p2p.metrics import NetworkMetrics
from node.p2p.network import NetworkConfig
from node.rpc.network import Alone, Connected, NetworkView
from node.rpc.server import NodeParts, serve_admin, serve_public
from node.snapshots import write_snapshot
from node.unix_sockets import open_unix_listener
from node.verifier import Verifier, VerifierProcess
from runtime.errors import StoreError

_log = structlog.get_logger("node")

Announce = Callable[[str, bytes], None]
"""Called once with the node's URL and genesis hash, when it answers requests."""


def run(
    config: NodeConfig,
    directory: DataDirectory,
    spec: ChainSpec,
    keys: NodeKeys | None,
    announce: Announce,
) -> None:
    """Run a node until SIGINT or SIGTERM; raises a typed error if it cannot start or go on."""
    if config.checkpoint is not None and config.network is not None and needs_state(directory):
        try:
            trio.run(sync_state, config.network, directory, spec, config.checkpoint)
        except BaseExceptionGroup as group:
            raise cause_of(group) from group
    raise_file_limit()
    with (
        closing(Chain.open(directory, spec, keys, config.retention)) as chain,
        VerifierProcess() as verifiers,
    ):
        content = ContentStore(directory.content, quota_bytes=config.content_quota_bytes)
        settle_memory()
        try:
            trio.run(_serve, config, directory, chain, keys, content, verifiers, announce)
        except BaseExceptionGroup as group:
            raise cause_of(group) from group
    _log.info("stopped")


async def _serve(
    config: NodeConfig,
    directory: DataDirectory,
    chain: Chain,
    keys: NodeKeys | None,
    content: ContentStore,
    verifiers: VerifierProcess,
    announce: Announce,
) -> None:
    metrics = Metrics()
    mempool = Mempool()
    readmit(chain, mempool, read_journal(directory.mempool))
    execution = Execution(chain, mempool, metrics)
    verifier = Verifier(verifiers)
    around = None
    if config.network is not None:
        around = _network(config.network, chain, directory, metrics, mempool)
    peers = around or NoPeers()
    driver = open_driver(chain, directory, keys, execution, peers)
    _watch(metrics, chain, mempool, content)
    listeners = await open_listeners(config.rpc_host, config.rpc_port)
    admin = open_unix_listener(directory.admin_socket)
    url = _url(config.rpc_host, bound_port(listeners))
    hosts = config.allowed_hosts | {config.rpc_host}
    account = None if keys is None else keys.account
    with MempoolJournal(directory.mempool, mempool.encoded) as journal:
        admission = Admission(chain, mempool, journal, verifier, execution.wake, peers.pass_on)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(journal.run)
            nursery.start_soon(verifier.run)
            network: NetworkView = Alone(account)
            if around is not None:
                sync = BlockSync(chain, driver, around.network)
                snapshots = SnapshotServer(chain.store, directory.snapshots)
                around.join(driver, sync, snapshots, admission.submit)
                network = Connected(around.network, sync)
                port = await nursery.start(around.network.run)
                nursery.start_soon(sync.run)
                nursery.start_soon(around.run)
                _log.info("network", port=port, identity=around.network.identity.hex())
            parts = NodeParts(
                chain, mempool, admission, content, network, metrics, directory, account
            )
            nursery.start_soon(driver.run)
            nursery.start_soon(erase_withdrawn, chain, content, directory.content)
            if config.snapshot_blocks:
                nursery.start_soon(
                    keep_snapshots, chain, directory.snapshots, config.snapshot_blocks
                )
            nursery.start_soon(serve_public, parts, listeners, hosts)
            nursery.start_soon(serve_admin, parts, admin, nursery.cancel_scope)
            nursery.start_soon(stop_on_signal, nursery.cancel_scope)
            nursery.start_soon(_export_on_signal, chain, directory)
            genesis = chain.genesis_hash
            _log.info("started", url=url, height=chain.head.height, genesis=genesis.hex())
            announce(url, genesis)


def _network(
    config: NetworkConfig,
    chain: Chain,
    directory: DataDirectory,
    metrics: Metrics,
    mempool: Mempool,
) -> ChainNetwork:
    """The node among others; its key and its address book are in the data directory."""
    genesis = chain.store.header(0)
    # The beacon of block 0 commits to the whole chain spec, whatever spec version runs it now.
    rules = chain.genesis_hash if genesis is None else genesis.beacon
    return ChainNetwork(
        replace(config, book=directory.address_book),
        ChainIdentity(chain.genesis_hash, rules),
        load_identity(directory.node_key),
        NetworkMetrics(metrics.registry),
        mempool.encoded,
    )


async def _export_on_signal(chain: Chain, directory: DataDirectory) -> None:
    """Write a snapshot of the state on each SIGUSR1, while the node goes on."""
    with trio.open_signal_receiver(signal.SIGUSR1) as signals:
        async for _ in signals:
            try:
                await write_snapshot(chain.store, chain.head.height, directory.snapshots)
            except (ConfigError, StoreError) as error:
                _log.error("snapshot failed", reason=error.message, remedy=error.remedy)


def _watch(metrics: Metrics, chain: Chain, mempool: Mempool, content: ContentStore) -> None:
    metrics.watch(
        {
            "height": ("Finalised height.", lambda: chain.head.height),
            "block_age_seconds": (
                "Seconds since the last block.",
                lambda: time.time() - chain.head.time_ms / 1_000,
            ),
            "mempool_extrinsics": ("Extrinsics that wait.", lambda: len(mempool)),
            "mempool_bytes": ("Their size.", lambda: mempool.size_bytes),
            "content_bytes": ("Size of all content.", lambda: content.used_bytes),
        }
    )


def _url(host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}"
