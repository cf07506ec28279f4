"""A killed node loses nothing: real processes, real kill -9, real load."""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from genesis.chain_spec import development_keypair
from genesis.compose import compose_runtime
from node.client import NodeClient
from node.errors import ClientError
from node.submission import Inclusion
from pallets.system.pallet import System
from runtime.block import Block
from runtime.codec import codec_of

KILLS = 4
SENDERS = ("faucet", "user", "builder")


class Load(threading.Thread):
    """One account that sends remarks without pause, and remembers what was acknowledged."""

    def __init__(self, url: str, name: str, stop: threading.Event) -> None:
        super().__init__(name=name)
        self.url, self.stop = url, stop
        self.acknowledged: list[Inclusion] = []
        self.problems: list[str] = []

    def run(self) -> None:
        """Send until told to stop."""
        keypair = development_keypair(self.name)
        with NodeClient(self.url) as client:
            while not self.stop.is_set():
                count = len(self.acknowledged)
                calls = [
                    System.remark.Call(data=f"{self.name} {count + offset}".encode())
                    for offset in range(5)
                ]
                try:
                    self.acknowledged += client.submit_many(calls, keypair, timeout_s=60)
                except ClientError as error:
                    # While the node is down not even a nonce can be asked for.
                    self.problems.append(str(error))
                    time.sleep(0.1)


def blocks_of(client: NodeClient) -> dict[int, Block]:
    """Every block of the chain."""
    heights = range(client.height() + 1)
    return {
        height: codec_of(Block).decode(
            bytes.fromhex(client.call("chain_getBlock", height)["encoded"])
        )
        for height in heights
    }


def test_a_killed_node_loses_and_doubles_nothing(start_node: Callable[..., Any]) -> None:
    """Killed again and again under load, the chain keeps all it acknowledged, each once."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    sys.stdout.write(f"seed {seed}\n")
    node = start_node()
    stop = threading.Event()
    loads = [Load(node.url, name, stop) for name in SENDERS]
    for load in loads:
        load.start()
    finalised: dict[int, str] = {}
    try:
        for _kill in range(KILLS):
            time.sleep(chance.uniform(0.5, 2.5))
            with node.client() as client:
                head = client.call("chain_getFinalizedHead")
                finalised[head["height"]] = head["id"]
            time.sleep(chance.uniform(0.0, 0.3))
            node.kill()
            node = start_node(port=node.port)
        time.sleep(1.0)
    finally:
        stop.set()
        for load in loads:
            load.join(90)
    with node.client() as client:
        blocks = blocks_of(client)
        genesis_hash = client.genesis_hash
    assert node.stop() == 0

    for height, block_id in finalised.items():
        assert blocks[height].header.id().hex() == block_id
    for height in range(1, len(blocks)):
        assert blocks[height].header.parent_hash == blocks[height - 1].header.id()
    places: dict[bytes, list[tuple[int, int]]] = {}
    nonces: Counter[bytes] = Counter()
    remarks: Counter[bytes] = Counter()
    runtime = compose_runtime()
    for height, block in blocks.items():
        for index, raw in enumerate(block.extrinsics):
            checked = runtime.check(raw, genesis_hash)
            places.setdefault(checked.hash, []).append((height, index))
            assert checked.nonce == nonces[checked.signer]
            nonces[checked.signer] += 1
            remarks[checked.arguments[0]] += 1
    assert set(remarks.values()) == {1}
    for load in loads:
        assert len(load.acknowledged) > 10, load.problems
        for inclusion in load.acknowledged:
            assert places[inclusion.extrinsic_hash] == [(inclusion.height, inclusion.index)]


def test_a_stopped_node_ends_cleanly_and_goes_on(start_node: Callable[..., Any]) -> None:
    """SIGTERM and SIGINT end the process with code 0; the next start continues the chain."""
    node = start_node()
    with node.client() as client:
        height = client.wait_height(2)
        genesis_hash = client.genesis_hash
    assert node.stop(signal.SIGINT) == 0
    node = start_node(port=node.port)
    with node.client() as client:
        assert client.genesis_hash == genesis_hash
        assert client.height() >= height
        client.wait_height(height + 2)
    assert node.stop(signal.SIGTERM) == 0
    assert "Traceback" not in node.log.read_text()
