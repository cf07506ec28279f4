"""The typed client at a real node: calls, storage, events, heads, errors."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consensus.light import check_commit
from genesis.chain_spec import development_keypair
from node.chain_client.base import PalletError, WrongRuntime, follow_heads
from node.chain_client.openledger import Balances, Chain, System
from node.cli.client import METADATA_BYTES_MAX
from node.errors import CallFailed, ClientError, RpcFailed
from node.submission import Terms
from runtime.errors import OpenLedgerError
from runtime.hashing import hash_content
from runtime.keys import Keypair
from runtime.types import OPEN
from tests.node.conftest import Finished, RunningNode

ALICE, BOB = (Keypair.from_seed(hash_content(name)) for name in (b"typed alice", b"typed bob"))
FAUCET = development_keypair("faucet")


@pytest.fixture
def chain(dev_node: RunningNode) -> Iterator[Chain]:
    """A typed client of the shared node."""
    with Chain(dev_node.url) as chain:
        yield chain


def test_a_transfer_in_one_line(chain: Chain) -> None:
    """Call, signer, submission; the events are typed, and the state has changed."""
    before = chain.balances.accounts(BOB.account).free
    included = chain.balances.transfer(BOB.account, 5 * OPEN).sign(FAUCET).submit()
    transfer = included.first(chain.balances.Transfer)
    assert transfer == Balances.Transfer(FAUCET.account, BOB.account, 5 * OPEN)
    assert included.all(Balances.Transfer) == (transfer,)
    assert chain.balances.accounts(BOB.account).free == before + 5 * OPEN
    assert chain.balances.issuance() > 0
    with pytest.raises(ClientError, match=r"no event Balances\.Burned"):
        included.first(chain.balances.Burned)


def test_a_failure_is_the_pallets_error(chain: Chain) -> None:
    """It is caught by its class, with the pallet's sentence; other errors are `CallFailed`."""
    call = chain.balances.transfer(BOB.account, 2**100)
    with pytest.raises(chain.balances.Insufficient) as caught:
        call.sign(FAUCET, tip=1, era_blocks=None).submit()
    assert isinstance(caught.value, PalletError)
    assert isinstance(caught.value, CallFailed)
    assert (caught.value.name, bool(caught.value.remedy)) == ("Balances.Insufficient", True)


def test_arguments_are_checked_before_anything_is_sent(chain: Chain) -> None:
    """Bounds are the type's: what cannot be encoded is no call."""
    for wrong in (lambda: chain.balances.transfer(b"short", 5),
                  lambda: chain.balances.transfer(BOB.account, -1),
                  lambda: chain.balances.accounts(b"short")):  # fmt: skip
        with pytest.raises(OpenLedgerError):
            wrong()


def test_many_calls_keep_their_order(chain: Chain) -> None:
    """Calls of one signer go ahead of their blocks."""
    calls = [chain.system.remark(bytes([number])) for number in range(20)]
    included = chain.submit(calls, FAUCET, Terms(tip=1))
    places = [(each.height, each.index) for each in included]
    assert places == sorted(places)
    remarks = [each.first(System.Remarked).remark for each in included]
    assert len(set(remarks)) == 20


def test_calls_go_into_a_batch(chain: Chain) -> None:
    """A call is a value: an argument of another call."""
    calls = tuple(chain.balances.transfer(BOB.account, amount) for amount in (1, 2))
    included = chain.utility.batch_all((*calls, chain.system.remark(b"paid"))).sign(FAUCET).submit()
    assert [each.amount for each in included.all(Balances.Transfer)] == [1, 2]
    assert included.first(chain.utility.BatchCompleted).calls == 3


def test_the_fee_is_known_before(chain: Chain) -> None:
    """What a call would cost is what it costs, as long as blocks are not full; asking is free."""
    signed = chain.balances.transfer(BOB.account, 1).sign(FAUCET)
    before = chain.balances.accounts(FAUCET.account)
    fee = signed.fee()
    assert fee > 0
    assert chain.balances.accounts(FAUCET.account) == before
    signed.submit()
    after = chain.balances.accounts(FAUCET.account)
    assert (before.free - after.free, after.nonce - before.nonce) == (fee + 1, 1)


def test_maps_are_listed_with_their_keys(chain: Chain) -> None:
    """Each part of a key, then the value; a missing entry of a map without a default is None."""
    chain.balances.approve(BOB.account, 7).sign(FAUCET).submit()
    assert (FAUCET.account, BOB.account, 7) in chain.balances.allowances.entries()
    assert chain.balances.allowances(FAUCET.account, BOB.account) == 7
    assert (
        chain.balances.accounts(FAUCET.account) in dict(chain.balances.accounts.entries()).values()
    )
    assert len(chain.balances.accounts.entries(count_max=1)) == 1
    assert chain.workers.workers(BOB.account) is None
    assert chain.balances.existential_deposit == 1


def test_the_state_of_an_earlier_height(chain: Chain) -> None:
    """A recent height still answers; a height to come does not."""
    included = chain.balances.transfer(ALICE.account, 3 * OPEN).sign(FAUCET).submit()
    free = chain.balances.accounts(ALICE.account).free
    earlier = chain.balances.accounts.at(included.height - 1)
    assert earlier(ALICE.account).free == free - 3 * OPEN
    assert chain.balances.issuance.at(included.height)() == chain.balances.issuance()
    with pytest.raises(RpcFailed):
        chain.balances.issuance.at(10**9)()


def test_events_are_watched_by_their_class(chain: Chain) -> None:
    """A watcher gets its kind, and nothing from before; with `since`, what was is there, too."""
    sent = chain.balances.transfer(ALICE.account, OPEN).sign(FAUCET).submit()
    subscription = chain.events(chain.balances.Transfer)
    later = chain.balances.transfer(ALICE.account, 2 * OPEN).sign(FAUCET).submit()
    emitted = next(iter(subscription))
    assert (emitted.height, emitted.extrinsic_index) == (later.height, later.index)
    assert emitted.event.amount == 2 * OPEN
    every = chain.events(since=sent.height)
    seen = list(itertools.islice(every, 2))
    assert sent.first(Balances.Transfer) in [each.event for each in seen]


def test_finalised_heads_follow_each_other(chain: Chain) -> None:
    """Each with the commit that finalises it and the hash of the one before."""
    heads = list(itertools.islice(chain.finalised_heads(since=1), 5))
    for head, following in itertools.pairwise(heads):
        assert following.header.parent_hash == head.header.id()
    genesis_hash = chain.connection.genesis_hash
    check_commit(heads[-1].header, heads[-1].commit, heads[-1].validators, genesis_hash)
    assert next(iter(chain.finalised_heads())).height > heads[0].height


def test_a_head_of_another_chain_is_noticed(chain: Chain) -> None:
    """A node that comes back with another history does not go unseen."""
    chain.connection.wait_height(4)
    first, second, fourth = (
        chain.connection.call("chain_getHeader", height) for height in (1, 2, 4)
    )
    read = follow_heads()
    assert [head.height for head in (*read(first), *read(second))] == [1, 2]
    with pytest.raises(ClientError, match="height 4 does not follow"):
        read(fourth)


def test_no_event_is_lost_or_doubled_when_the_node_is_killed(
    start_node: Callable[..., RunningNode],
) -> None:
    """While a sender goes on over two kills, a watcher sees each of its events once, in order."""
    node = start_node()
    amounts = range(1, 31)

    def send() -> None:
        with Chain(node.url, patience_s=60) as chain:
            for amount in amounts:
                call = chain.balances.transfer(BOB.account, amount)
                call.sign(FAUCET).submit(timeout_s=120)

    with Chain(node.url) as chain:
        watcher = chain.events(chain.balances.Transfer)
        sender = threading.Thread(target=send)
        sender.start()
        seen: list[int] = []
        for emitted in watcher:
            seen.append(emitted.event.amount)
            if len(seen) in {10, 20}:
                node.kill()
                node = start_node(port=node.port)
            if len(seen) == len(amounts):
                break
        sender.join(60)
    assert seen == list(amounts)


def test_a_node_of_another_runtime_is_refused(chain: Chain) -> None:
    """What the bytes would mean there nobody knows: nothing is read, signed or watched."""

    class Newer(Chain):
        SPEC_VERSION = 999

    with Newer(chain.connection.url) as newer:
        for use in (
            newer.balances.issuance,
            newer.balances.accounts.entries,
            newer.system.remark(b"").sign(FAUCET).submit,
            newer.events,
        ):
            with pytest.raises(WrongRuntime, match="999") as caught:
                use()
            assert "client generate" in caught.value.remedy


def test_the_command_line_writes_a_client(
    openledger: Callable[..., Finished], dev_node: RunningNode, tmp_path: Path
) -> None:
    """Of a node, of a file, of the installed runtime: the same; mistakes have a sentence."""
    output, metadata = tmp_path / "client.py", tmp_path / "metadata.json"
    sources = []
    with Chain(dev_node.url) as chain:
        metadata.write_text(json.dumps(chain.connection.call("state_getMetadata")))
    given: tuple[tuple[str, ...], ...]
    given = ((), ("--node", dev_node.url), ("--metadata", str(metadata)))
    for options in given:
        finished = openledger("client", "generate", "--output", str(output), *options)
        assert finished.returncode == 0
        sources.append(output.read_text())
    assert len(set(sources)) == 1
    for wrong, says in (
        (("--node", dev_node.url, "--metadata", str(metadata)), "two things"),
        (("--metadata", str(tmp_path / "none.json")), "cannot be read"),
        (("--metadata", str(output)), "cannot be read as JSON"),
    ):
        finished = openledger("client", "generate", "--output", str(output), *wrong)
        assert (finished.returncode, says in finished.stderr) == (2, True)
    with metadata.open("wb") as file:
        file.truncate(METADATA_BYTES_MAX + 1)
    finished = openledger("client", "generate", "--output", "x.py", "--metadata", str(metadata))
    assert "too large" in finished.stderr
    finished = openledger("client", "generate", "--output", str(tmp_path / "no" / "x.py"))
    assert "cannot be written" in finished.stderr
