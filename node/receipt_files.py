"""Receipt files: read one of either kind, verify it offline, and say in sentences what it proves.

A file holds the canonical bytes of a `PayoutReceipt` or an `InferenceReceipt`, or the JSON form of
one (`receipt_json.py`), nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from consensus.light import check_commit
from node.errors import NodeError
from node.receipt_json import receipt_of
from runtime.block import Header
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.wire.receipts import InferenceReceipt, PayoutReceipt
from runtime.wire.verify import VerifiedStep, verify_inference, verify_payout

FILE_BYTES_MAX = 4 * 2**20
REMEDY = "Give a file that `openledger demo` or a server wrote; receipts end in .receipt."


class ReceiptFileError(NodeError):
    """The file cannot be read, or is no receipt."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A receipt that holds: its kind, the chain it belongs to and every verified link."""

    kind: str
    genesis_hash: bytes
    steps: tuple[VerifiedStep, ...]


def read_receipt(path: Path) -> PayoutReceipt | InferenceReceipt:
    """Decode a receipt file strictly; raises `ReceiptFileError` and `ReceiptJsonError`."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ReceiptFileError(f"{path} is larger than any receipt.", remedy=REMEDY)
        data = path.read_bytes()
    except OSError as error:
        raise ReceiptFileError(
            f"{path} cannot be read ({error.strerror}).", remedy=REMEDY
        ) from error
    if data[:1] == b"{":
        return receipt_of(data.decode(errors="replace"))
    try:
        return codec_of(PayoutReceipt).decode(data)
    except DecodeError:
        pass
    try:
        return codec_of(InferenceReceipt).decode(data)
    except DecodeError as error:
        raise ReceiptFileError(
            f"{path} is not a receipt: {error.message}", remedy=REMEDY
        ) from error


def verify_receipt(
    receipt: PayoutReceipt | InferenceReceipt, genesis_hash: bytes | None = None
) -> Verified:
    """Verify every link, without a node; raises `InvalidProof` naming the one that fails.

    With `genesis_hash`, the receipt must belong to that chain; without it, the caller compares the
    returned one with the chain they trust.
    """
    if isinstance(receipt, InferenceReceipt):
        return Verified("answer", receipt.genesis_hash, verify_inference(receipt, genesis_hash))
    genesis = codec_of(Header).decode(receipt.genesis_header).id()
    return Verified("payout", genesis, verify_payout(receipt, check_commit, genesis_hash))
