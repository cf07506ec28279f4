"""`openledger db` and snapshots, on the directories of real nodes."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consensus.decision import Decision
from consensus.errors import InvalidCertificate
from genesis.chain_spec import ChainSpec, development_keypair, genesis_block
from node.client import NodeClient
from node.config import Checkpoint, DataDirectory
from node.errors import ConfigError, RpcFailed
from node.snapshots import import_snapshot, read_manifest, read_snapshot
from pallets.balances.pallet import Balances
from runtime.block import Header
from runtime.errors import InvalidProof
from runtime.hashing import hash_state_key, hash_state_value
from runtime.state.tree import Tree
from tests.node.conftest import RunningNode

Run = Callable[..., Any]
RECEIVER = bytes([7]) * 32


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a stopped node, with a snapshot that it wrote while running."""
    data = tmp_path_factory.mktemp("db") / "node"
    node = RunningNode(data)
    with NodeClient(node.url) as client:
        sender = development_keypair("faucet")
        client.submit(Balances.transfer.Call(receiver=RECEIVER, amount=5), sender)
        node.process.send_signal(signal.SIGUSR1)
        height = client.height()
        while not list((data / "snapshots").glob("[0-9]*/manifest")):
            height += 1
            client.wait_height(height)
        client.submit(Balances.transfer.Call(receiver=RECEIVER, amount=6), sender)
        _check_old_values(client)
    assert node.stop() == 0
    return data


def _check_old_values(client: NodeClient) -> None:
    """Values of every height are read and proved over RPC."""
    key = Balances.accounts.storage_key(RECEIVER)
    balances = []
    for height in range(client.height() + 1):
        proved = client.proved([key, b"absent"], height)
        assert proved.values[b"absent"] is None
        encoded = client.call("state_getStorage", key.hex(), height)
        assert proved.values[key] == (None if encoded is None else bytes.fromhex(encoded))
        value = proved.values[key]
        balances.append(Balances.accounts.codec.decode(value).free if value else 0)
    assert balances[0] == 0
    assert balances == sorted(balances)
    assert {0, 5, 11} == frozenset(balances)
    with pytest.raises(RpcFailed, match="no block"):
        client.proved([key], 10**6)
    with pytest.raises(RpcFailed, match="not kept"):
        client.call("state_getStorage", key.hex(), 10**6)


@pytest.fixture
def data(stopped: Path, tmp_path: Path) -> Path:
    """A copy of that directory, to be changed."""
    return Path(shutil.copytree(stopped, tmp_path / "node"))


def _snapshot_of(data: Path) -> Path:
    (manifest,) = (data / "snapshots").glob("*/manifest")
    return manifest.parent


def test_stats_count_every_entry(openledger: Run, stopped: Path) -> None:
    """By storage item, for people and programs."""
    printed = json.loads(openledger("db", "stats", "--data", str(stopped), "--json").stdout)
    assert printed["entries"] == sum(each["entries"] for each in printed["items"])
    items = {each["item"]: each for each in printed["items"]}
    assert items["Balances.issuance"]["entries"] == 1
    assert "(unknown)" not in items
    assert printed["states_from"] == printed["blocks_from"] == 0
    assert "Balances.issuance" in openledger("db", "stats", "--data", str(stopped)).stdout


def test_get_decodes_values(openledger: Run, stopped: Path) -> None:
    """One value, one entry, a list of entries, and an entry at an older height."""
    read = ("db", "get", "--data", str(stopped))
    assert int(openledger(*read, "balances", "issuance").stdout) > 0
    account = json.loads(openledger(*read, "Balances", "accounts", RECEIVER.hex()).stdout)
    assert account["free"] == 11
    listed = json.loads(openledger(*read, "Balances", "accounts", "--json").stdout)
    assert RECEIVER.hex() in [each["key"] for each in listed]
    assert len(openledger(*read, "Balances", "accounts", "--limit", "2").stdout.splitlines()) == 3
    older = openledger(*read, "Balances", "accounts", RECEIVER.hex(), "--at", "0")
    assert json.loads(older.stdout) is None
    late = openledger(*read, "Balances", "issuance", "--at", "1000000")
    assert "no block 1000000" in late.stderr
    assert "no storage item" in openledger(*read, "Balances", "other").stderr


def test_verify_and_rebuild(openledger: Run, data: Path) -> None:
    """A whole directory is verified; one without its manifest is mended and verified again."""
    where = ("--data", str(data))
    verified = openledger("db", "verify", *where)
    assert (verified.returncode, verified.stderr) == (0, "")
    assert json.loads(openledger("db", "rebuild", *where, "--json").stdout)["repaired"] is False
    (data / "state" / "CURRENT").unlink()
    damaged = openledger("db", "stats", *where)
    assert damaged.returncode == 2
    assert "db rebuild" in damaged.stderr
    assert "lost" in openledger("db", "rebuild", *where).stdout
    assert json.loads(openledger("db", "verify", *where, "--json").stdout)["ok"]


def test_verify_prints_findings(openledger: Run, data: Path) -> None:
    """Exit code 1, a sentence each, and what to do."""
    import plyvel

    database = plyvel.DB(str(data / "state"))
    database.delete(b"u" + (2).to_bytes(8, "big"))
    database.close()
    found = openledger("db", "verify", "--data", str(data))
    assert found.returncode == 1
    assert "undo log of height 2 is missing" in found.stdout
    assert "db rebuild" in found.stdout
    rebuilt = openledger("db", "rebuild", "--data", str(data))
    assert "Old states from height 0 to 1 cannot be rebuilt." in rebuilt.stdout


def test_a_running_node_wrote_a_snapshot(stopped: Path) -> None:
    """It is the state of its own block, and proves that."""
    directory = _snapshot_of(stopped)
    snapshot = read_snapshot(directory)
    assert str(snapshot.header.height) == directory.name
    pairs = ((hash_state_key(k), hash_state_value(v)) for k, v in snapshot.state.items())
    assert Tree().update(pairs).root == snapshot.header.state_root


def test_export_and_import(openledger: Run, stopped: Path, tmp_path: Path) -> None:
    """The imported directory has the same head; a node goes on from there, with its signer."""
    target = tmp_path / "snapshot"
    exported = openledger("db", "export", "--data", str(stopped), str(target), "--json")
    fields = json.loads(exported.stdout)
    again = openledger("db", "export", "--data", str(stopped), str(target))
    assert "is there already" in again.stderr
    new = tmp_path / "new"
    command = ("db", "import", "--data", str(new), str(target))
    imported = openledger(*command, "--chain", str(stopped / "chain.toml"), "--json")
    assert json.loads(imported.stdout)["state_root"] == fields["state_root"]
    assert "holds a state already" in openledger(*command).stderr
    assert openledger("db", "verify", "--data", str(new)).returncode == 0


def test_an_imported_node_goes_on(openledger: Run, data: Path) -> None:
    """It makes blocks on the snapshot's, with its signer beside it, and has block 0's header."""
    snapshot = data.parent / "snapshot"
    assert openledger("db", "export", "--data", str(data), str(snapshot)).returncode == 0
    shutil.rmtree(data / "state")
    assert openledger("db", "import", "--data", str(data), str(snapshot)).returncode == 0
    height = read_manifest(snapshot).header.height
    node = RunningNode(data)
    with node.client() as client:
        client.wait_height(height + 2)
        assert client.call("chain_getHeader", 0)["id"] == client.genesis_hash.hex()
        with pytest.raises(RpcFailed, match="not kept"):
            client.call("chain_getBlock", 1)
        client.proved([b"absent"], height)
    assert node.stop() == 0


def test_wrong_snapshots_are_refused(data: Path, tmp_path: Path) -> None:
    """Of another chain, not finalised, damaged, incomplete: and the directory stays as it was."""
    source = _snapshot_of(data)
    spec = ChainSpec.load(data / "chain.toml")
    validators = spec.validator_set()
    computed = genesis_block(spec)[0].header
    directory = DataDirectory(tmp_path / "new")
    directory.begin(spec)

    def refused(error: type[Exception], genesis: Header = computed) -> str:
        with pytest.raises(error) as caught:
            import_snapshot(source, directory, genesis, validators)
        assert [entry.name for entry in directory.root.iterdir()] == ["chain.toml"]
        return str(caught.value)

    assert "another chain" in refused(InvalidProof, replace(computed, time_ms=1))
    newer = replace(computed, spec_version=2, beacon=bytes(32))
    assert "another chain" in refused(InvalidProof, newer)
    manifest = source / "manifest"
    whole = manifest.read_bytes()
    (share,) = Decision.decode(read_manifest(source).commit).certificate.shares
    manifest.write_bytes(whole.replace(share, share[:-1] + bytes([share[-1] ^ 1])))
    refused(InvalidCertificate)
    manifest.write_bytes(whole)
    chunk = source / "00000000.chunk"
    values = chunk.read_bytes()
    chunk.write_bytes(values[:-1])
    assert "Chunk 0 is not" in refused(InvalidProof)
    chunk.unlink()
    assert "cannot be read" in refused(ConfigError)
    chunk.write_bytes(values)
    newer = replace(computed, spec_version=2, state_root=bytes(32))
    import_snapshot(source, directory, newer, validators)


def test_a_trusted_block_says_who_decided_it(data: Path, tmp_path: Path) -> None:
    """Where the validators have changed since genesis, the operator names the block instead."""
    source = _snapshot_of(data)
    spec = ChainSpec.load(data / "chain.toml")
    genesis, header = genesis_block(spec)[0].header, read_manifest(source).header
    directory = DataDirectory(tmp_path / "new")
    directory.begin(spec)
    with pytest.raises(InvalidProof, match="is of block"):
        import_snapshot(source, directory, genesis, Checkpoint(header.height, bytes(32)))
    trusted = Checkpoint(header.height, header.id())
    assert import_snapshot(source, directory, genesis, trusted).height == header.height
