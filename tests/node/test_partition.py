"""Four validators in network namespaces: the link between two switches is cut, and mended."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.local_network import wait_until
from genesis.chain_spec import development_keypair, local_spec
from node.localnet import plan, stop
from pallets.balances.pallet import Balances
from runtime import OPEN
from runtime.extrinsic import sign_extrinsic
from tests.node.namespaces import DividedNetwork, why_not

_OBSTACLE = why_not()
pytestmark = pytest.mark.skipif(_OBSTACLE is not None, reason=_OBSTACLE or "")
ALICE, RECEIVER = development_keypair("alice"), bytes([7]) * 32
NULLIFIED = re.compile(r'^openledger_consensus_signed_total\{kind="nullify"\} (\S+)', re.MULTILINE)
EVIDENCE = re.compile(r"^openledger_consensus_evidence_total (\S+)", re.MULTILINE)


@contextmanager
def divided(directory: Path, *sides: str) -> Iterator[DividedNetwork]:
    """Validators that run, each on its side; neither they nor their namespaces are left."""
    network = DividedNetwork(plan(directory, local_spec(len(sides))), sides)
    try:
        network.start()
        network.wait_for_height(3)
        yield network
    except BaseException:
        sys.stderr.write(network.logs())
        raise
    finally:
        stop(list(network.running.values()))
        network.delete()
    assert "Traceback" not in network.logs()


def measured(network: DividedNetwork, name: str, metric: re.Pattern[str]) -> float:
    """A metric of one node; 0 before it was first counted."""
    found = metric.search(network.metrics(name))
    return 0.0 if found is None else float(found[1])


def gives_up_a_round(network: DividedNetwork, name: str) -> Callable[[], bool]:
    """Whether a validator has nullified a round since now."""
    before = measured(network, name, NULLIFIED)
    return lambda: measured(network, name, NULLIFIED) > before


def check_one_chain(network: DividedNetwork) -> None:
    """No height has two blocks, and nobody saw a fault."""
    assert all(len(network.block_ids(each)) == 1 for each in range(min(network.heights()) + 1))
    assert all(measured(network, name, EVIDENCE) == 0 for name in network.running)


def test_two_and_two_decide_nothing_until_the_link_is_back(tmp_path: Path) -> None:
    """Neither half is a quorum; what one of them has admitted meanwhile is in the one chain."""
    with divided(tmp_path, "left", "left", "right", "right") as network:
        network.wire.cut()
        stopped = dict(zip(network.names, network.heights(), strict=True))
        with network.client("validator") as client:
            transfer = Balances.transfer.Call(RECEIVER, OPEN)
            genesis = client.genesis_hash
            raw = sign_extrinsic(transfer, ALICE, genesis_hash=genesis, spec_version=1, nonce=0)
            client.call("author_submitExtrinsic", raw.hex())
        with network.client("validator-2") as client:
            wait_until(lambda: client.call("author_pendingCount") == 1, "its side hears of it")
        given_up = [gives_up_a_round(network, name) for name in network.names]
        for each in given_up:
            wait_until(each, "a round passes without a quorum")
        # What was on its way may still have been decided, once.
        assert all((network.height(name) or 0) <= stopped[name] + 1 for name in network.names)
        with network.client("validator-3") as client:
            assert client.call("author_pendingCount") == 0
        network.wire.restore()
        network.wait_for_blocks(3)
        for name in network.names:
            with network.client(name) as client:
                assert client.read("Balances", "accounts", RECEIVER).free == OPEN
        check_one_chain(network)


def test_three_go_on_and_the_one_catches_up(tmp_path: Path) -> None:
    """Until all connections over the cut are given up; then it is dialled again, and takes part."""
    with divided(tmp_path, "left", "left", "left", "right") as network:
        majority, alone = network.names[:3], network.names[3]
        network.wire.cut()
        stopped = network.height(alone) or 0
        log = network.node(alone).log
        wait_until(lambda: log.read_text().count("event=disconnected") >= 3, "it is alone")
        reached = [network.height(name) or 0 for name in majority]
        assert min(reached) > stopped + 3
        assert (network.height(alone) or 0) <= stopped + 1
        network.wire.restore()
        network.wait_for_height(max(reached))
        # Three of four are needed, and one of the majority is gone.
        network.kill("validator")
        network.wait_for_blocks(2)
        check_one_chain(network)
