"""`InferenceReceipt` and `PayoutReceipt`, version 1.

An inference receipt is what a server signs for one answer.  A payout receipt is one self-contained
file from a row to the block, finalised by the validators, that settled its payout.  Field order is
the encoding: a change is a new version, never an edit.  `tests/runtime/vectors/` pins both byte for
byte.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from runtime.codec import codec_of
from runtime.hashing import hash_receipt
from runtime.types import (
    U8,
    U32,
    U64,
    AccountId,
    Amount,
    BlockNumber,
    Hash,
    Max,
    ShortText,
    Signature,
)
from runtime.wire.records import PayoutLeaf, ScoreLeaf
from runtime.wire.rows import RowRecord

INFERENCE_RECEIPT_VERSION = 1
PAYOUT_RECEIPT_VERSION = 1
UNSIGNED = bytes(64)


@dataclass(frozen=True, slots=True)
class InferenceReceipt:
    """What a server vouches for: which model answered what, for whom, at which price."""

    version: U8
    genesis_hash: Hash
    model: Hash
    base_model: Hash
    server: AccountId
    user: AccountId
    request: U64
    """The server's own counter: no two receipts of a server share it."""
    prompt_hash: Hash
    output_hash: Hash
    prompt_tokens: U32
    output_tokens: U32
    lane: ShortText
    """`fast` or `verifiable`."""
    temperature_ppb: U32
    seed: U64
    input_per_1000: Amount
    output_per_1000: Amount
    platform_fee: Amount
    fee: Amount
    height: BlockNumber
    """The finalised height the server had seen when it answered."""
    disclosed: bool
    """Whether workers may read it: who divides the epoch's pool looks at all such answers."""
    signature: Signature

    def encode(self) -> bytes:
        """The canonical bytes: the leaf of the epoch's receipt tree."""
        return codec_of(InferenceReceipt).encode(self)

    def signing_payload(self) -> bytes:
        """The 32 bytes the server signs: the hash of the receipt with a zero signature."""
        return hash_receipt(replace(self, signature=UNSIGNED).encode())


@dataclass(frozen=True, slots=True)
class ListPath:
    """A Merkle path in a list of `count` leaves: the leaf's index and its siblings, leaf first."""

    index: U32
    count: U32
    siblings: Annotated[tuple[Hash, ...], Max(32)]


@dataclass(frozen=True, slots=True)
class SumSibling:
    """A sibling in a Merkle-sum tree: its hash and the sum below it."""

    hash: Hash
    sum: Amount


@dataclass(frozen=True, slots=True)
class SumPath:
    """A path in a Merkle-sum tree of `count` leaves, leaf first."""

    index: U32
    count: U32
    siblings: Annotated[tuple[SumSibling, ...], Max(32)]


@dataclass(frozen=True, slots=True)
class StateEntry:
    """One storage value under a state root, with its proof in the bucketed binary tree."""

    key: Annotated[bytes, Max(512)]
    value: Annotated[bytes, Max(65_536)]
    bucket: Annotated[bytes, Max(512)]
    """The sorted (key hash, value hash) pairs of the bucket, 64 bytes each."""
    siblings: Annotated[tuple[Hash, ...], Max(256)]
    """From the root down."""


@dataclass(frozen=True, slots=True)
class PayoutReceipt:
    """Row -> Datanet version -> job -> model -> answer -> influence -> payout -> final block."""

    version: U8
    genesis_header: Annotated[bytes, Max(4_096)]
    header: Annotated[bytes, Max(4_096)]
    commit: Annotated[bytes, Max(65_536)]
    validators: Annotated[bytes, Max(65_536)]
    row: RowRecord
    row_path: ListPath
    datanet: U32
    datanet_version: U32
    version_entry: StateEntry
    job: U32
    job_entry: StateEntry
    model: Hash
    model_entry: StateEntry
    epoch: U32
    answer: InferenceReceipt
    answer_path: SumPath
    batch: U32
    batch_entry: StateEntry
    score: ScoreLeaf
    score_path: SumPath
    payout: PayoutLeaf
    payout_path: SumPath
    settlement_entry: StateEntry

    def encode(self) -> bytes:
        """The canonical bytes of the receipt file."""
        return codec_of(PayoutReceipt).encode(self)
