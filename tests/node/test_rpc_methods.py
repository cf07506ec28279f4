"""The node's methods on a running node: what they answer, and what subscriptions send."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from genesis.chain_spec import development_keypair
from node.client import NodeClient
from node.errors import RpcFailed
from node.mempool import TIP_RAISE_MIN
from node.rpc import document
from node.rpc.methods import public_document, public_methods
from node.websocket import WebSocket
from pallets.balances.pallet import Balances
from pallets.system.pallet import System
from runtime.extrinsic import sign_extrinsic, unsigned_extrinsic
from runtime.hashing import hash_extrinsic, hash_text
from runtime.keys import Keypair
from runtime.types import OPEN
from tests.node.conftest import RunningNode

ALICE, BOB, FAUCET = map(development_keypair, ("alice", "bob", "faucet"))
ISSUANCE = Balances.issuance.prefix


@pytest.fixture
def socket(dev_node: RunningNode) -> Iterator[WebSocket]:
    """A connection to the shared node."""
    with contextlib.closing(WebSocket(dev_node.url)) as socket:
        yield socket


def request(socket: WebSocket, method: str, *parameters: Any) -> Any:
    """The answer to one request, past the notifications that come before it."""
    body = {"jsonrpc": "2.0", "id": "q", "method": method, "params": list(parameters)}
    socket.send(json.dumps(body))
    while True:
        message = json.loads(socket.receive())
        if "id" in message:
            return message.get("result", message.get("error"))


def notified(socket: WebSocket) -> Any:
    """The result of the next notification."""
    return json.loads(socket.receive())["params"]["result"]


def signed(client: NodeClient, keypair: Keypair, nonce: int, tip: int = 0) -> bytes:
    """A remark that is its own by its tip."""
    return sign_extrinsic(
        System.remark.Call(data=b"watched"),
        keypair,
        genesis_hash=client.genesis_hash,
        spec_version=client.spec_version,
        nonce=nonce,
        tip=tip,
    )


def person(client: NodeClient, name: bytes) -> Keypair:
    """A new account with an OPEN."""
    keypair = Keypair.from_seed(hash_text(name))
    client.submit(Balances.transfer.Call(receiver=keypair.account, amount=OPEN), FAUCET)
    return keypair


def test_a_watched_extrinsic_tells_its_stages(client: NodeClient, socket: WebSocket) -> None:
    """Future behind a gap, usurped by a higher tip, ready, final with its place and result."""
    sender = person(client, b"watched")
    second, dearer = signed(client, sender, 1), signed(client, sender, 1, TIP_RAISE_MIN)
    request(socket, "author_submitAndWatchExtrinsic", second.hex())
    assert notified(socket) == {"stage": "future"}
    assert second.hex() in client.call("author_pendingExtrinsics")
    with WatchedBy(client.url) as other:
        request(other, "author_submitAndWatchExtrinsic", dearer.hex())
        assert notified(other) == {"stage": "future"}
        usurped = notified(socket)
        assert (usurped["stage"], usurped["reason"]["type"]) == ("usurped", "Usurped")
        assert usurped["usurper"] == hash_extrinsic(dearer).hex()
        client.call("author_submitExtrinsic", signed(client, sender, 0).hex())
        assert notified(other) == {"stage": "ready"}
        final = notified(other)
    assert (final["stage"], final["outcome"]["ok"]) == ("finalized", True)
    block = client.call("chain_getBlock", final["height"])
    assert block["id"] == final["block"]
    assert block["extrinsics"][final["index"]]["hash"] == hash_extrinsic(dearer).hex()


class WatchedBy(contextlib.closing[WebSocket]):
    """A second connection."""

    def __init__(self, url: str) -> None:
        super().__init__(WebSocket(url))


def test_an_included_extrinsic_can_be_watched(client: NodeClient, socket: WebSocket) -> None:
    """Who sends the same bytes again hears at once where they are."""
    sender = person(client, b"again")
    raw = signed(client, sender, 0)
    for _ in range(2):
        request(socket, "author_submitAndWatchExtrinsic", raw.hex())
        while (update := notified(socket))["stage"] != "finalized":
            assert update["stage"] == "ready"
    assert client.status(hash_extrinsic(raw))["height"] == update["height"]


def test_a_refused_submission_is_not_watched(client: NodeClient, socket: WebSocket) -> None:
    """The request fails as `author_submitExtrinsic` does, and holds no subscription."""
    raw = bytearray(signed(client, ALICE, 2**32))
    raw[-1] ^= 1
    for _ in range(20):
        refused = request(socket, "author_submitAndWatchExtrinsic", raw.hex())
        assert refused["data"]["type"] == "NotSigned"
    assert request(socket, "author_unwatchExtrinsic", "1") is False


def test_storage_is_followed(client: NodeClient, socket: WebSocket) -> None:
    """First all values, then those that changed, as of one block."""
    account = Balances.accounts.storage_key(BOB.account)
    absent = Balances.accounts.storage_key(bytes(32))
    identifier = request(socket, "state_subscribeStorage", [account.hex(), absent.hex()])
    first = dict(notified(socket)["changes"])
    assert first[absent.hex()] is None
    client.submit(System.remark.Call(data=b"changes the nonce"), BOB)
    second = notified(socket)
    assert [key for key, _ in second["changes"]] == [account.hex()]
    assert dict(second["changes"]) != first
    at = client.call("state_queryStorageAt", [account.hex(), absent.hex()], second["block"])
    assert dict(at["changes"]) == {**first, **dict(second["changes"])}
    assert at["block"] == second["block"]
    assert request(socket, "state_unsubscribeStorage", identifier) is True


def test_the_runtime_version_is_told(client: NodeClient, socket: WebSocket) -> None:
    """At once; the next one comes with an upgrade."""
    identifier = request(socket, "state_subscribeRuntimeVersion")
    expected = {"spec_name": "openledger", "spec_version": client.spec_version}
    assert notified(socket) == expected == client.call("state_getRuntimeVersion")
    assert client.call("state_getRuntimeVersion", 0) == expected
    assert request(socket, "state_unsubscribeRuntimeVersion", identifier) is True


def test_new_heads_are_finalised_heads(socket: WebSocket) -> None:
    """Under another name, for clients that ask for them."""
    identifier = request(socket, "chain_subscribeNewHeads", 1)
    assert notified(socket)["height"] == 1
    assert request(socket, "chain_unsubscribeNewHeads", identifier) is True


def test_blocks_have_hashes(client: NodeClient) -> None:
    """By height and for the head."""
    first = client.call("chain_getBlockHash", 0)
    assert first == client.genesis_hash.hex()
    assert client.call("chain_getHeader", client.call("chain_getBlockHash"))["height"] >= 0
    with pytest.raises(RpcFailed, match="no block"):
        client.call("chain_getBlockHash", 2**60)


def test_a_fee_is_the_sum_of_its_parts(client: NodeClient) -> None:
    """And needs no signature."""
    call = Balances.transfer.Call(receiver=BOB.account, amount=5)
    raw = unsigned_extrinsic(call, ALICE.account, spec_version=1, nonce=7, tip=3).hex()
    fee, parts = client.call("payment_queryInfo", raw), client.call("payment_queryFeeDetails", raw)
    assert fee["fee"] == parts["base"] + parts["length"] + parts["weight"]
    assert parts["tip"] == 3


def test_a_dry_run_leaves_no_trace(client: NodeClient) -> None:
    """It tells result, fee, events and storage of what would happen, and nothing happens."""
    call = Balances.transfer.Call(receiver=BOB.account, amount=5)
    nonce = client.next_nonce(ALICE.account)
    done = client.rehearse(call, ALICE.account)
    assert (done.ok, done.error) == (True, "")
    assert done.fee == client.fee(call, ALICE.account)
    assert 0 < done.units_used <= done.units
    assert [event.name for event in done.events] == ["Transfer"]
    keys = {Balances.accounts.storage_key(who.account) for who in (ALICE, BOB)}
    assert keys <= set(done.storage)
    assert client.next_nonce(ALICE.account) == nonce


def test_a_dry_run_tells_why_a_call_fails(client: NodeClient) -> None:
    """A call that fails is a result, an extrinsic that no block takes a refusal."""
    too_much = Balances.transfer.Call(receiver=BOB.account, amount=2**100)
    failed = client.rehearse(too_much, ALICE.account)
    assert (failed.ok, failed.error_name) == (False, "Balances.Insufficient")
    assert failed.remedy
    assert failed.fee > 0
    with pytest.raises(RpcFailed, match="fee and tip"):
        client.rehearse(too_much, bytes(32))


def test_the_node_tells_of_its_network(client: NodeClient) -> None:
    """A single validator has an identity, a role and no peers."""
    assert client.call("system_peers") == []
    assert client.call("system_nodeRoles") == ["Authority"]
    assert len(client.call("system_localPeerId")) == 64
    state = client.call("system_syncState")
    assert state["current_height"] == state["highest_height"] >= state["starting_height"]


def test_subscriptions_need_a_socket(client: NodeClient) -> None:
    """Over HTTP they are refused with a remedy."""
    with pytest.raises(RpcFailed, match="stays open") as caught:
        client.call("chain_subscribeNewHeads")
    assert caught.value.kind == "SocketNeeded"


def test_the_document_is_what_the_node_answers(client: NodeClient) -> None:
    """`rpc.discover`, the pinned file and the page: all come from the methods themselves."""
    answered = client.call("rpc.discover")
    assert json.loads(json.dumps(public_document())) == answered
    hint = "run: python -m node.rpc.document"
    assert document.OPENRPC_FILE.read_text() == document.encoded_document(), hint
    assert document.PAGE_FILE.read_text() == document.page(), hint


def test_the_document_is_complete() -> None:
    """Every method has a summary, every reference leads somewhere, every subscription ends."""
    described = public_document()
    names = {method["name"] for method in described["methods"]}
    assert names == {method.name for method in public_methods()}
    assert all(method["summary"].endswith((".", ";")) for method in described["methods"])
    references = {
        part.split('"')[0] for part in json.dumps(described).split("#/components/schemas/")[1:]
    }
    assert references <= set(described["components"]["schemas"])
    ends = {method.get("x-unsubscribe") for method in described["methods"]} - {None}
    assert ends <= names
