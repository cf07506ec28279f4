"""Build a `PayoutReceipt` from what a node and its content store hold.

Everything in it is public and proved: whoever doubts the node that built it can verify the file
without any node (`openledger receipt verify`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from node.client import NodeClient
from node.connection import NodeConnection, ReadProof
from node.errors import NotFound
from runtime.codec import codec_of
from runtime.merkle import list_path, sum_path
from runtime.storage import storage_key
from runtime.wire.blobs import decode_blob
from runtime.wire.receipts import PAYOUT_RECEIPT_VERSION, InferenceReceipt, PayoutReceipt
from runtime.wire.records import (
    AnswerBatch,
    DatanetVersion,
    Model,
    PayoutLeaf,
    ScoreLeaf,
    Settlement,
)
from runtime.wire.rows import RowRecord

T = TypeVar("T")
LEAVES_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Epoch:
    """Everything settled about one model in one epoch, decoded once for all of its receipts."""

    model: bytes
    epoch: int
    record: Model
    version: DatanetVersion
    settlement: Settlement
    batch: AnswerBatch
    records: tuple[RowRecord, ...]
    receipts: tuple[InferenceReceipt, ...]
    scores: tuple[ScoreLeaf, ...]
    payouts: tuple[PayoutLeaf, ...]

    def best_score(self, owner: bytes) -> int:
        """Index of the owner's most influential row; raises `NotFound`."""
        mine = [index for index, score in enumerate(self.scores) if score.owner == owner]
        if not mine:
            raise missing("row", owner)
        return max(mine, key=lambda index: self.scores[index].score)


def missing(what: str, owner: bytes) -> NotFound:
    """The error for an owner who has no such leaf in the epoch."""
    return NotFound(
        f"The account {owner.hex()} has no {what} in this epoch.",
        remedy="Check the account, the model and the epoch: `openledger query Attribution`.",
    )


def load_epoch(client: NodeClient, model: bytes, epoch: int, batch: int = 0) -> Epoch:
    """Fetch an epoch's records and blobs; raises `NotFound` before it is settled.

    `batch` is the index of the answer batch whose answers the receipts quote.
    """
    settlement = client.read("Attribution", "settlements", model, epoch)
    if settlement is None:
        raise NotFound(
            f"Epoch {epoch} of model {model.hex()} is not settled.",
            remedy="Wait until a worker has attributed it.",
        )
    record = client.read("Models", "models", model)
    version = client.read("Datanets", "versions", record.datanet, record.version)
    answers = client.read("Inference", "batches", model, epoch, batch)
    return Epoch(
        model,
        epoch,
        record,
        version,
        settlement,
        answers,
        fetch(client, version.records, RowRecord),
        fetch(client, answers.receipts, InferenceReceipt),
        fetch(client, settlement.scores, ScoreLeaf),
        fetch(client, settlement.payouts, PayoutLeaf),
    )


def fetch(client: NodeClient, content_hash: bytes, kind: type[T]) -> tuple[T, ...]:
    """The decoded items of a blob in the content store."""
    codec = codec_of(kind)
    items = decode_blob(client.get_content(content_hash), LEAVES_MAX)
    return tuple(codec.decode(item) for item in items)


def prove_epoch(client: NodeConnection, epoch: Epoch, batch: int = 0) -> ReadProof:
    """State proofs of the five records a receipt names, under one finalised header."""
    job = epoch.record.job
    return client.proof(
        [
            storage_key("Datanets", "versions", epoch.record.datanet, epoch.record.version),
            storage_key("Compute", "jobs", job),
            storage_key("Models", "models", epoch.model),
            storage_key("Inference", "batches", epoch.model, epoch.epoch, batch),
            storage_key("Attribution", "settlements", epoch.model, epoch.epoch),
        ],
    )


def build_payout_receipt(
    client: NodeConnection,
    epoch: Epoch,
    proof: ReadProof,
    owner: bytes,
    *,
    answer: int = 0,
    batch: int = 0,
) -> PayoutReceipt:
    """The receipt of `owner`'s payout: their most influential row and the batch's answer `answer`.

    Raises `NotFound` when the owner has no payout in the epoch.
    """
    payout = next((i for i, leaf in enumerate(epoch.payouts) if leaf.owner == owner), None)
    if payout is None:
        raise missing("payout", owner)
    score = epoch.best_score(owner)
    row_hash = epoch.scores[score].row_hash
    row = next(i for i, record in enumerate(epoch.records) if record.row_hash == row_hash)
    version_entry, job_entry, model_entry, batch_entry, settlement_entry = proof.entries
    return PayoutReceipt(
        version=PAYOUT_RECEIPT_VERSION,
        genesis_header=bytes.fromhex(client.call("chain_getHeader", 0)["header"]),
        header=proof.head.header_bytes,
        commit=proof.head.commit,
        validators=proof.head.validators,
        row=epoch.records[row],
        row_path=list_path([record.encode() for record in epoch.records], row),
        datanet=epoch.record.datanet,
        datanet_version=epoch.record.version,
        version_entry=version_entry,
        job=epoch.record.job,
        job_entry=job_entry,
        model=epoch.model,
        model_entry=model_entry,
        epoch=epoch.epoch,
        answer=epoch.receipts[answer],
        answer_path=sum_path([(each.encode(), each.fee) for each in epoch.receipts], answer),
        batch=batch,
        batch_entry=batch_entry,
        score=epoch.scores[score],
        score_path=sum_path(
            [(codec_of(ScoreLeaf).encode(each), each.credit) for each in epoch.scores], score
        ),
        payout=epoch.payouts[payout],
        payout_path=sum_path(
            [(codec_of(PayoutLeaf).encode(each), each.amount) for each in epoch.payouts], payout
        ),
        settlement_entry=settlement_entry,
    )
