"""What a settled receipt can be proved wrong for, by itself: no model needs to run for it."""

from __future__ import annotations

from runtime.arithmetic import answer_fee
from runtime.keys import verify
from runtime.wire.receipts import INFERENCE_RECEIPT_VERSION, InferenceReceipt


def fault_of(
    receipt: InferenceReceipt,
    genesis_hash: bytes,
    model: bytes,
    server: bytes,
    charged: int,
    platform_fee: int,
    settled_at: int,
) -> str | None:
    """Return what is wrong with a receipt that a server settled for `charged`, or None.

    The receipt must be of this chain, model and server, not of the future, be signed, and be
    charged what its own tokens and prices come to.
    """
    expected = answer_fee(
        receipt.prompt_tokens,
        receipt.output_tokens,
        receipt.input_per_1000,
        receipt.output_per_1000,
        receipt.platform_fee,
    )
    checks = (
        ("another version", receipt.version != INFERENCE_RECEIPT_VERSION),
        ("another chain", receipt.genesis_hash != genesis_hash),
        ("another model", receipt.model != model),
        ("another server", receipt.server != server),
        ("a fee that is not its tokens' price", (receipt.fee, charged) != (expected, expected)),
        ("another platform fee", receipt.platform_fee != platform_fee),
        ("a height after its settlement", receipt.height > settled_at),
    )
    for fault, is_so in checks:
        if is_so:
            return fault
    is_signed = verify(server, receipt.signing_payload(), receipt.signature)
    return None if is_signed else "no signature of its server"
