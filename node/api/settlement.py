"""Getting paid: open answers become batches on chain, each exactly once.

    prepare (journal) -> upload the receipts -> Inference.settle_batch -> settled (journal)

A crash, a lost connection or a slow block may come between any two of these.  Then the journal
still holds the prepared batch, and before anything else is settled the chain is asked: a batch with
its receipts root is settled; one that is not there, while none of this server's extrinsics wait for
a block, is dropped, and its answers are open again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import structlog

from node.api.answers import AnswerLog, OpenAnswer, PreparedBatch
from node.api.ledger import Ledger
from node.errors import CallFailed
from pallets.inference.pallet import Inference
from pallets.inference.types import CHARGES_MAX
from runtime.keys import Keypair
from runtime.merkle import sum_root
from runtime.wire.blobs import encode_blob

ANSWERS_MAX = 4_096
"""Answers in one batch: their receipts stay far below the content store's limit."""
_log = structlog.get_logger("settlement")


class Settlement:
    """Settles the answers of one server; one thread uses it."""

    def __init__(self, ledger: Ledger, log: AnswerLog, keypair: Keypair) -> None:
        """Settle with the server's key."""
        self._ledger = ledger
        self._log = log
        self._keypair = keypair

    def register(self) -> None:
        """Register the server on chain, once; raises `ClientError`."""
        if not self._ledger.is_registered():
            self._ledger.client.submit(Inference.register_server.Call(), self._keypair)
            _log.info("server registered")

    def settle(self) -> int:
        """Settle what can be settled and return how many answers were.

        Raises `ClientError` when the node cannot be used; calling again goes on where it stopped.
        """
        if not self._recover():
            return 0
        by_model: dict[bytes, list[OpenAnswer]] = defaultdict(list)
        for answer in self._log.open_answers():
            by_model[answer.model].append(answer)
        return sum(self._settle_model(model, answers) for model, answers in by_model.items())

    def _recover(self) -> bool:
        """Find out what became of a prepared batch; False while that is still open."""
        batch = self._log.prepared
        if batch is None:
            return True
        # In this order: what waits here is in the blocks that are searched after it.
        waiting = self._ledger.has_waiting_extrinsics()
        if self._note_if_settled(batch):
            return True
        if waiting:
            return False
        self._log.dropped()
        return True

    def _settle_model(self, model: bytes, answers: Sequence[OpenAnswer]) -> int:
        chosen = self._payable(answers)
        if not chosen:
            return 0
        requests = tuple(answer.request for answer in chosen)
        receipts = self._log.receipts(requests)
        encoded = [receipt.encode() for receipt in receipts]
        fees = [receipt.fee for receipt in receipts]
        root, total = sum_root(list(zip(encoded, fees, strict=True)))
        blob = self._ledger.client.put_content(encode_blob(encoded))
        charges: dict[bytes, int] = defaultdict(int)
        for answer in chosen:
            charges[answer.user] += answer.fee
        call = Inference.settle_batch.Call(
            model=model,
            receipts_root=root,
            receipts=blob,
            answer_count=len(receipts),
            fees=total,
            platform_fees=sum(receipt.platform_fee for receipt in receipts),
            charges=tuple(sorted(charges.items())),
        )
        batch = PreparedBatch(root, model, requests)
        self._log.prepare(batch)
        try:
            self._ledger.client.submit(call, self._keypair)
        except CallFailed as error:
            _log.warning("batch refused", error=error.message, remedy=error.remedy)
            self._log.dropped()
            return 0
        self._note_if_settled(batch)
        return len(requests)

    def _payable(self, answers: Sequence[OpenAnswer]) -> list[OpenAnswer]:
        """The oldest answers that their users can still pay, at most one batch of them."""
        left: dict[bytes, int] = {}
        chosen: list[OpenAnswer] = []
        for answer in answers:
            if answer.user not in left:
                if len(left) == CHARGES_MAX:
                    continue
                left[answer.user] = self._ledger.chargeable(answer.user)
            if answer.fee <= left[answer.user] and len(chosen) < ANSWERS_MAX:
                left[answer.user] -= answer.fee
                chosen.append(answer)
        if len(chosen) < len(answers):
            _log.debug("answers wait", count=len(answers) - len(chosen))
        return chosen

    def _note_if_settled(self, batch: PreparedBatch) -> bool:
        place = self._ledger.find_batch(batch.model, batch.receipts_root)
        if place is None:
            return False
        epoch, index = place
        self._log.settled(epoch, index)
        count = len(batch.requests)
        _log.info("batch settled", model=batch.model.hex(), epoch=epoch, index=index, answers=count)
        return True
