"""Referees beside the validators of a network that runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.local_network import LocalNetwork
from genesis.chain_spec import development_keypair
from genesis.embedded_model import EMBEDDED_MODEL
from ml.manifest import manifest_of
from node.referee.gathering import GatheringClient
from node.referee.referee import Bench, Referee

VALIDATORS = tuple(
    development_keypair(name) for name in ("validator", "validator-2", "validator-3", "validator-4")
)


@contextmanager
def refereed(network: LocalNetwork, folder: Path) -> Iterator[None]:
    """With a referee beside each of the first three validators, which fetch from the first."""
    stop = threading.Event()
    source = network.node("validator").url
    models = {manifest_of(EMBEDDED_MODEL).hash(): EMBEDDED_MODEL}
    with ExitStack() as stack:
        threads = []
        for name, keypair in zip(network.names[:3], VALIDATORS[:3], strict=True):
            client = stack.enter_context(GatheringClient(network.node(name).url, [source]))
            bench = Bench(folder / name, models)
            referee = Referee(client, keypair, bench, stop)
            threads.append(threading.Thread(target=referee.run, kwargs={"once": False}))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()
