"""Kills validators of a real network again and again, and checks that nothing is lost.

    python -m bench.soak --kills 200 --json

Four validators run as processes; one after the other is killed with SIGKILL at a random moment and
started again, while transfers are submitted to all.  At the end:

    corruptions         nodes that did not start, found damage, or have another block than the rest
    double_signatures   proofs of faults that any node saw, and validators that are out of the set
    lost, doubled       acknowledged transfers that are in no block, or moved money twice
    restart_s_max       the longest time from a start to the first signature

    python -m bench.soak --hostile --json

The same network undisturbed, and then with `bench/hostile.py` against one of the validators:

    block_time_ratio    the time of a block under attack over the time before
    memory_mib          by how much the attacked node has grown meanwhile
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx

from bench.local_network import LocalNetwork, ProcessFailed, local_network, wait_until
from bench.report import report
from genesis.chain_spec import development_keypair
from node.client import NodeClient
from node.errors import ClientError
from pallets.balances.pallet import Balances
from runtime.extrinsic import sign_extrinsic

SENDERS = ("alice", "bob", "user", "builder")
RECEIVER = bytes([7]) * 32
"""Nobody's account: what is in it was sent there."""
WARM_BLOCKS = 5
MEASURED_BLOCKS = 40
PAUSE_S_MAX = 2.0
"""The longest time from one kill to the next."""
SIGNED = re.compile(r'^openledger_consensus_signed_total\{kind="notarize"\} (\S+)', re.MULTILINE)
EVIDENCE = re.compile(r"^openledger_consensus_evidence_total (\S+)", re.MULTILINE)


@dataclass(slots=True)
class SoakResult:
    """What a soak found."""

    kills: int
    seed: int
    seconds: float = 0.0
    height: int = 0
    acknowledged: int = 0
    corruptions: int = 0
    double_signatures: int = 0
    lost: int = 0
    doubled: int = 0
    restart_s_max: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether nothing was lost and nobody contradicted itself."""
        return not (self.corruptions or self.double_signatures or self.lost or self.doubled)


@dataclass(slots=True)
class Traffic:
    """Transfers of one unit each, one after the other, to whichever node answers."""

    network: LocalNetwork
    acknowledged: list[bytes] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def run(self, sender: str) -> None:
        """Submit until stopped; an account's next transfer follows on the one before."""
        keypair = development_keypair(sender)
        chosen = random.Random(sender)  # noqa: S311 # a workload, not a secret
        nonce = 0
        genesis_hash = b""
        while not self._stopped.wait(0.05):
            name = chosen.choice(list(self.network.running) or self.network.names)
            with suppress(ClientError, TimeoutError), self.network.client(name) as client:
                genesis_hash = genesis_hash or client.genesis_hash
                raw = sign_extrinsic(
                    Balances.transfer.Call(RECEIVER, 1),
                    keypair,
                    genesis_hash=genesis_hash,
                    spec_version=1,
                    nonce=nonce,
                )
                extrinsic_hash = client.call("author_submitExtrinsic", raw.hex())
                self.acknowledged.append(bytes.fromhex(extrinsic_hash))
                nonce += 1

    def stop(self) -> None:
        """No more transfers."""
        self._stopped.set()


def soak(kills: int, seed: int, directory: Path) -> SoakResult:
    """Run a network and kill its validators; the choices follow from the seed."""
    chosen = random.Random(seed)  # noqa: S311 # repeatable faults, not secrets
    result = SoakResult(kills, seed)
    started = time.monotonic()
    with local_network(directory) as network:
        network.wait_for_height(1)
        traffic = Traffic(network)
        threads = [threading.Thread(target=traffic.run, args=(name,)) for name in SENDERS]
        for thread in threads:
            thread.start()
        try:
            for _ in range(kills):
                time.sleep(chosen.uniform(0.0, PAUSE_S_MAX))
                restart(network, chosen.choice(network.names), result)
        finally:
            traffic.stop()
            for thread in threads:
                thread.join()
        conclude(network, traffic, result)
    result.seconds = time.monotonic() - started
    return result


def restart(network: LocalNetwork, name: str, result: SoakResult) -> None:
    """Kill a validator, start it, and wait until it signs."""
    network.kill(name)
    started = time.monotonic()
    try:
        network.start(name)
        wait_until(lambda: signatures(network, name) > 0, f"{name} signs")
    except TimeoutError:
        result.corruptions += 1
    result.restart_s_max = max(result.restart_s_max, time.monotonic() - started)


def conclude(network: LocalNetwork, traffic: Traffic, result: SoakResult) -> None:
    """Compare what the nodes have with what was acknowledged."""
    network.wait_for_blocks(3)
    common = min(network.heights())
    result.height = common
    result.corruptions += sum(len(network.block_ids(each)) != 1 for each in range(common + 1))
    result.double_signatures += int(sum(evidence(network, name) for name in network.names))
    result.acknowledged = len(traffic.acknowledged)
    with network.client(network.names[0]) as client:
        result.double_signatures += len(network.names) - len(
            client.read("Session", "current").validators
        )
        wait_until(lambda: client.call("author_pendingCount") == 0, "nothing waits")
        included = [each for each in traffic.acknowledged if is_included(client, each)]
        received = client.read("Balances", "accounts", RECEIVER).free
    result.lost = len(traffic.acknowledged) - len(included)
    # A transfer may be in a block although the node that took it died before it answered.
    result.doubled = len(included) - len(set(included)) + max(0, received - submitted(network))


def under_attack(directory: Path) -> dict[str, float]:
    """Compare a network with itself while one of its nodes is attacked."""
    with local_network(directory) as network:
        network.wait_for_height(WARM_BLOCKS)
        target = network.node(network.names[0])
        pid = network.running[target.name].pid
        before_s, before_kib = block_seconds(network), memory_kib(pid)
        with network.client(target.name) as client:
            genesis = client.call("chain_getHeader", 0)
        attacker = subprocess.Popen(
            [
                *(sys.executable, "-m", "bench.hostile"),
                f"--p2p-port={target.p2p_port}",
                f"--rpc-port={target.rpc_port}",
                f"--genesis={genesis['id']}",
                f"--rules={genesis['fields']['beacon']}",
            ]
        )
        try:
            during_s = block_seconds(network)
            grown_kib = memory_kib(pid) - before_kib
            attacks = attacker.poll() is None
        finally:
            attacker.kill()
            attacker.wait()
        agreed = len(network.block_ids(min(network.heights()))) == 1
    return {
        "block_s_before": before_s,
        "block_s_during": during_s,
        "block_time_ratio": during_s / before_s,
        "memory_mib": grown_kib / 1_024,
        "holds": attacks and agreed,
    }


def block_seconds(network: LocalNetwork) -> float:
    """The mean time of a block, over the next ones, by their time stamps."""
    first = max(network.heights())
    network.wait_for_height(first + MEASURED_BLOCKS)
    with network.client(network.names[1]) as client:
        times = [
            int(client.call("chain_getHeader", height)["fields"]["time_ms"])
            for height in (first, first + MEASURED_BLOCKS)
        ]
    return (times[1] - times[0]) / MEASURED_BLOCKS / 1_000


def memory_kib(pid: int) -> int:
    """The resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def submitted(network: LocalNetwork) -> int:
    """The transfers that the chain took: the senders' nonces, of which each counts once."""
    with network.client(network.names[0]) as client:
        return sum(client.next_nonce(development_keypair(name).account) for name in SENDERS)


def is_included(client: NodeClient, extrinsic_hash: bytes) -> bool:
    """Whether an extrinsic is in a block."""
    status = client.call("author_extrinsicStatus", extrinsic_hash.hex())
    return bool(status["state"] == "included")


def signatures(network: LocalNetwork, name: str) -> float:
    """How often a validator has notarized since it was started."""
    return _metric(network, name, SIGNED)


def evidence(network: LocalNetwork, name: str) -> float:
    """How many faults a node has seen since it was started."""
    return _metric(network, name, EVIDENCE)


def _metric(network: LocalNetwork, name: str, pattern: re.Pattern[str]) -> float:
    with suppress(httpx.HTTPError):
        found = pattern.search(httpx.get(f"{network.node(name).url}/metrics").text)
        return float(found[1]) if found else 0.0
    return 0.0


def main() -> None:
    """Run a soak, print what it found, and fail if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hostile", action="store_true")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="openledger-soak-") as folder:
        if chosen.hostile:
            figures = under_attack(Path(folder))
        else:
            result = soak(chosen.kills, chosen.seed, Path(folder))
            figures = asdict(result) | {"holds": result.holds}
    report("soak", figures)
    if not figures["holds"]:
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except ProcessFailed as error:
        sys.exit(f"A process failed: {error.message[-4_000:]}")
