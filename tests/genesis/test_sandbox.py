"""The sandbox: what pallet developers test with says clearly when a test's expectation is wrong."""

from __future__ import annotations

import pytest

from genesis.chain_spec import DEV_ENDOWMENT
from genesis.sandbox import Sandbox, UnexpectedResult
from pallets.balances.pallet import Balances
from runtime.errors import InvalidBlock
from runtime.types import OPEN


def test_a_call_changes_the_state_and_leaves_events():
    """`ok` executes one block and returns its events by name."""
    sandbox = Sandbox()
    alice, bob = sandbox.keypair("alice"), sandbox.keypair("bob")
    events = sandbox.ok(alice, Balances.transfer.Call(receiver=bob.account, amount=OPEN))
    assert events["Balances.Transfer"].fields["amount"] == OPEN
    assert sandbox.height == 1
    with sandbox.reading():
        free = sandbox.pallet(Balances).free_balance(bob.account)
    assert free == DEV_ENDOWMENT + OPEN
    sandbox.advance(3)
    assert sandbox.height == 4
    assert sandbox.nonce(alice.account) == 1


def test_an_unexpected_end_is_a_typed_error():
    """`ok` of a call that fails, `fails` of one that succeeds or fails otherwise."""
    sandbox = Sandbox()
    alice = sandbox.keypair("alice")
    too_much = Balances.burn.Call(amount=2 * DEV_ENDOWMENT)
    with pytest.raises(UnexpectedResult, match=r"failed with Balances\.Insufficient"):
        sandbox.ok(alice, too_much)
    sandbox.fails(alice, too_much, "Balances.Insufficient")
    with pytest.raises(UnexpectedResult, match=r"not Balances\.NotKeptAlive"):
        sandbox.fails(alice, too_much, "Balances.NotKeptAlive")
    with pytest.raises(UnexpectedResult, match="ended with success"):
        sandbox.fails(alice, Balances.burn.Call(amount=1), "Balances.Insufficient")


def test_a_nonce_is_used_once():
    """The sandbox admits extrinsics as a node does."""
    sandbox = Sandbox()
    raw = sandbox.sign(sandbox.keypair("alice"), Balances.burn.Call(amount=1))
    sandbox.execute(raw)
    with pytest.raises(InvalidBlock):
        sandbox.execute(raw)
