"""Offline verification of receipts: every link from a row to the finalised block that paid for it.

The links of a payout receipt, in order; each fails with an `InvalidProof` that names it:

    chain    the genesis header is the chain's, and names the validators
    block    those validators finalised the header, whose state root every later link leads to
    row      the row is in the Datanet version
    job      the training job was given that version
    model    the job's result is the model
    answer   the server signed the answer of that model, at its price, and settled it on chain
    score    the row's influence is in the epoch's settlement
    payout   the row's owner has its part of the epoch's whole pool

State values are read under the storage keys that the links ask for, never under keys of the
prover's choice.  `check_commit` comes from `consensus/light.py`: this layer does not know how
blocks are decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from runtime.arithmetic import answer_fee
from runtime.block import Header
from runtime.codec import codec_of
from runtime.errors import InvalidProof, OpenLedgerError
from runtime.keys import verify
from runtime.merkle import verify_list, verify_sum
from runtime.state.proof import ABSENT, verify_entry
from runtime.storage import storage_key
from runtime.wire.receipts import (
    INFERENCE_RECEIPT_VERSION,
    PAYOUT_RECEIPT_VERSION,
    InferenceReceipt,
    PayoutReceipt,
    StateEntry,
)
from runtime.wire.records import (
    AnswerBatch,
    DatanetVersion,
    Job,
    JobState,
    Model,
    RowSource,
    Settlement,
)

CommitCheck: TypeAlias = Callable[[Header, bytes, bytes, bytes], None]
"""(header, commit, validators, genesis hash): raises an `OpenLedgerError` unless it is final."""

Record = TypeVar("Record")

_LANES = ("fast", "verifiable")
_REMEDY = "Ask for the receipt again, from another node if it stays wrong; do not rely on this one."


@dataclass(frozen=True, slots=True)
class VerifiedStep:
    """One link that holds, for display."""

    link: str
    sentence: str
    facts: tuple[tuple[str, str], ...]
    """Names and values, hashes in hexadecimal."""


def verify_payout(
    receipt: PayoutReceipt, check_commit: CommitCheck, genesis_hash: bytes | None
) -> tuple[VerifiedStep, ...]:
    """Check every link of a payout receipt and return them; raises `InvalidProof`.

    `genesis_hash` is the chain the reader trusts; with `None` the receipt is only checked against
    the chain it names itself, and the first step says so.
    """
    _require("chain", "the receipt's version is unknown", receipt.version == PAYOUT_RECEIPT_VERSION)
    genesis = _decode_header("chain", receipt.genesis_header)
    header = _decode_header("block", receipt.header)
    return (
        _verify_chain(genesis, genesis_hash),
        _verify_block(receipt, genesis, header, check_commit),
        _verify_row(receipt, header.state_root),
        _verify_job(receipt, header.state_root),
        _verify_model(receipt, header.state_root),
        _verify_answer(receipt, header, genesis.id()),
        _verify_score(receipt, header.state_root),
        _verify_payout(receipt, header.state_root),
    )


def verify_inference(
    receipt: InferenceReceipt, genesis_hash: bytes | None
) -> tuple[VerifiedStep, ...]:
    """Check a single answer's receipt: version, chain, lane, price and the server's signature."""
    link = "answer"
    known = receipt.version == INFERENCE_RECEIPT_VERSION
    _require(link, "the answer's version is unknown", known)
    right_chain = genesis_hash in (None, receipt.genesis_hash)
    _require(link, "the answer is of another chain", right_chain)
    _require(link, "the answer's lane is unknown", receipt.lane in _LANES)
    fee = answer_fee(
        receipt.prompt_tokens,
        receipt.output_tokens,
        receipt.input_per_1000,
        receipt.output_per_1000,
        receipt.platform_fee,
    )
    _require(link, f"the fee is {receipt.fee}, and its prices make {fee}", receipt.fee == fee)
    signed = verify(receipt.server, receipt.signing_payload(), receipt.signature)
    _require(link, "the server's signature is wrong", signed)
    facts = (
        ("model", receipt.model.hex()),
        ("server", receipt.server.hex()),
        ("prompt tokens", str(receipt.prompt_tokens)),
        ("output tokens", str(receipt.output_tokens)),
        ("fee", str(receipt.fee)),
    )
    return (VerifiedStep(link, "The server signed this answer at its published prices.", facts),)


def _verify_chain(genesis: Header, genesis_hash: bytes | None) -> VerifiedStep:
    _require("chain", "the genesis header is not of height 0", genesis.height == 0)
    own = genesis.id()
    _require("chain", "the receipt is of another chain", genesis_hash in (None, own))
    sentence = (
        "The receipt belongs to the chain you trust."
        if genesis_hash is not None
        else "The receipt names its chain: compare this genesis hash with one you trust."
    )
    return VerifiedStep("chain", sentence, (("genesis", own.hex()),))


def _verify_block(
    receipt: PayoutReceipt, genesis: Header, header: Header, check_commit: CommitCheck
) -> VerifiedStep:
    same_set = header.validators_hash == genesis.next_validators_hash
    _require("block", "the validators are not those of the genesis header", same_set)
    with _naming("block"):
        check_commit(header, receipt.commit, receipt.validators, genesis.id())
    return VerifiedStep(
        "block",
        f"The validators finalised block {header.height}.",
        (
            ("height", str(header.height)),
            ("block", header.id().hex()),
            ("state root", header.state_root.hex()),
        ),
    )


def _verify_row(receipt: PayoutReceipt, state_root: bytes) -> VerifiedStep:
    key = storage_key("Datanets", "versions", receipt.datanet, receipt.datanet_version)
    version = _read("row", receipt.version_entry, key, state_root, DatanetVersion)
    count = receipt.row_path.count
    _require("row", f"the path is of {count} rows", count == version.row_count)
    with _naming("row"):
        verify_list(version.rows_root, receipt.row.encode(), receipt.row_path)
    return VerifiedStep(
        "row",
        f"The row is number {receipt.row_path.index} of the {version.row_count} rows of version "
        f"{receipt.datanet_version} of Datanet {receipt.datanet}.",
        (
            ("row", receipt.row.row_hash.hex()),
            ("owner", receipt.row.owner.hex()),
            ("rows root", version.rows_root.hex()),
        ),
    )


def _verify_job(receipt: PayoutReceipt, state_root: bytes) -> VerifiedStep:
    job = _read_job(receipt, state_root)
    named = RowSource(receipt.datanet, receipt.datanet_version) in job.order.sources
    _require("job", "the job was given another Datanet version", named)
    _require("job", "the job is not settled", job.state is JobState.SETTLED)
    return VerifiedStep(
        "job",
        f"Training job {receipt.job} was given exactly that version.",
        (
            ("worker", "" if job.worker is None else job.worker.hex()),
            ("transcript", "" if job.result is None else job.result.transcript_root.hex()),
        ),
    )


def _verify_model(receipt: PayoutReceipt, state_root: bytes) -> VerifiedStep:
    job = _read_job(receipt, state_root)
    key = storage_key("Models", "models", receipt.model)
    model = _read("model", receipt.model_entry, key, state_root, Model)
    trained = job.result is not None and job.result.adapter == receipt.model
    _require("model", "the job's result is another model", trained and model.job == receipt.job)
    source = RowSource(model.datanet, model.version)
    same = (model.base_model, source) == (job.order.base_model, job.order.sources[0])
    _require("model", "the model's record contradicts its job", same)
    return VerifiedStep(
        "model",
        f"The job's result is this model, owned by {model.owner.hex()}.",
        (("model", receipt.model.hex()), ("base model", model.base_model.hex())),
    )


def _verify_answer(receipt: PayoutReceipt, header: Header, genesis_hash: bytes) -> VerifiedStep:
    answer = receipt.answer
    (signed,) = verify_inference(answer, genesis_hash)
    key = storage_key("Inference", "batches", receipt.model, receipt.epoch, receipt.batch)
    batch = _read("answer", receipt.batch_entry, key, header.state_root, AnswerBatch)
    job = _read_job(receipt, header.state_root)
    of_model = (answer.model, answer.base_model) == (receipt.model, job.order.base_model)
    _require("answer", "the answer is of another model", of_model)
    _require("answer", "another server settled the batch", answer.server == batch.server)
    _require("answer", "the answer is of a later height", answer.height <= header.height)
    count = receipt.answer_path.count
    _require("answer", f"the path is of {count} answers", count == batch.answer_count)
    with _naming("answer"):
        leaf = answer.encode()
        verify_sum(batch.receipts_root, batch.fees, leaf, answer.fee, receipt.answer_path)
    return VerifiedStep(
        "answer",
        f"The model gave this answer in epoch {receipt.epoch}; the server signed it and settled it "
        f"as one of {batch.answer_count} in batch {receipt.batch}.",
        (*signed.facts, ("receipts root", batch.receipts_root.hex())),
    )


def _verify_score(receipt: PayoutReceipt, state_root: bytes) -> VerifiedStep:
    settlement = _read_settlement("score", receipt, state_root)
    score = receipt.score
    of_row = (score.row_hash, score.owner) == (receipt.row.row_hash, receipt.row.owner)
    _require("score", "the score is of another row or owner", of_row)
    with _naming("score"):
        leaf = codec_of(type(score)).encode(score)
        path = receipt.score_path
        verify_sum(settlement.scores_root, settlement.credits, leaf, score.credit, path)
    return VerifiedStep(
        "score",
        f"The row's influence on everything the model said in epoch {receipt.epoch} was measured "
        f"at {settlement.nodes} weights of the data by job {settlement.job}, of which every step "
        "could be disputed.",
        (
            ("score in 2**-30 nats", str(score.score)),
            ("standard error", str(score.error)),
            ("credit", f"{score.credit} of {settlement.credits}"),
            ("worker", settlement.worker.hex()),
        ),
    )


def _verify_payout(receipt: PayoutReceipt, state_root: bytes) -> VerifiedStep:
    settlement = _read_settlement("payout", receipt, state_root)
    payout, path = receipt.payout, receipt.payout_path
    _require("payout", "the payout is of another owner", payout.owner == receipt.row.owner)
    count = path.count
    _require("payout", f"the path is of {count} payouts", count == settlement.leaf_count)
    with _naming("payout"):
        leaf = codec_of(type(payout)).encode(payout)
        verify_sum(settlement.payout_root, settlement.pool, leaf, payout.amount, path)
    return VerifiedStep(
        "payout",
        f"The row's owner has {payout.amount} of the pool of {settlement.pool}, all of whose "
        f"{settlement.leaf_count} parts add up to it.",
        (
            ("owner", payout.owner.hex()),
            ("amount", str(payout.amount)),
            ("standard error", str(payout.error)),
            ("pool", str(settlement.pool)),
        ),
    )


def _read_job(receipt: PayoutReceipt, state_root: bytes) -> Job:
    key = storage_key("Compute", "jobs", receipt.job)
    return _read("job", receipt.job_entry, key, state_root, Job)


def _read_settlement(link: str, receipt: PayoutReceipt, state_root: bytes) -> Settlement:
    key = storage_key("Attribution", "settlements", receipt.model, receipt.epoch)
    return _read(link, receipt.settlement_entry, key, state_root, Settlement)


def _read(
    link: str, entry: StateEntry, key: bytes, state_root: bytes, record: type[Record]
) -> Record:
    """Return the record proved by `entry` under the storage key `key`, and no other."""
    _require(link, "the proof is of another storage key", entry.key == key)
    with _naming(link):
        verify_entry(state_root, entry)
    _require(link, "the chain has no such record", entry.value != ABSENT)
    with _naming(link):
        return codec_of(record).decode(entry.value)


def _decode_header(link: str, data: bytes) -> Header:
    with _naming(link):
        return codec_of(Header).decode(data)


def _require(link: str, problem: str, holds: bool) -> None:
    if not holds:
        raise InvalidProof(f"The link '{link}' does not hold: {problem}.", remedy=_REMEDY)


@contextmanager
def _naming(link: str) -> Iterator[None]:
    """Name the link in every error from below."""
    try:
        yield
    except OpenLedgerError as error:
        message = f"The link '{link}' does not hold: {error.message}"
        raise InvalidProof(message, remedy=_REMEDY) from error
