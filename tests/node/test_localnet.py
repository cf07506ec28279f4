"""Four real validators over real TCP: they agree, and outlive faults."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.local_network import local_network, wait_until
from genesis.chain_spec import DEV_BOND, development_keypair, local_spec
from node.cli.main import main
from node.consensus.keys import ValidatorKeys
from node.errors import RpcFailed
from node.localnet import start
from pallets.balances.pallet import Balances
from pallets.session.pallet import Session
from runtime import OPEN
from runtime.extrinsic import sign_extrinsic
from runtime.upgrade import UpgradePlan
from tests.node.conftest import RunningNode

IMPATIENT = (
    "import node.consensus.state_sync as s; s.PEERS_TIMEOUT_S = 3.0\n"
    "import node.cli.main as m; m.main()"
)
AS_VERSION_2 = (
    "import genesis.compose as c; c.SPEC_VERSION = 2; import node.cli.main as m; m.main()"
)
ALICE, BOB = development_keypair("alice"), development_keypair("bob")


def test_all_have_the_same_blocks(tmp_path: Path) -> None:
    """What is submitted to one is in the state of all, and no height has two blocks."""
    with local_network(tmp_path) as network:
        network.wait_for_height(3)
        with network.client("validator-2") as client:
            before = client.read("Balances", "accounts", BOB.account).free
            height = client.submit(Balances.transfer.Call(BOB.account, 5 * OPEN), ALICE).height
        network.wait_for_height(height)
        for name in network.names:
            with network.client(name) as client:
                assert client.read("Balances", "accounts", BOB.account).free == before + 5 * OPEN
        assert all(len(network.block_ids(each)) == 1 for each in range(height + 1))


def test_one_of_four_may_be_killed_and_comes_back(tmp_path: Path) -> None:
    """Three go on without it; started again it catches up, and takes part."""
    with local_network(tmp_path) as network:
        network.wait_for_height(2)
        network.kill("validator-3")
        network.wait_for_blocks(8)
        network.start("validator-3")
        network.wait_for_blocks(2)
        # Now three are not enough without it.
        network.kill("validator-4")
        network.wait_for_blocks(6)
        common = min(network.heights())
        assert all(len(network.block_ids(each)) == 1 for each in range(common + 1))


def test_a_validator_without_its_signer_file_observes_before_it_signs(tmp_path: Path) -> None:
    """W6: it cannot know what its keys have signed, until the network is past all of that."""
    with local_network(tmp_path) as network:
        network.wait_for_height(3)
        name = "validator-2"
        network.kill(name)
        (network.node(name).data / "signer").unlink()
        network.start(name)
        log = network.node(name).log
        wait_until(lambda: 'event="signing again"' in log.read_text(), "it signs again")
        assert "the signer only observes" in log.read_text()
        network.wait_for_blocks(3)
        with network.client("validator") as client:
            assert len(client.read("Session", "current").validators) == 4


def test_two_of_four_down_stop_the_chain_and_nothing_else(tmp_path: Path) -> None:
    """The rest answers and decides nothing; with a third one everything goes on."""
    with local_network(tmp_path) as network:
        network.wait_for_height(2)
        network.kill("validator-3")
        network.kill("validator-4", signal.SIGTERM)
        stopped = max(network.heights())
        with network.client("validator") as client:
            raw = sign_extrinsic(
                Balances.transfer.Call(BOB.account, OPEN),
                ALICE,
                genesis_hash=client.genesis_hash,
                spec_version=1,
                nonce=0,
            )
            client.call("author_submitExtrinsic", raw.hex())
            wait_until(lambda: client.call("author_pendingCount") == 1, "it waits")
        assert max(network.heights()) <= stopped + 1
        network.start("validator-3")
        network.wait_for_blocks(3)
        with network.client("validator-3") as client:
            assert client.call("author_pendingCount") == 0


def test_half_of_the_validators_out_of_reach_stop_the_chain_until_they_are_back(
    tmp_path: Path,
) -> None:
    """Two processes stand still: nobody decides; when they go on, so does the same chain."""
    with local_network(tmp_path) as network:
        network.wait_for_height(3)
        away = ("validator-3", "validator-4")
        for name in away:
            os.kill(network.running[name].pid, signal.SIGSTOP)
        reachable = [name for name in network.names if name not in away]
        before = [network.height(name) or 0 for name in reachable]
        with network.client("validator") as client:
            raw = sign_extrinsic(
                Balances.transfer.Call(BOB.account, OPEN),
                ALICE,
                genesis_hash=client.genesis_hash,
                spec_version=1,
                nonce=0,
            )
            client.call("author_submitExtrinsic", raw.hex())
        other = network.client("validator-2")
        wait_until(lambda: other.call("author_pendingCount") == 1, "it is passed on")
        other.close()
        assert max(network.height(name) or 0 for name in reachable) <= max(before) + 1
        for name in away:
            os.kill(network.running[name].pid, signal.SIGCONT)
        network.wait_for_blocks(3)
        common = min(network.heights())
        assert all(len(network.block_ids(each)) == 1 for each in range(common + 1))


def test_a_node_without_a_key_follows(tmp_path: Path) -> None:
    """It gets the blocks of before by block sync, and those of now as they are decided."""
    with local_network(tmp_path / "net") as network:
        network.wait_for_height(6)
        start = ("node", f"--chain={tmp_path / 'net' / 'chain.toml'}", *network.peer_arguments())
        follower = RunningNode(tmp_path / "follower", start=(*start, "--p2p-port=0"))
        try:
            with follower.client() as client:
                height = max(network.heights()) + 4
                wait_until(lambda: client.call("system_health")["height"] >= height, "it follows")
                assert {client.call("chain_getHeader", height)["id"]} == network.block_ids(height)
        finally:
            follower.stop()


def test_a_new_node_joins_by_a_snapshot(tmp_path: Path) -> None:
    """It trusts one block, takes a peer's snapshot, and never sees the blocks before."""
    with local_network(tmp_path / "net", snapshot_blocks=5) as network:
        network.wait_for_height(12)
        with network.client("validator") as client:
            trusted = client.call("chain_getHeader", 8)["id"]
        chain = f"--chain={tmp_path / 'net' / 'chain.toml'}"
        start = ("node", chain, *network.peer_arguments(), f"--trust=8:{trusted}", "--p2p-port=0")
        joined = RunningNode(tmp_path / "joined", start=start)
        try:
            with joined.client() as client:
                height = max(network.heights()) + 3
                wait_until(lambda: client.call("system_health")["height"] >= height, "it follows")
                assert {client.call("chain_getHeader", height)["id"]} == network.block_ids(height)
                with pytest.raises(RpcFailed):
                    client.call("chain_getBlock", 3)
            assert "event=joined" in joined.log.read_text()
        finally:
            joined.stop()
        wrong = (*start[:-2], f"--trust=8:{'00' * 32}", "--p2p-port=0")
        refused = subprocess.run(
            [sys.executable, "-c", IMPATIENT, *wrong, f"--data={tmp_path / 'refused'}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert refused.returncode == 2
        assert "another block 8 than is trusted" in refused.stderr


def test_a_validator_that_runs_twice_is_slashed(tmp_path: Path) -> None:
    """Two processes with one key contradict each other: it loses stake and seat, three go on."""
    with local_network(tmp_path / "net") as network:
        network.wait_for_height(2)
        chain = f"--chain={tmp_path / 'net' / 'chain.toml'}"
        start = ("node", chain, "--key=dev:validator-4", *network.peer_arguments())
        twin = RunningNode(tmp_path / "twin", start=(*start, "--p2p-port=0"))
        culprit = development_keypair("validator-4").account
        try:
            with network.client("validator") as client:

                def members() -> list[bytes]:
                    current = client.read("Session", "current")
                    return [each.account for each in current.validators]

                assert culprit in members()
                wait_until(lambda: culprit not in members(), "the culprit is out of the set")
                assert len(members()) == 3
                wait_until(
                    lambda: client.read("Staking", "backings", culprit).stake < DEV_BOND,
                    "the time for appeals is over, and the slash is taken",
                )
        finally:
            twin.stop()
        network.wait_for_blocks(3)


def test_a_validator_rotates_its_keys(tmp_path: Path) -> None:
    """New keys count from an election on; with the old ones a node signs until then, not after."""
    spec = local_spec(4)
    spec = replace(spec, parameters=spec.parameters.choosing({Session.session_blocks: 8}))
    with local_network(tmp_path, spec) as network:
        network.wait_for_height(1)
        stash, hot = development_keypair("validator-4"), ValidatorKeys.from_keypair(BOB)
        with network.client("validator") as client:
            moved = ValidatorKeys.from_keypair(BOB, stash.account)
            keys, proofs = moved.prove(client.genesis_hash)
            client.submit(Session.set_keys.Call(keys=keys, proofs=proofs), stash)

            def vote_keys() -> set[bytes]:
                current = client.read("Session", "current")
                return {each.vote_key for each in current.validators}

            wait_until(lambda: hot.vote_key in vote_keys(), "the new keys are elected")
        network.wait_for_blocks(3)  # three of four, and nobody is blamed for old keys
        network.kill("validator-4")
        node = network.node("validator-4")
        rotated = [each for each in node.arguments if not each.startswith("--key=")]
        arguments = (*rotated, "--key=dev:bob", "--validator=dev:validator-4")
        network.nodes = [each for each in network.nodes if each is not node]
        network.nodes = [*network.nodes, replace(node, arguments=arguments)]
        network.start("validator-4")
        network.kill("validator-3")
        network.wait_for_blocks(4)  # three of four, with the rotated one among them
        with network.client("validator") as client:
            assert len(client.read("Session", "current").validators) == 4


def test_an_upgrade_happens_at_its_height(tmp_path: Path) -> None:
    """Nodes of the old version stop before it, saying what to install; with the new one all go on."""
    plan = UpgradePlan(spec_version=2, height=6, code_hash=bytes(32))
    with local_network(tmp_path, replace(local_spec(4), upgrades=(plan,))) as network:
        for name in network.names:
            wait_until(lambda name=name: not network.running[name].is_running, f"{name} stops")  # type: ignore[misc] # bound now
            assert "Block 6 is for spec version 2" in network.node(name).log.read_text()
        network.running.clear()
        left_behind, *upgraded = network.names
        network.start(*upgraded, code=AS_VERSION_2)
        network.wait_for_height(9)
        with network.client(upgraded[0]) as client:
            assert client.call("chain_getHeader", 5)["fields"]["spec_version"] == 1
            assert client.call("chain_getHeader", 6)["fields"]["spec_version"] == 2
        # Who is left behind stops again, and what it has is as it was.
        behind = start(network.node(left_behind))
        wait_until(lambda: not behind.is_running, "it stops")
        network.start(left_behind, code=AS_VERSION_2)
        network.wait_for_blocks(2)


def test_the_command_starts_and_stops_a_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`localnet up`, `status`, `logs` and `down`, each with --json."""

    def run(*arguments: str) -> object:
        monkeypatch.setattr("sys.argv", ["openledger", "localnet", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        return json.loads(capsys.readouterr().out)

    directory = f"--dir={tmp_path}"
    try:
        up = run("up", "-n", "2", directory, "--rpc-port=0", "--json")
        assert [(view["name"], view["running"]) for view in up] == [  # type: ignore[attr-defined] # JSON
            ("validator", True),
            ("validator-2", True),
        ]
        status = run("status", directory, "--json")
        assert all(view["height"] is not None for view in status)  # type: ignore[attr-defined] # JSON
        assert "event=started" in str(run("logs", "validator", directory, "--json"))
    finally:
        down = run("down", directory, "--json")
    assert not any(view["running"] for view in down)  # type: ignore[attr-defined] # JSON
