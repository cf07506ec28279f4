"""`openledger gov` on a development chain: what it prints, and what it refuses with a remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from genesis.chain_spec import development_keypair
from node.client import NodeClient
from node.simulation import simulate
from pallets.balances.pallet import Balances
from pallets.treasury.pallet import Treasury
from pallets.upgrade.pallet import Upgrade
from pallets.utility.pallet import Utility
from runtime import OPEN
from runtime.dispatch import BadOrigin
from runtime.storage import storage_key

Run = Callable[..., Any]
BOB = development_keypair("bob")


def test_a_simulation_says_what_would_fail(client: NodeClient) -> None:
    """On a fork: the events, error and storage of the call, and nothing of it on the chain."""
    spend = Treasury.spend.Call(pot="community", receiver=BOB.account, amount=OPEN)
    before = client.get(storage_key("Treasury", "spent", "community"))
    found = simulate(client, spend, None)
    assert (found.error, found.issuance_before) == ("", found.issuance_after)
    changed = {each.item: each for each in found.storage}
    assert changed["Treasury.spent"].key == "community"
    assert changed["Treasury.spent"].after == OPEN
    assert [event.name for event in found.events][-1] == "Spent"
    assert client.get(storage_key("Treasury", "spent", "community")) == before
    both = Utility.dispatch_all.Call(calls=(spend, Upgrade.cancel.Call()))
    failed = simulate(client, both, None)
    assert failed.error == "Upgrade.NothingScheduled"
    assert failed.message
    assert failed.storage == ()
    assert failed.events == ()


def test_a_track_is_simulated_as_what_it_is(client: NodeClient) -> None:
    """It may make its own calls, and no others."""
    spend = Treasury.spend_small.Call(pot="community", receiver=BOB.account, amount=OPEN)
    assert simulate(client, spend, "small_spender").error == ""
    for track in ("parameters", "large_spender"):
        with pytest.raises(BadOrigin):
            simulate(client, spend, track)
    with pytest.raises(BadOrigin):
        simulate(client, Balances.burn.Call(amount=1), None)


def test_the_command_simulates_what_is_not_proposed(dev_node: Any, openledger: Run) -> None:
    """With the words of `gov propose`; exit 1 for a call that would fail."""
    node = ("--node", dev_node.url)
    words = ("gov", "simulate", "parameter", "Governance.lock_blocks", "--value", "9", *node)
    assert openledger(*words).returncode == 2
    words = ("gov", "simulate", "parameter", "Voting.lock_blocks", "--value", "9", *node)
    printed = openledger(*words)
    assert printed.returncode == 0
    assert "Voting.lock_blocks" in printed.stdout
    failing = openledger("gov", "simulate", "upgrade", "cancel", *node, "--json")
    assert failing.returncode == 1
    assert json.loads(failing.stdout)["error"] == "Upgrade.NothingScheduled"


@pytest.mark.parametrize(
    "words",
    [
        ("simulate",),
        ("simulate", "999"),
        ("simulate", "treasury", "give"),
        ("simulate", "parameter", "Session.index", "--value", "1"),
        ("simulate", "parameter", "Session.session_blocks", "--value", "0"),
        ("status", "999"),
        ("vote", "0", "maybe", "1OPEN"),
        ("delegate", "politics", "dev:bob", "1OPEN"),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(
    words: Any, dev_node: Any, openledger: Run
) -> None:
    """A sentence on stderr, and exit code 2."""
    finished = openledger("gov", *words, "--node", dev_node.url)
    assert finished.returncode == 2
    assert finished.stderr.startswith("Error: ")


def test_a_referendum_is_followed(dev_node: Any, openledger: Run) -> None:
    """Proposed, listed, voted about and delegated on, with its place in the queue of decisions."""
    node = ("--node", dev_node.url, "--json")
    words = ("gov", "propose", "parameter", "Voting.lock_blocks", "--value", "9")
    proposed = json.loads(openledger(*words, "--key", "dev:builder", *node).stdout)
    number = str(proposed["referendum"])
    standing = json.loads(openledger("gov", "status", number, *node).stdout)
    assert standing["state"] == "needs a decision deposit"
    assert standing["call"] == "System.set_parameter"
    voted = openledger("gov", "vote", number, "nay", "5OPEN", "--key", "dev:user", *node)
    assert json.loads(voted.stdout)["approval"].startswith("0.00 %")
    listed = json.loads(openledger("gov", "list", *node).stdout)
    assert number in [str(each["referendum"]) for each in listed]
    given = openledger("gov", "delegate", "root", "dev:bob", "1OPEN", "--key", "dev:user", *node)
    assert json.loads(given.stdout)["delegate"] == BOB.account.hex()
    values = json.loads(openledger("gov", "parameters", "Voting", *node).stdout)
    assert [each["parameter"] for each in values] == ["Voting.lock_blocks"]
