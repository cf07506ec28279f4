"""The JSON form of receipts: nothing is lost, its schema is published, and it verifies alike."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import pytest

from node.payout_reasons import explanation
from node.receipt_files import read_receipt, verify_receipt
from node.receipt_json import (
    ReceiptJsonError,
    receipt_document,
    receipt_of,
    receipt_schema,
)
from runtime.codec import codec_of
from runtime.wire.receipts import InferenceReceipt, PayoutReceipt

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests/runtime/vectors"


def vector(name, kind):
    return codec_of(kind).decode(bytes.fromhex((VECTORS / f"{name}_v1.hex").read_text()))


RECEIPTS = (
    vector("payout_receipt", PayoutReceipt),
    vector("inference_receipt", InferenceReceipt),
)


@pytest.mark.parametrize("receipt", RECEIPTS)
def test_a_receipt_is_its_json(receipt):
    """The canonical bytes come back from the JSON form, which the schema allows."""
    text = json.dumps(receipt_document(receipt))
    assert receipt_of(text) == receipt
    jsonschema_rs.validate(receipt_schema(), json.loads(text))


@pytest.mark.parametrize("receipt", RECEIPTS)
def test_the_schema_wants_every_field(receipt):
    """A missing field, another one, and a text in place of a number are no receipt."""
    document = receipt_document(receipt)
    fields = document["receipt"]
    for wrong in (
        {name: fields[name] for name in list(fields)[1:]},
        fields | {"more": 1},
        fields | {"version": "1"},
    ):
        changed = document | {"receipt": wrong}
        assert not jsonschema_rs.is_valid(receipt_schema(), changed)
        with pytest.raises(ReceiptJsonError):
            receipt_of(json.dumps(changed))


def test_the_published_schema_is_this_one():
    """docs/reference/receipt.schema.json is what `receipt_schema` makes."""
    published = (ROOT / "docs/reference/receipt.schema.json").read_text(encoding="utf-8")
    assert json.loads(published) == receipt_schema(), (
        "Write it again: json.dumps(node.receipt_json.receipt_schema(), indent=1)"
    )


def test_a_json_file_verifies_like_the_canonical_one(tmp_path):
    """Every link of it holds, and the same links."""
    receipt = RECEIPTS[0]
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(receipt_document(receipt)))
    assert read_receipt(path) == receipt
    assert verify_receipt(read_receipt(path)) == verify_receipt(receipt)


def test_an_explanation_has_the_numbers():
    """Amount, share, score and errors of a payout; tokens and price of an answer."""
    paid, scored, measured = explanation(RECEIPTS[0])
    assert "0.07 ± 0 OPEN" in paid
    assert "0.000011 ± 0.000000 nats" in scored
    assert "2 weights of the data" in measured
    assert explanation(RECEIPTS[1])[0].startswith("An answer of 29 tokens to a question of 17 cost")


def test_twelve_lines_verify_a_receipt(tmp_path):
    """examples/verify_receipt.py, with nothing but `runtime` and `consensus`."""
    path = tmp_path / "receipt"
    path.write_bytes(RECEIPTS[0].encode())
    command = [sys.executable, str(ROOT / "examples/verify_receipt.py"), str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert found.returncode == 0, found.stderr
    assert [line.split(":")[0] for line in found.stdout.splitlines()][-1] == "payout"
    path.write_bytes(RECEIPTS[0].encode()[:-1] + b"\0")
    assert subprocess.run(command, capture_output=True, check=False, cwd=ROOT).returncode
