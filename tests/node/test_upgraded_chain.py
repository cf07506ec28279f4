"""A chain that was upgraded: what was decoded before the upgrade decodes the same after it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from bench.decisions import decide
from consensus.cryptography import key_scheme
from consensus.errors import InvalidCertificate
from genesis.chain_spec import dev_spec, development_keypair, genesis_block
from node.chain import Chain
from node.chain_client.base import BaseChain, OldEvent
from node.chain_client.generator import generate
from node.client import NodeClient
from node.config import DataDirectory
from node.consensus.keys import ValidatorKeys
from node.errors import ConfigError, NotFound, RpcFailed
from node.json_values import to_json
from node.mempool import Mempool
from node.metrics import Metrics
from node.rpc.network import Alone
from node.rpc.server import NodeParts, public_dispatcher
from node.snapshots import export_snapshot, import_snapshot
from node.transport import failure_of
from pallets.balances.pallet import Balances
from pallets.utility.pallet import Utility
from runtime.calls import RuntimeCall
from runtime.errors import DecodeError
from runtime.extrinsic import sign_extrinsic
from runtime.metadata import describe_runtime
from tests.node.test_generator import load
from tests.node.upgraded_ledger import Mood, Note, install

ALICE = development_keypair("alice")
KEYS = ValidatorKeys.from_keypair(development_keypair("validator"))
RECEIVER = bytes([7]) * 32


class LocalClient(NodeClient):
    """A client of an open chain in the same process."""

    def __init__(self, chain: Chain) -> None:
        super().__init__("http://127.0.0.1:1")
        nobody, account = cast("Any", None), KEYS.account
        network, metrics = Alone(account), Metrics()
        parts = NodeParts(chain, Mempool(), nobody, nobody, network, metrics, nobody, account)
        self.dispatcher = public_dispatcher(parts)[0]

    def call(self, method: str, *parameters: Any) -> Any:
        """As a node answers: through JSON."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        answer = json.loads(trio.run(self.dispatcher.answer, json.dumps(request).encode()))
        failure = failure_of(answer)
        if failure is not None:
            raise failure
        return answer["result"]


class Node:
    """A chain of which every block is made, finalised and committed by hand."""

    def __init__(self, directory: DataDirectory) -> None:
        self.chain = Chain.open(directory, dev_spec(), KEYS)
        self.client = LocalClient(self.chain)

    def make_block(self, *calls: RuntimeCall) -> list[bytes]:
        """Make a block of Alice's calls; returns the hashes of its extrinsics."""
        chain = self.chain
        # Not `nonce_of`: here even the first block of an upgrade has extrinsics.
        with chain.runtime.reading(chain.store):
            nonce = chain.runtime.pallets["Balances"].next_nonce(ALICE.account)
        checked = [
            chain.check(
                sign_extrinsic(
                    call,
                    ALICE,
                    genesis_hash=chain.genesis_hash,
                    spec_version=chain.runtime.spec_version,
                    nonce=nonce + number,
                )
            )
            for number, call in enumerate(calls)
        ]
        candidate = chain.build(checked, 0)
        assert not candidate.left_out
        decision = decide(candidate, KEYS, key_scheme(chain.validators, chain.genesis_hash))
        chain.commit(candidate, decision)
        chain.advance(candidate, decision)
        return list(candidate.extrinsic_hashes)

    def views(self, heights: range) -> list[Any]:
        """Everything that a node tells of some blocks."""
        call = self.client.call
        return [
            (
                call("chain_getBlock", height),
                call("chain_getEvents", height),
                [
                    call("author_extrinsicStatus", each["hash"])
                    for each in call("chain_getBlock", height)["extrinsics"]
                ],
                call("state_getMetadata", height),
                to_json([each.fields for each in self.client.events(height)], None),
            )
            for height in heights
        ]


@contextmanager
def running(directory: DataDirectory) -> Iterator[Node]:
    """A node of a directory, until the end of the block."""
    node = Node(directory)
    try:
        yield node
    finally:
        node.chain.close()


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    """An empty data directory of the development chain."""
    directory = DataDirectory(tmp_path / "node")
    directory.begin(dev_spec())
    return directory


@pytest.fixture
def before(directory: DataDirectory, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A chain of spec version 1, and what its node told of it: heights 0 to 3."""
    ledger = install(monkeypatch, 1)["Ledger"]
    transfer = Balances.transfer.Call(receiver=RECEIVER, amount=5)
    with running(directory) as node:
        node.make_block(ledger.note.Call(1, "first"), ledger.note.Call(2, "second"), transfer)
        node.make_block(
            Utility.batch.Call((ledger.forget.Call(1), transfer)),
            ledger.forget.Call(99),
            ledger.hold.Call(Utility.batch.Call((ledger.note.Call(3, "held"),))),
        )
        node.make_block()
        return node.views(range(4))


def test_blocks_are_told_with_their_calls_and_events(before: list[Any]) -> None:
    """By the version that made them: held calls, inherents and failures included."""
    block, events, statuses, metadata, _ = before[2]
    assert [each["call"] for each in block["extrinsics"]] == [
        "Ledger.tick",
        "Utility.batch",
        "Ledger.forget",
        "Ledger.hold",
    ]
    forget, transfer = block["extrinsics"][1]["arguments"]["calls"]
    assert forget == {"call": "Ledger.forget", "arguments": {"number": 1}}
    assert transfer["arguments"] == {"receiver": RECEIVER.hex(), "amount": 5}
    assert "signer" not in block["extrinsics"][0]
    held = {"call": "Ledger.note", "arguments": {"number": 3, "text": "held"}}
    nested = {"call": "Utility.batch", "arguments": {"calls": [held]}}
    assert block["extrinsics"][3]["arguments"] == {"held": nested}
    assert events["spec_version"] == metadata["spec_version"] == 1
    assert {"held": nested} in [each["fields"] for each in events["events"]]
    assert [each["ok"] for each in statuses] == [True, True, False, True]
    assert statuses[2]["error_name"] == "Ledger.Missing"


def test_old_blocks_decode_as_before_an_upgrade(
    directory: DataDirectory, before: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls, events, statuses and metadata; new blocks decode by the new version."""
    pallets = install(monkeypatch, 2)
    ledger, greet = pallets["Ledger"], pallets["Newcomer"].greet.Call("you")
    with running(directory) as node:
        assert node.views(range(4)) == before
        assert node.client.call("state_getMetadata")["spec_version"] == 2
        node.make_block(ledger.note.Call(Mood.GLAD, 3, "third"), ledger.forget.Call(2), greet)
        node.make_block()
        assert node.views(range(4)) == before
        after = node.views(range(4, 6))
    with running(directory) as node:
        assert node.views(range(4)) == before
        assert node.views(range(4, 6)) == after
        block = node.client.call("chain_getBlock", 2)
        by_id = node.client.call("state_getMetadata", block["id"])
        assert by_id == node.client.call("state_getMetadata", 0) == before[2][3]
        with node.chain.runtime.reading(node.chain.store):
            assert node.chain.runtime.pallets["Ledger"].notes[3] == Note(Mood.GLAD, "third")
    upgrade, events, statuses, metadata, _ = after[0]
    assert [each["call"] for each in upgrade["extrinsics"]] == [
        "Ledger.note",
        "Ledger.forget",
        "Newcomer.greet",
    ]
    assert upgrade["extrinsics"][0]["arguments"] == {"mood": "GLAD", "number": 3, "text": "third"}
    assert events["spec_version"] == metadata["spec_version"] == 2
    assert {"who": "you"} in [each["fields"] for each in events["events"]]
    assert all(each["ok"] for each in statuses)


def test_the_new_types_would_misread_old_blocks(
    directory: DataDirectory, before: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is why the spec version of the block decides."""
    install(monkeypatch, 2)
    with running(directory) as node:
        encoded = node.chain.store.events(1)
        assert encoded is not None
        with pytest.raises(DecodeError):
            node.chain.runtime.decode_events(encoded)


def test_clients_decode_each_block_by_its_version(
    directory: DataDirectory, before: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client of the new version reads old events; a typed one has classes for the same ones."""
    pallets = install(monkeypatch, 2)
    with running(directory) as node:
        node.make_block(pallets["Ledger"].note.Call(Mood.GLAD, 3, "third"))
        noted = next(each for each in node.client.events(1) if each.name == "Noted")
        assert (noted.fields["number"], noted.fields["note"].text) == (1, "first")
        module = load(generate(node.client.call("state_getMetadata")))
        with cast("BaseChain", module.Chain(node.client.url)) as chain:
            chain.connection = node.client
            read = chain.events(since=0)._read
            found = {
                height: [
                    each.event for each in read(node.client.call("chain_getEvents", height, False))
                ]
                for height in (1, 2, 4)
            }
        typed = chain.balances  # type: ignore[attr-defined] # generated here
        assert [each.amount for each in found[1] if isinstance(each, typed.Transfer)] == [5]
        old = [each for each in found[1] if isinstance(each, OldEvent)]
        assert [(each.pallet, each.name, each.fields["number"]) for each in old] == [
            ("Ledger", "Noted", 1),
            ("Ledger", "Noted", 2),
        ]
        assert module.Ledger.Forgotten(1) in found[2]
        new = [each for each in found[4] if isinstance(each, module.Ledger.Noted)]
        assert [(each.author, each.note.text) for each in new] == [(ALICE.account, "third")]


def test_old_values_decode_by_the_version_of_their_height(
    directory: DataDirectory, before: list[Any], monkeypatch: pytest.MonkeyPatch, openledger: Any
) -> None:
    """At a height before the upgrade, and from the command line."""
    install(monkeypatch, 2)
    with running(directory) as node:
        node.make_block()
        for height, expected in ((3, '{"text": "second"}'), (4, '{"mood": "PLAIN"')):
            item = node.client.decoder_at(height).item("Ledger", "notes")
            encoded = node.chain.store.get_at(item.storage_key(2), height)
            assert encoded is not None
            assert expected[:-1] in json.dumps(to_json(item.codec.decode(encoded)))
    read = ("db", "get", "--data", str(directory.root), "ledger", "notes", "2")
    assert json.loads(openledger(*read, "--at", "3").stdout) == {"text": "second"}
    assert json.loads(openledger(*read).stdout) == {"mood": "PLAIN", "text": "second"}
    held = ("db", "get", "--data", str(directory.root), "ledger", "held", "--at", "3")
    assert json.loads(openledger(*held).stdout)["call"] == "Utility.batch"


def test_metadata_travel_in_snapshots(
    directory: DataDirectory, before: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A node that begins under the new version has those of the old one, and the chain's hash."""
    install(monkeypatch, 2)
    with running(directory) as node:
        node.make_block()
        node.make_block()
        export_snapshot(node.chain.store.freeze(), tmp_path / "snapshot")
        expected = node.views(range(5, 6))
        genesis_hash = node.chain.genesis_hash
    computed = genesis_block(dev_spec())[0].header
    assert computed.id() != genesis_hash
    other = DataDirectory(tmp_path / "other")
    other.begin(dev_spec())
    import_snapshot(tmp_path / "snapshot", other, computed, dev_spec().validator_set())
    with running(other) as node:
        assert node.chain.genesis_hash == genesis_hash
        assert node.views(range(5, 6)) == expected
        assert node.client.call("state_getMetadata", 0) == before[0][3]
        node.make_block()


def test_block_zero_of_an_older_version_is_not_proved_by_a_snapshot(
    directory: DataDirectory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nobody voted for it, and the new code cannot make it again."""
    install(monkeypatch, 1)
    with running(directory) as node:
        export_snapshot(node.chain.store.freeze(), tmp_path / "snapshot")
    install(monkeypatch, 2)
    other = DataDirectory(tmp_path / "other")
    other.begin(dev_spec())
    computed = genesis_block(dev_spec())[0].header
    with pytest.raises((InvalidCertificate, DecodeError)):
        import_snapshot(tmp_path / "snapshot", other, computed, dev_spec().validator_set())


def test_an_older_installation_does_not_open_an_upgraded_chain(
    directory: DataDirectory, before: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would not know what the state means."""
    install(monkeypatch, 2)
    with running(directory) as node:
        node.make_block()
    install(monkeypatch, 1)
    with pytest.raises(ConfigError, match="spec version 2, and this installation of 1"):
        Node(directory)


def test_an_upgraded_chain_is_still_that_of_its_chain_spec(
    directory: DataDirectory, before: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Block 0 commits to it, whatever version made it."""
    install(monkeypatch, 2)
    with pytest.raises(ConfigError, match="another block than the chain spec"):
        Chain.open(directory, replace(dev_spec(), name="other"), KEYS)


def test_missing_metadata_are_said_to_be_missing(
    directory: DataDirectory, before: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that never ran a version cannot tell what its blocks say."""
    install(monkeypatch, 2)
    with running(directory) as node:
        monkeypatch.setattr(node.chain.store, "metadata", lambda _version: None)
        with pytest.raises(RpcFailed, match="no metadata of spec version 1"):
            node.client.call("chain_getBlock", 1)
        with pytest.raises(NotFound, match="no block 9"):
            node.chain.spec_version_at(9)


def test_metadata_of_a_version_in_development_are_replaced(
    directory: DataDirectory, before: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a new spec version, what runs is what is told."""
    install(monkeypatch, 1)

    def describe(*parts: Any) -> dict[str, Any]:
        return describe_runtime(*parts) | {"name": "renamed"}

    monkeypatch.setattr("runtime.executive.describe_runtime", describe)
    with running(directory) as node:
        assert node.client.call("state_getMetadata") == before[0][3] | {"name": "renamed"}
