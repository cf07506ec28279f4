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
from node.chain import Chain
from node.config import DataDirectory, NodeConfig
from node.consensus.execution import Execution
from node.consensus.keys import ValidatorKeys
from node.consensus.network import ChainNetwork
from node.consensus.peers import NoPeers
from node.consensus.start import open_driver
from node.consensus.sync import BlockSync
from node.content import ContentStore
from node.errors import ConfigError
from node.http.server import bound_port, open_listeners, serve
from node.lifetime import cause_of, stop_on_signal
from node.memory import settle_memory
from node.mempool import Mempool
from node.metrics import Metrics
from node.p2p.handshake import ChainIdentity
from node.p2p.identity import load_identity
from node.p2p.metrics import NetworkMetrics
from node.p2p.network import NetworkConfig
from node.rpc.dispatch import Dispatcher
from node.rpc.feeds import Feeds
from node.rpc.methods import NodeMethods
from node.rpc.site import NodeSite, node_site
from node.snapshots import export_snapshot
from node.verifier import Verifier, VerifierProcess
from runtime.errors import StoreError

_log = structlog.get_logger("node")

Announce = Callable[[str, bytes], None]
"""Called once with the node's URL and genesis hash, when it answers requests."""


def run(
    config: NodeConfig,
    directory: DataDirectory,
    spec: ChainSpec,
    keys: ValidatorKeys | None,
    announce: Announce,
) -> None:
    """Run a node until SIGINT or SIGTERM; raises a typed error if it cannot start or go on."""
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
    keys: ValidatorKeys | None,
    content: ContentStore,
    verifiers: VerifierProcess,
    announce: Announce,
) -> None:
    metrics = Metrics()
    mempool = Mempool()
    execution = Execution(chain, mempool, metrics)
    verifier = Verifier(verifiers)
    around = None
    if config.network is not None:
        around = _network(config.network, chain, directory, metrics, mempool)
    peers = around or NoPeers()
    driver = open_driver(chain, directory, keys, execution, peers)
    methods = NodeMethods(chain, mempool, content, execution.wake, verifier, peers.pass_on)
    dispatcher = Dispatcher(methods.by_name(), metrics.count_request)
    site = NodeSite(dispatcher, methods, content, metrics)
    feeds = Feeds(chain, methods, dispatcher)
    _watch(metrics, chain, mempool, content)
    listeners = await open_listeners(config.rpc_host, config.rpc_port)
    url = _url(config.rpc_host, bound_port(listeners))
    hosts = config.allowed_hosts | {config.rpc_host}
    async with trio.open_nursery() as nursery:
        if around is not None:
            sync = BlockSync(chain, driver, around.network)
            around.join(driver, sync, methods.admit)
            port = await nursery.start(around.network.run)
            nursery.start_soon(sync.run)
            _log.info("network", port=port, identity=around.network.identity.hex())
        nursery.start_soon(driver.run)
        nursery.start_soon(verifier.run)
        nursery.start_soon(serve, listeners, node_site(site, hosts), feeds.talk)
        nursery.start_soon(stop_on_signal, nursery.cancel_scope)
        nursery.start_soon(_export_on_signal, chain, directory)
        _log.info("started", url=url, height=chain.head.height, genesis=chain.genesis_hash.hex())
        announce(url, chain.genesis_hash)


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
        lambda: [waiting.raw for waiting in mempool.in_order_of_arrival()],
    )


async def _export_on_signal(chain: Chain, directory: DataDirectory) -> None:
    """Write a snapshot of the state on each SIGUSR1, while the node goes on."""
    with trio.open_signal_receiver(signal.SIGUSR1) as signals:
        async for _ in signals:
            frozen = chain.store.freeze()
            target = directory.snapshots / str(chain.head.height)
            try:
                await trio.to_thread.run_sync(export_snapshot, frozen, target)
            except (ConfigError, StoreError) as error:
                _log.error("snapshot failed", reason=error.message, remedy=error.remedy)
            else:
                _log.warning("snapshot written", directory=str(target))


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
