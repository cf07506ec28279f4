"""Verify a payout receipt with nothing but `runtime` and `consensus`: FILE [GENESIS HASH]."""

import sys
from pathlib import Path

from consensus.light import check_commit
from runtime.codec import codec_of
from runtime.wire.receipts import PayoutReceipt
from runtime.wire.verify import verify_payout

receipt = codec_of(PayoutReceipt).decode(Path(sys.argv[1]).read_bytes())
trusted = bytes.fromhex(sys.argv[2]) if len(sys.argv) > 2 else None
for step in verify_payout(receipt, check_commit, trusted):
    sys.stdout.write(f"{step.link}: {step.sentence}\n")
