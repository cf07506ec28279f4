"""Four validator processes on one machine: how fast blocks are final, and how many transfers fit.

Finality is the time from a block's time stamp, when its proposer began to build it, until another
node's subscriber hears that it is final; all clocks are this machine's.  The rate is of transfers
that are submitted to all nodes as fast as they take them, over the time of the blocks they are in.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench.local_network import LocalNetwork, local_network
from genesis.chain_spec import development_keypair
from node.chain_client.openledger import Chain
from pallets.balances.pallet import Balances
from runtime.extrinsic import sign_extrinsic
from runtime.keys import Keypair
from runtime.types import OPEN

EMPTY_BLOCKS = 30
BURSTS = 12
BURST_TRANSFERS = 1_500
"""Submitted at once: the first block takes what is there when it begins."""
FULL_TRANSFERS = 400
"""A block with so many transfers counts as one of 500."""
SENDERS = 40
FLOOD_TRANSFERS = 8_000
REQUESTS = 250
"""Extrinsics of one JSON-RPC batch."""


@dataclass(slots=True)
class Watch:
    """Listens to one node: when each block was heard of, and its time stamp."""

    url: str
    delays_ms: dict[int, float] = field(default_factory=dict)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Listen until stopped."""
        with Chain(self.url) as chain, chain.finalised_heads() as heads:
            for head in heads:
                now_ms = time.time_ns() / 1e6
                self.delays_ms[head.height] = now_ms - head.header.time_ms
                if self._stopped.is_set():
                    return

    def stop(self) -> None:
        """End after the next block."""
        self._stopped.set()


class Senders:
    """Accounts that send each other transfers, signed beforehand."""

    def __init__(self, network: LocalNetwork) -> None:
        """Give the accounts something to send."""
        self._people = [Keypair.from_seed(bytes([1, n]) * 16) for n in range(SENDERS)]
        self._nonces = [0] * SENDERS
        self._network = network
        with network.client(network.names[0]) as client:
            self._genesis_hash = client.genesis_hash
            faucet = development_keypair("faucet")
            calls = [Balances.transfer.Call(each.account, 1_000 * OPEN) for each in self._people]
            client.submit_many(calls, faucet)

    def sign(self, count: int) -> list[bytes]:
        """The next transfers, of one sender after the other."""
        signed = []
        for number in range(count):
            who = number % SENDERS
            signed.append(
                sign_extrinsic(
                    Balances.transfer.Call(self._people[who - 1].account, 1),
                    self._people[who],
                    genesis_hash=self._genesis_hash,
                    spec_version=1,
                    nonce=self._nonces[who],
                )
            )
            self._nonces[who] += 1
        return signed

    def submit(self, name: str, extrinsics: Sequence[bytes]) -> int:
        """Send extrinsics to one node in batches; returns how many it took."""
        taken = 0
        with httpx.Client(timeout=60) as http:
            for start in range(0, len(extrinsics), REQUESTS):
                body = [
                    {
                        "jsonrpc": "2.0",
                        "id": number,
                        "method": "author_submitExtrinsic",
                        "params": [raw.hex()],
                    }
                    for number, raw in enumerate(extrinsics[start : start + REQUESTS])
                ]
                answer = http.post(self._network.node(name).url, content=json.dumps(body)).json()
                taken += sum("result" in each for each in answer)
        return taken


def figures() -> Mapping[str, float | None]:
    """The figures; None where the machine was too slow for a full block."""
    with (
        tempfile.TemporaryDirectory(prefix="openledger-bench-") as folder,
        local_network(Path(folder)) as network,
    ):
        network.wait_for_height(2)
        watch = Watch(network.node(network.names[1]).url)
        thread = threading.Thread(target=watch.run)
        thread.start()
        network.wait_for_blocks(EMPTY_BLOCKS)
        empty = list(watch.delays_ms.values())[1:]
        senders = Senders(network)
        full = _bursts(network, senders, watch)
        rate = _flood(network, senders)
        watch.stop()
        thread.join()
    return {
        "finality_ms_p50_empty": statistics.median(empty),
        "finality_ms_p50_500tx": statistics.median(full) if full else None,
        "tps_4_nodes": rate,
    }


def _bursts(network: LocalNetwork, senders: Senders, watch: Watch) -> list[float]:
    """The delays of blocks with about 500 transfers."""
    first = max(network.heights())
    for burst in range(BURSTS):
        name = network.names[burst % len(network.names)]
        senders.submit(name, senders.sign(BURST_TRANSFERS))
        network.wait_for_blocks(2)
    return [
        delay
        for height, delay in dict(watch.delays_ms).items()
        if height > first and _transfers(network, height) >= FULL_TRANSFERS
    ]


def _flood(network: LocalNetwork, senders: Senders) -> float:
    """Transfers a second while all nodes are sent as many as they take."""
    extrinsics = senders.sign(FLOOD_TRANSFERS)
    shares = len(network.names)
    # Each account's transfers go to one node, so that they arrive in order.
    parts = [
        [raw for place, raw in enumerate(extrinsics) if place % SENDERS % shares == share]
        for share in range(shares)
    ]
    first = max(network.heights())
    threads = [
        threading.Thread(target=senders.submit, args=(name, part))
        for name, part in zip(network.names, parts, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    network.wait_for_blocks(3)
    counts = [(h, _transfers(network, h)) for h in range(first + 1, max(network.heights()) + 1)]
    busy = [height for height, count in counts if count]
    if len(busy) < 2:
        return 0.0
    seconds = (_time_ms(network, busy[-1]) - _time_ms(network, busy[0] - 1)) / 1_000
    return sum(count for _, count in counts) / seconds


def _transfers(network: LocalNetwork, height: int) -> int:
    with suppress(KeyError), network.client(network.names[0]) as client:
        return len(client.call("chain_getBlock", height)["extrinsics"])
    return 0


def _time_ms(network: LocalNetwork, height: int) -> int:
    with network.client(network.names[0]) as client:
        return int(client.call("chain_getHeader", height)["fields"]["time_ms"])
