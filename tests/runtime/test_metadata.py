"""Metadata: complete, ready for JSON, and the same each time."""

from __future__ import annotations

import json
from typing import Any

from runtime import U8, Const, Hash, Pallet, Runtime, Signed, Weight, call
from tests.runtime.token_pallet import Balances, System, compose


def described(pallet: str) -> dict[str, Any]:
    """One pallet's part, after a round trip through JSON."""
    metadata = json.loads(json.dumps(compose()[0].metadata()))
    (found,) = [each for each in metadata["pallets"] if each["name"] == pallet]
    return dict(found)


def test_a_runtime_describes_itself() -> None:
    """Name, version, and its pallets in order; two compositions agree."""
    metadata = compose()[0].metadata()
    assert (metadata["name"], metadata["spec_version"]) == ("token", 1)
    assert [pallet["index"] for pallet in metadata["pallets"]] == [0, 2, 7]
    assert metadata == compose()[0].metadata()


def test_a_call_is_described_for_a_form() -> None:
    """Documentation, origin, weight, and each argument with its bounds."""
    transfer, issue, reset = described("Balances")["calls"]
    assert transfer == {
        "name": "transfer",
        "index": 0,
        "origin": "signed",
        "operational": False,
        "documentation": "Move `amount` (in 10**-18 OPEN) from the signer to `receiver`.",
        "arguments": [
            {"name": "receiver", "type": "bytes[32]"},
            {"name": "amount", "type": f"int[1..{2**128 - 1}]"},
        ],
        "weight": {"reads": 2, "writes": 2, "hashes": 0, "bytes": 0, "time_ns": 0},
    }
    assert (issue["name"], reset["origin"]) == ("issue", "root")


def test_storage_is_described_for_an_explorer() -> None:
    """Kind, key, type, prefix, size and default."""
    issuance, accounts = described("Balances")["storage"]
    assert issuance["kind"] == "value"
    assert issuance["default"] == 0
    assert accounts == {
        "name": "accounts",
        "kind": "map",
        "prefix": "b66a65ba4933cc7d5cadc7739ea972f5",
        "key": "bytes[32]",
        "type": "Account(free: u128, held: u128, nonce: u64)",
        "bytes_max": 46,
        "default": [0, 0, 0],
    }
    assert "default" not in described("Notes")["storage"][1]


def test_events_errors_constants_and_hooks_are_described() -> None:
    """All that a client shows."""
    notes = described("Notes")
    assert [event["name"] for event in notes["events"]] == ["Written", "Started", "Ended"]
    assert notes["errors"] == [
        {
            "name": "Refused",
            "documentation": "This note is not wanted.",
            "remedy": "Write another one.",
            "fields": [],
        }
    ]
    assert notes["constants"] == [{"name": "deposit", "type": "u128", "value": 5}]
    assert notes["needs"] == ["currency"]
    assert notes["hooks"]["on_initialize"] == ["note_start"]
    assert described("Balances")["hooks"]["invariant"] == ["issuance_is_bounded"]


def test_constants_of_bytes_and_records_are_described() -> None:
    """Bytes in hexadecimal, tuples as arrays, whatever JSON cannot say itself."""

    class Chosen(Pallet, index=9):
        """Has constants."""

        pot: Const[Hash] = bytes([7]) * 32
        pair: Const[tuple[U8, Hash]] = (3, bytes(32))

    runtime = Runtime(System(), Balances(), Chosen(), spec_version=1, name="chosen")
    pot, pair = runtime.metadata()["pallets"][2]["constants"]
    assert pot["value"] == "07" * 32
    assert pair["value"] == [3, "00" * 32]


def test_a_weight_that_depends_on_arguments_is_told_as_such() -> None:
    """A client cannot know it without the arguments: null."""

    class Weighty(Pallet, index=9):
        """Has a call that costs what it is given."""

        @call(0, weight=lambda count: Weight(reads=count, writes=0))
        def read(self, sender: Signed, count: U8) -> None:
            """Read nothing."""

    runtime = Runtime(System(), Balances(), Weighty(), spec_version=1, name="weighty")
    assert runtime.metadata()["pallets"][2]["calls"][0]["weight"] is None
