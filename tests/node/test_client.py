"""`NodeClient` against a real node: submissions, reads, proofs, content, and its errors."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from consensus.light import check_commit
from genesis.chain_spec import development_keypair
from node.client import NodeClient
from node.errors import (
    CallFailed,
    ClientError,
    ContentMissing,
    ContentTooLarge,
    InclusionTimeout,
    NodeUnreachable,
    RpcFailed,
)
from pallets.balances.pallet import Balances
from pallets.system.pallet import System
from runtime.block import Block
from runtime.codec import codec_of
from runtime.extrinsic import sign_extrinsic
from runtime.hashing import hash_content, hash_extrinsic
from runtime.keys import Keypair
from runtime.state.proof import verify_entry
from runtime.storage import Map
from runtime.types import OPEN

FAUCET = development_keypair("faucet")


def fresh_account(name: str) -> Keypair:
    """A key that nobody else in the tests uses."""
    return Keypair.from_seed(hash_content(name.encode()))


def test_a_transfer_is_included_and_changes_the_state(client: NodeClient) -> None:
    """The inclusion says where, with typed events; the state has the amount afterwards."""
    receiver = fresh_account("transfer").account
    call = Balances.transfer.Call(receiver=receiver, amount=5 * OPEN)
    inclusion = client.submit(call, FAUCET)
    assert inclusion.ok
    assert inclusion.fields("Balances", "Transfer")["amount"] == 5 * OPEN
    assert client.read("Balances", "accounts", receiver).free == 5 * OPEN
    with client.reading() as pallets:
        assert pallets.balances.accounts[receiver].free == 5 * OPEN
    assert inclusion.height <= client.height()
    with pytest.raises(ClientError, match="no event"):
        inclusion.fields("Balances", "Burned")


def test_a_failing_call_raises_its_sentence_and_remedy(client: NodeClient) -> None:
    """What the pallet said comes back typed, and the nonce is used."""
    before = client.next_nonce(FAUCET.account)
    call = Balances.transfer.Call(receiver=bytes(32), amount=2**100)
    with pytest.raises(CallFailed) as caught:
        client.submit(call, FAUCET)
    assert caught.value.name == "Balances.Insufficient"
    assert caught.value.error
    assert caught.value.remedy
    assert client.next_nonce(FAUCET.account) == before + 1


def test_many_calls_go_ahead_of_their_blocks(client: NodeClient) -> None:
    """Calls are pipelined in order, more of them than fit in flight."""
    sender = development_keypair("user")
    calls = [System.remark.Call(data=str(number).encode()) for number in range(300)]
    inclusions = client.submit_many(calls, sender)
    places = [(each.height, each.index) for each in inclusions]
    assert len(places) == 300
    assert places == sorted(places)
    assert len({height for height, _ in places}) < 100


def test_two_users_of_one_key_do_not_lose_or_double(client: NodeClient) -> None:
    """Threads that race for nonces sign anew until each call is in exactly one block."""
    sender = development_keypair("builder")
    hashes: list[bytes] = []

    def send(name: str) -> None:
        for number in range(5):
            data = f"{name} {number}".encode()
            hashes.append(client.submit(System.remark.Call(data=data), sender).extrinsic_hash)

    threads = [threading.Thread(target=send, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(hashes)) == 10


def test_the_same_bytes_twice_are_one_extrinsic(client: NodeClient) -> None:
    """Submitting again, while waiting or long after, is answered with the same hash."""
    keypair = development_keypair("server")
    nonce = client.next_nonce(keypair.account)
    raw = sign_extrinsic(
        System.remark.Call(data=b"twice"),
        keypair,
        genesis_hash=client.genesis_hash,
        spec_version=client.properties["spec_version"],
        nonce=nonce,
    )
    first = client.call("author_submitExtrinsic", raw.hex())
    assert client.call("author_submitExtrinsic", raw.hex()) == first
    client.wait_height(client.height() + 2)
    assert client.call("author_submitExtrinsic", raw.hex()) == first
    assert client.next_nonce(keypair.account) == nonce + 1
    status = client.status(bytes.fromhex(first))
    assert (status["state"], status["ok"]) == ("included", True)


def test_refusals_are_typed(client: NodeClient) -> None:
    """Nonsense, another chain's signature, a used nonce and one far ahead: each its own error."""
    keypair = development_keypair("worker")

    def refusal(raw: bytes) -> RpcFailed:
        with pytest.raises(RpcFailed) as caught:
            client.call("author_submitExtrinsic", raw.hex())
        assert caught.value.remedy
        return caught.value

    def signed(nonce: int, genesis_hash: bytes | None = None) -> bytes:
        return sign_extrinsic(
            System.remark.Call(data=b""),
            keypair,
            genesis_hash=genesis_hash or client.genesis_hash,
            spec_version=1,
            nonce=nonce,
        )

    assert refusal(b"\x00").kind == "DecodeError"
    assert refusal(signed(0, bytes(32))).kind == "NotSigned"
    assert refusal(signed(10_000)).kind == "NonceTooHigh"
    client.submit(System.remark.Call(data=b"used"), keypair)
    stale = refusal(sign_extrinsic(
        System.remark.Call(data=b"stale"), keypair,
        genesis_hash=client.genesis_hash, spec_version=1, nonce=0,
    ))  # fmt: skip
    assert stale.kind == "InvalidTransaction"


def test_an_unsent_block_is_an_inclusion_timeout(client: NodeClient) -> None:
    """When no block comes in time the error names the hash, which can still be looked up."""
    sender = fresh_account("nobody")
    client.submit(Balances.transfer.Call(receiver=sender.account, amount=OPEN), FAUCET)
    with pytest.raises(InclusionTimeout) as caught:
        client.submit(System.remark.Call(data=b"late"), sender, timeout_s=0)
    client.wait_height(client.height() + 3)
    assert client.status(caught.value.extrinsic_hash)["state"] == "included"


def test_proofs_lead_to_a_finalised_header(client: NodeClient) -> None:
    """Presence and absence are proved under a header that the validators committed to."""
    client.wait_height(2)
    accounts = client.item("Balances", "accounts")
    assert isinstance(accounts, Map)
    present = accounts.storage_key(FAUCET.account)
    proof = client.proof([present, b"absent"])
    for entry in proof.entries:
        verify_entry(proof.head.header.state_root, entry)
    assert [bool(entry.value) for entry in proof.entries] == [True, False]
    check_commit(proof.head.header, proof.head.commit, proof.head.validators, client.genesis_hash)
    earlier = client.proof([present], height=proof.head.height - 1)
    assert earlier.head.height == proof.head.height - 1
    verify_entry(earlier.head.header.state_root, earlier.entries[0])


def test_the_head_is_verifiable(client: NodeClient) -> None:
    """Header, commit and validators suffice for a client that trusts nothing but genesis."""
    client.wait_height(1)
    head = client.head()
    check_commit(head.header, head.commit, head.validators, client.genesis_hash)
    genesis = client.call("chain_getHeader", 0)
    assert genesis["id"] == client.genesis_hash.hex()


def test_maps_can_be_listed(client: NodeClient) -> None:
    """Keys, single or tuples, and values come back decoded."""
    accounts = dict(client.entries("Balances", "accounts"))
    assert accounts[FAUCET.account] == client.read("Balances", "accounts", FAUCET.account)
    spender = fresh_account("spender").account
    client.submit(Balances.approve.Call(spender=spender, amount=7), FAUCET)
    allowances = dict(client.entries("Balances", "allowances"))
    assert allowances[FAUCET.account, spender] == 7
    assert len(client.entries("Balances", "accounts", count_max=2)) == 2
    with pytest.raises(ClientError, match="no storage item"):
        client.read("Balances", "nothing")


def test_content_goes_both_ways(client: NodeClient) -> None:
    """Bytes come back under their hash; unknown hashes are missing; the size is limited."""
    data = bytes(range(256)) * 40_000
    content_hash = client.put_content(data)
    assert client.get_content(content_hash) == data
    assert client.has_content([content_hash, bytes(32)]) == (True, False)
    with pytest.raises(ContentMissing):
        client.get_content(bytes(32))
    with pytest.raises(ContentTooLarge):
        client.put_content(bytes(64 * 1024 * 1024 + 1))


def test_nobody_there_is_a_typed_error() -> None:
    """A closed port and a wrong URL give a sentence and a remedy."""
    for url in ("http://127.0.0.1:1", "nonsense"):
        with NodeClient(url) as client, pytest.raises(NodeUnreachable) as caught:
            client.height()
        assert caught.value.remedy


def test_blocks_decode_for_people(client: NodeClient) -> None:
    """A block's extrinsics show call, arguments and result; the raw block is there, too."""
    inclusion = client.submit(System.remark.Call(data=b"seen"), FAUCET)
    block: Any = client.call("chain_getBlock", inclusion.height)
    extrinsic = block["extrinsics"][inclusion.index]
    assert extrinsic["call"] == "System.remark"
    assert extrinsic["arguments"] == {"data": b"seen".hex()}
    assert extrinsic["ok"]
    assert client.call("chain_getBlock", block["id"])["height"] == inclusion.height
    stored = codec_of(Block).decode(bytes.fromhex(block["encoded"]))
    raw = stored.extrinsics[inclusion.index]
    assert hash_extrinsic(raw) == inclusion.extrinsic_hash
