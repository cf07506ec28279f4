"""The rules of ERC-20, one by one: the rows of docs/reference/erc20.md, each shown on a chain."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from genesis.allocation import SUPPLY
from genesis.chain_spec import development_keypair
from pallets.balances.pallet import Balances
from runtime import RuntimeCall
from runtime.events import EventRecord
from runtime.keys import Keypair
from runtime.types import OPEN
from tests.pallets.chain import Chain, key_of

PAGE = Path(__file__).parents[2] / "docs/reference/erc20.md"
ALICE, BOB = development_keypair("alice"), development_keypair("bob")
CAROL = key_of("carol")
ENDOWMENT = 1_000_000 * OPEN
AMOUNT_MAX = 2**128 - 1


def send(
    chain: Chain, sender: Keypair, receiver: Keypair, amount: int
) -> Mapping[str, EventRecord]:
    """A transfer that succeeds; returns its events."""
    return chain.ok(sender, Balances.transfer.Call(receiver=receiver.account, amount=amount))


def spend(owner: Keypair, receiver: Keypair, amount: int) -> RuntimeCall:
    """What a spender sends."""
    return Balances.transfer_from.Call(
        owner=owner.account, receiver=receiver.account, amount=amount
    )


def approve(chain: Chain, owner: Keypair, spender: Keypair, amount: int) -> EventRecord:
    """An approval that succeeds; returns its event."""
    call = Balances.approve.Call(spender=spender.account, amount=amount)
    return chain.ok(owner, call)["Balances.Approval"]


def allowance(chain: Chain, owner: Keypair, spender: Keypair) -> int:
    """What the spender may still move."""
    with chain.reading() as pallets:
        return pallets.balances.allowances[owner.account, spender.account]


def total_supply(chain: Chain) -> None:
    """All balances, and nothing else, are the total supply."""
    with chain.reading() as pallets:
        assert pallets.balances.issuance.get() == SUPPLY
    chain.check_money()


def balance_of(chain: Chain) -> None:
    """Whoever has nothing has the balance 0, and is no error."""
    assert chain.free(CAROL.account) == 0
    send(chain, ALICE, CAROL, 7)
    assert chain.free(CAROL.account) == 7


def transfer(chain: Chain) -> None:
    """The amount moves, and the event has sender, receiver and amount."""
    event = send(chain, ALICE, CAROL, 7)["Balances.Transfer"]
    assert event.fields == {"sender": ALICE.account, "receiver": CAROL.account, "amount": 7}
    assert (chain.free(ALICE.account), chain.free(CAROL.account)) == (ENDOWMENT - 7, 7)


def transfer_too_much(chain: Chain) -> None:
    """The call fails with a typed error and moves nothing."""
    call = Balances.transfer.Call(receiver=CAROL.account, amount=ENDOWMENT + 1)
    chain.fails(ALICE, call, "Balances.Insufficient")


def transfer_zero(chain: Chain) -> None:
    """It succeeds from and to accounts that have nothing, and leaves its event."""
    assert send(chain, CAROL, key_of("dave"), 0)["Balances.Transfer"].fields["amount"] == 0


def transfer_self(chain: Chain) -> None:
    """It changes no balance, leaves its event, and cannot exceed the balance."""
    assert send(chain, ALICE, ALICE, ENDOWMENT)["Balances.Transfer"].fields["amount"] == ENDOWMENT
    assert chain.free(ALICE.account) == ENDOWMENT
    call = Balances.transfer.Call(receiver=ALICE.account, amount=ENDOWMENT + 1)
    chain.fails(ALICE, call, "Balances.Insufficient")


def transfer_from(chain: Chain) -> None:
    """The owner's balance moves; the event names the owner, not the spender."""
    approve(chain, ALICE, BOB, 10)
    event = chain.ok(BOB, spend(ALICE, CAROL, 4))["Balances.Transfer"]
    assert event.fields == {"sender": ALICE.account, "receiver": CAROL.account, "amount": 4}
    assert chain.free(BOB.account) == ENDOWMENT


def transfer_from_unapproved(chain: Chain) -> None:
    """Without an allowance, and above it, the call fails; owners need one for themselves, too."""
    chain.fails(BOB, spend(ALICE, CAROL, 1), "Balances.AllowanceExceeded")
    approve(chain, ALICE, BOB, 3)
    chain.fails(BOB, spend(ALICE, CAROL, 4), "Balances.AllowanceExceeded")
    chain.fails(ALICE, spend(ALICE, CAROL, 1), "Balances.AllowanceExceeded")


def transfer_from_zero(chain: Chain) -> None:
    """It needs no allowance, succeeds, and leaves its event."""
    assert "Balances.Transfer" in chain.ok(BOB, spend(ALICE, CAROL, 0))


def transfer_from_self(chain: Chain) -> None:
    """An owner who pays itself by a spender keeps its balance; the allowance is used."""
    approve(chain, ALICE, BOB, 5)
    chain.ok(BOB, spend(ALICE, ALICE, 5))
    assert (chain.free(ALICE.account), allowance(chain, ALICE, BOB)) == (ENDOWMENT, 0)


def approve_overwrites(chain: Chain) -> None:
    """A new approval replaces the one before; it does not add to it."""
    approve(chain, ALICE, BOB, 10)
    approve(chain, ALICE, BOB, 4)
    assert allowance(chain, ALICE, BOB) == 4


def approve_event(chain: Chain) -> None:
    """Every successful approval leaves its event, also of nothing and of the same as before."""
    for amount in (10, 10, 0, 0):
        event = approve(chain, ALICE, BOB, amount)
        assert event.fields == {
            "owner": ALICE.account, "spender": BOB.account, "amount": amount,
        }  # fmt: skip


def approve_more_than_balance(chain: Chain) -> None:
    """An approval is a limit and no reservation; the spend is what is checked."""
    approve(chain, CAROL, BOB, 10)
    chain.fails(BOB, spend(CAROL, BOB, 10), "Balances.Insufficient")
    assert allowance(chain, CAROL, BOB) == 10


def allowance_decreases(chain: Chain) -> None:
    """By exactly what was moved, without an Approval event."""
    approve(chain, ALICE, BOB, 10)
    assert "Balances.Approval" not in chain.ok(BOB, spend(ALICE, CAROL, 4))
    assert allowance(chain, ALICE, BOB) == 6


def allowance_is_never_infinite(chain: Chain) -> None:
    """The largest allowance is a number like any other, and is used up."""
    approve(chain, ALICE, BOB, AMOUNT_MAX)
    chain.ok(BOB, spend(ALICE, CAROL, 4))
    assert allowance(chain, ALICE, BOB) == AMOUNT_MAX - 4


def allowances_are_by_pair(chain: Chain) -> None:
    """Each is for one owner and one spender, in this direction."""
    approve(chain, ALICE, BOB, 10)
    assert (allowance(chain, BOB, ALICE), allowance(chain, ALICE, CAROL)) == (0, 0)


def burn(chain: Chain) -> None:
    """The supply falls with the balance, and the event is Burned: there is no address zero."""
    events = chain.ok(ALICE, Balances.burn.Call(amount=3))
    assert events["Balances.Burned"].fields == {"account": ALICE.account, "amount": 3}
    assert "Balances.Transfer" not in events
    with chain.reading() as pallets:
        assert pallets.balances.issuance.get() == SUPPLY - 3


def no_minting(_chain: Chain) -> None:
    """No call of the pallet raises the supply."""
    calls = {each.name for each in Balances.definition.calls}
    assert not {"mint", "issue", "endow", "collect"} & calls


RULES: Mapping[str, Callable[[Chain], None]] = {
    rule.__name__: rule
    for rule in (
        total_supply, balance_of, transfer, transfer_too_much, transfer_zero, transfer_self,
        transfer_from, transfer_from_unapproved, transfer_from_zero, transfer_from_self,
        approve_overwrites, approve_event, approve_more_than_balance, allowance_decreases,
        allowance_is_never_infinite, allowances_are_by_pair, burn, no_minting,
    )
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_of_the_standard_holds(rule: str) -> None:
    """Each row of the table, on a chain of its own."""
    RULES[rule](Chain())


def test_the_page_has_a_row_for_every_rule() -> None:
    """And no row that nothing shows."""
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert rows == list(RULES)
