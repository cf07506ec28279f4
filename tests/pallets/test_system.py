"""System: nonces, remarks and the fate of calls."""

from __future__ import annotations

import pytest

from genesis.chain_spec import development_keypair
from genesis.sandbox import Sandbox
from pallets.balances.pallet import Balances
from pallets.system.pallet import System
from runtime import RuntimeCall
from runtime.cbor import encode
from runtime.errors import InvalidBlock, InvalidTransaction
from runtime.hashing import hash_text
from runtime.storage import PREFIX_BYTES, storage_key
from runtime.types import OPEN
from tests.pallets.chain import Chain, key_of, spec
from tests.pallets.governor import Governor

USER = development_keypair("user")


def change(pallet: str, name: str, value: bytes) -> RuntimeCall:
    """The chain's wish that a parameter has another value."""
    call = System.set_parameter.Call(pallet=pallet, name=name, value=value)
    return Governor.decree.Call(wish=call)


def test_a_remark_is_an_event_with_its_hash():
    """A remark changes no state but the nonce, and its hash is on record."""
    chain = Chain()
    keys = set(chain.state)
    events = chain.ok(USER, System.remark.Call(data=b"hello"))
    assert events["System.Remarked"].fields == {
        "sender": USER.account,
        "remark": hash_text(b"hello"),
    }
    added = set(chain.state) - keys
    assert [key[:PREFIX_BYTES] for key in added] == [storage_key("Session", "beacons")]


def test_an_extrinsic_enters_once():
    """The same bytes again, or another nonce than the next, may not be in a block."""
    chain = Chain()
    raw = chain.sign(USER, System.remark.Call(data=b""))
    chain.execute(raw)
    for again in (raw, chain.sign(USER, System.remark.Call(data=b""), nonce=2)):
        with pytest.raises(InvalidBlock):
            chain.execute(again)


def test_an_account_without_open_may_send():
    """A contributor needs no OPEN to commit: its first nonce is 0."""
    chain = Chain()
    chain.ok(key_of("newcomer"), System.remark.Call(data=b""))


def test_a_failing_call_keeps_its_nonce_and_says_why():
    """A failed call is rolled back, uses its nonce up, and leaves error, sentence and remedy."""
    chain = Chain()
    poor = key_of("poor")
    transfer = Balances.transfer.Call(receiver=USER.account, amount=OPEN)
    chain.fails(poor, transfer, "Balances.Insufficient")
    (event,) = chain.events
    assert (event.pallet, event.name) == ("System", "ExtrinsicFailed")
    assert event.fields["error"] == "Balances.Insufficient"
    assert event.fields["message"]
    assert event.fields["remedy"]
    with chain.reading() as pallets:
        assert pallets.balances.next_nonce(poor.account) == 1


def test_the_chain_changes_any_parameter():
    """One call for all pallets; its event has the value before, and pallets read the new one."""
    chain = Sandbox(Governor, spec=spec())
    events = chain.ok(USER, change("Session", "session_blocks", encode(9)))
    assert events["System.ParameterSet"].fields == {
        "pallet": "Session",
        "name": "session_blocks",
        "before": encode(7_200),
        "after": encode(9),
    }
    with chain.reading() as pallets:
        assert pallets.session.session_blocks.get() == 9


@pytest.mark.parametrize(
    ("pallet", "name", "value", "error"),
    [
        ("Session", "session_hours", encode(9), "System.UnknownParameter"),
        ("Session", "index", encode(9), "System.UnknownParameter"),
        ("Session", "session_blocks", encode(0), "System.ParameterRefused"),
        ("Session", "session_blocks", encode("9"), "System.ParameterRefused"),
        ("Session", "session_blocks", b"\x18\x09", "System.ParameterRefused"),
        ("Session", "session_blocks", b"", "System.ParameterRefused"),
    ],
)
def test_a_parameter_keeps_its_bounds(pallet, name, value, error):
    """No other storage, nothing out of bounds, of another type or not canonical: nothing changes."""
    chain = Sandbox(Governor, spec=spec())
    chain.fails(USER, change(pallet, name, value), error)
    with chain.reading() as pallets:
        assert pallets.session.session_blocks.get() == 7_200


def test_nobody_else_changes_parameters():
    """An account may not, whoever it is."""
    chain = Chain()
    call = System.set_parameter.Call(pallet="Session", name="session_blocks", value=encode(9))
    with pytest.raises(InvalidTransaction, match="of the chain itself"):
        chain.send(USER, call)
