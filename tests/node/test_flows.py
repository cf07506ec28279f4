"""The ledger view: its movements explain every balance of random blocks, and of a real node."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from genesis.chain_spec import development_keypair
from node.cli.flows import _open
from node.client import NodeClient
from node.flows.kinds import BURNED, FEES, kind_of, name_of, pots
from node.flows.movements import Charge, movements_of, net
from pallets.balances.pallet import Balances
from pallets.pots import STAKERS, TREASURY
from runtime.outcome import BlockOutcome
from runtime.storage import PREFIX_BYTES
from runtime.testing import Rehearsal
from runtime.testing.draws import SeededDraws
from runtime.testing.traffic import open_chain, random_block
from runtime.types import OPEN
from tests.fuzz.openledger import SETUP

ALICE, BOB = development_keypair("alice"), development_keypair("bob")
BLOCKS = 60


class Watched(Rehearsal):
    """A rehearsal whose every block's movements are compared with its balances."""

    kinds: Mapping[str, int]

    def execute(self, *arguments: Any, **named: Any) -> BlockOutcome:
        """Execute a block, and compare."""
        before = balances(self.state)
        outcome = super().execute(*arguments, **named)
        charges = []
        for raw, result in zip(outcome.included, outcome.results, strict=True):
            checked = self.runtime.check_any(raw, self.genesis_hash)
            signer = getattr(checked, "signer", None)
            tip = getattr(checked, "tip", 0)
            charges.append(Charge(signer, str(checked.definition), result.fee, tip))
        movements = movements_of(self.height, outcome.events, charges)
        changes = dict(net(movements))
        burned = changes.pop(BURNED, 0)
        after = balances(self.state)
        assert FEES not in changes
        assert changes == {
            account: after.get(account, 0) - before.get(account, 0)
            for account in before | after
            if after.get(account, 0) != before.get(account, 0)
        }
        assert sum(before.values()) - sum(after.values()) == burned
        self.kinds = {each.kind: 1 for each in movements} | getattr(self, "kinds", {})
        return outcome


def balances(state: Mapping[bytes, bytes]) -> dict[bytes, int]:
    """What every account has, free and held."""
    item = Balances.accounts
    found = {}
    for key, value in state.items():
        if key.startswith(item.prefix):
            account = item.codec.decode(value)
            found[item.key_codec.decode(key[PREFIX_BYTES:])] = account.free + account.held
    return {account: total for account, total in found.items() if total}


@pytest.mark.parametrize("opening", range(len(SETUP.openings) + 1))
def test_movements_explain_every_balance(opening: int) -> None:
    """Of random blocks over all pallets, after each opening, to the unit."""
    draws = SeededDraws(b"flows" + bytes([opening]))
    chain = Watched(SETUP)
    open_chain(chain, opening)
    for _ in range(BLOCKS):
        random_block(chain, draws)
    assert "fees" in chain.kinds


def test_a_settled_answer_is_traced_to_everybody() -> None:
    """User, treasury, owner and server, stakers, contributors: each movement has its kind."""
    chain = Watched(SETUP)
    settled = [opening for opening in SETUP.openings if opening.__name__ == "settled"]
    settled[0](chain)
    for kind in (
        "answers",
        "platform fees",
        "stakers' shares of answers",
        "contributors' shares of answers",
        "owners' and servers' shares of answers",
        "contributors' payouts",
        "training fees",
        "fees",
        "burned fees",
        "proposers' rewards",
    ):
        assert kind in chain.kinds, kind


def test_accounts_without_a_key_have_names() -> None:
    """Pots are named; everything else is an account."""
    assert name_of(TREASURY) == "Treasury"
    assert name_of(STAKERS) == "Stakers"
    assert name_of(ALICE.account) == ALICE.account.hex()
    assert "Liquidity" in pots().values()
    assert kind_of("Bounties.pay", TREASURY, ALICE.account) == "Bounties.pay: Treasury to somebody"


def test_the_command_prints_an_epoch(
    dev_node: Any, client: NodeClient, openledger: Callable[..., Any]
) -> None:
    """By kind for people and all movements for programs; the sums are those of the chain."""
    client.submit(Balances.transfer.Call(receiver=BOB.account, amount=3 * OPEN), ALICE, tip=7)
    blocks = client.read("Attribution", "epoch_blocks")
    epoch = client.height() // blocks
    node = ("--node", dev_node.url)
    document = json.loads(
        openledger("query", "flows", "--epoch", str(epoch), "--json", *node).stdout
    )
    fallen = int(document["issuance_before"]) - int(document["issuance_after"])
    assert fallen == int(document["burned"]) > 0
    moved = [
        each
        for each in document["movements"]
        if (each["payer"], each["payee"]) == (ALICE.account.hex(), BOB.account.hex())
    ]
    assert [int(each["amount"]) for each in moved if each["kind"] == "transfers"][-1] == 3 * OPEN
    assert int(document["kinds"]["tips"]["amount"]) >= 7
    printed = openledger("query", "flows", *node)
    assert printed.returncode == 0, printed.stderr
    assert "burned" in printed.stdout
    refused = openledger("query", "flows", "--epoch", "999999", *node)
    assert "Ask for an epoch that has begun." in refused.stderr


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (OPEN, "1"), (OPEN // 2, "0.5"), (1, "0.000000000000000001"), (12 * OPEN, "12")],
)
def test_amounts_are_printed_exactly(amount: int, text: str) -> None:
    """To the last of 18 digits, and without zeros at the end."""
    assert _open(amount) == text
