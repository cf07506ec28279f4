"""The running node: its routes, its methods' refusals, and what stops it from starting."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from genesis.chain_spec import DEV_ACCOUNTS, dev_spec
from node.client import NodeClient
from node.errors import RpcFailed
from node.keystore import DerivationCost, Keystore


def test_routes_answer(dev_node: Any, client: NodeClient) -> None:
    """/health, /ready and /metrics for machines, JSON-RPC errors for everything else."""
    client.wait_height(1)
    with httpx.Client(base_url=dev_node.url, trust_env=False) as http:
        health = http.get("/health").json()
        assert health["finalized_height"] >= 1
        assert (health["peers"], health["syncing"]) == (0, False)
        ready = http.get("/ready")
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
        metrics = http.get("/metrics").text
        assert "openledger_height" in metrics
        assert 'method="system_health"' in metrics
        for method, path, status in (
            ("GET", "/", 404),
            ("GET", "/content/zz", 400),
            ("GET", f"/content/{'00' * 32}", 404),
            ("DELETE", f"/content/{'00' * 32}", 405),
        ):
            response = http.request(method, path)
            assert response.status_code == status
            assert response.json()["error"]["data"]["remedy"]


def test_a_body_over_the_limit_is_a_json_rpc_error(dev_node: Any) -> None:
    """9 MiB of request get 413 in the shape of JSON-RPC."""
    with httpx.Client(trust_env=False) as http:
        response = http.post(dev_node.url, content=bytes(9 * 1024 * 1024))
    assert response.status_code == 413
    assert response.json()["error"]["data"]["type"] == "HttpError"


def test_the_system_answers(client: NodeClient) -> None:
    """Names, versions, properties, metadata and the list of methods."""
    assert client.call("system_name") == "openledger"
    assert client.call("system_version")
    assert client.call("system_chain")
    assert client.properties["decimals"] == 18
    metadata = client.call("state_getMetadata")
    assert "Balances" in str(metadata)
    methods = client.call("rpc_methods")
    assert methods["chain_getEvents"] == "(height, decoded=True)"
    assert methods["chain_getBlock"] == "(block=None)"


@pytest.mark.parametrize(
    ("method", "parameters", "kind"),
    [
        ("chain_getBlock", [2**62], "NotFound"),
        ("chain_getBlock", ["00" * 32], "NotFound"),
        ("chain_getBlock", ["zz"], "InvalidParameters"),
        ("chain_getBlock", [-1], "InvalidParameters"),
        ("chain_getEvents", [2**62], "NotFound"),
        ("state_getStorage", ["00" * 513], "InvalidParameters"),
        ("state_getKeysPaged", ["", 0], "InvalidParameters"),
        ("state_getKeysPaged", ["", 1_001], "InvalidParameters"),
        ("state_getReadProof", ["00"], "InvalidParameters"),
        ("state_getReadProof", [["00"] * 65], "InvalidParameters"),
        ("system_accountNextIndex", ["00"], "InvalidParameters"),
        ("author_extrinsicStatus", ["00"], "InvalidParameters"),
        ("author_submitExtrinsic", ["00" * 70_000], "InvalidParameters"),
        ("content_has", [["00"]], "InvalidParameters"),
    ],
)
def test_wrong_parameters_are_named(
    client: NodeClient, method: str, parameters: list[Any], kind: str
) -> None:
    """Every method checks type, range and length, and says what it wants."""
    with pytest.raises(RpcFailed) as caught:
        client.call(method, *parameters)
    assert caught.value.kind == kind
    assert caught.value.remedy


def test_keys_are_paged(client: NodeClient) -> None:
    """Pages follow each other without gap or overlap."""
    first = client.call("state_getKeysPaged", "", 5)
    second = client.call("state_getKeysPaged", "", 5, first[-1])
    both = client.call("state_getKeysPaged", "", 10)
    assert first + second == both == sorted(both)


def test_heights_advance_without_extrinsics(client: NodeClient) -> None:
    """An idle chain has a heartbeat."""
    client.wait_height(client.height() + 3, timeout_s=20)


def test_a_validator_starts_from_spec_and_key_file(
    start_node: Callable[..., Any], openledger_process: Callable[..., Any], tmp_path: Path
) -> None:
    """Init prints the genesis hash of what `node` then runs; with another key a node follows."""
    spec, password = tmp_path / "spec.toml", tmp_path / "password"
    dev_spec().save(spec)
    password.write_text("secret\n")
    keystore = Keystore(tmp_path / "keys", cost=DerivationCost(1, 8192))
    validator = keystore.keep("validator", "secret", DEV_ACCOUNTS["validator"]).path
    stranger = keystore.new("stranger", "secret").path
    data = tmp_path / "node"
    made = openledger_process("init", "--data", str(data), "--chain", str(spec), "--json")
    unlock = ("--password-file", str(password))
    follower = start_node(start=("node", "--key", str(stranger), *unlock, "--p2p-port", "0"))
    with follower.client() as client:
        assert client.height() == 0
    assert follower.stop() == 0
    assert 'event="not a validator now"' in follower.log.read_text()
    node = start_node(start=("node", "--key", str(validator), *unlock, "--p2p-port", "0"))
    with node.client() as client:
        client.wait_height(1)
        assert client.genesis_hash.hex() == json.loads(made.stdout)["genesis_hash"]
    assert node.stop() == 0


def test_a_taken_port_stops_the_start(
    openledger_process: Callable[..., Any], tmp_path: Path
) -> None:
    """One sentence, a remedy, exit code 2, no traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = openledger_process(
            "dev", "--data", str(tmp_path / "node"), "--rpc-port", str(port)
        )
    assert result.returncode == 2
    assert f"Port {port} on 127.0.0.1 is already in use." in result.stderr
    assert "Traceback" not in result.stderr


def test_a_locked_directory_stops_the_start(
    dev_node: Any, openledger_process: Callable[..., Any]
) -> None:
    """Two nodes never share a data directory."""
    result = openledger_process("dev", "--data", str(dev_node.data), "--rpc-port", "0")
    assert result.returncode == 2
    assert "in use" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_foreign_or_damaged_directory_stops_the_start(
    start_node: Callable[..., Any], openledger_process: Callable[..., Any], tmp_path: Path
) -> None:
    """Somebody else's files, a lost store and a lost signer file: each is refused in a sentence."""
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("mine")
    results = [openledger_process("dev", "--data", str(foreign), "--rpc-port", "0")]

    node = start_node()
    with node.client() as client:
        client.wait_height(2)
    node.kill()
    signer = node.data / "signer"
    kept = signer.read_bytes()
    signer.unlink()
    results.append(openledger_process("dev", "--data", str(node.data), "--rpc-port", "0"))
    signer.write_bytes(kept)
    (node.data / "state").rename(tmp_path / "moved")
    results.append(openledger_process("dev", "--data", str(node.data), "--rpc-port", "0"))
    (tmp_path / "moved").rename(node.data / "state")
    (node.data / "state" / "CURRENT").unlink()
    results.append(openledger_process("dev", "--data", str(node.data), "--rpc-port", "0"))
    for result in results:
        assert result.returncode == 2
        assert result.stderr.startswith("Error: ")
        assert "Traceback" not in result.stderr
