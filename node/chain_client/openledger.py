"""Typed client of the runtime openledger, spec version 1.

Written by `openledger client generate`: do not edit it, generate it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final

from node.chain_client.base import DEFAULT_URL, BaseChain, BasePallet, PalletError
from node.chain_client.calls import call, unsigned_call
from node.chain_client.storage import DefaultMap, Map, Value
from node.transport import PATIENCE_S
from runtime.calls import RuntimeCall
from runtime.events import Event
from runtime.types import Between, Length, Max

Bytes32 = Annotated[bytes, Length(32)]
Bytes48 = Annotated[bytes, Length(48)]
Bytes64 = Annotated[bytes, Length(64)]
Bytes96 = Annotated[bytes, Length(96)]
BytesUpTo1024 = Annotated[bytes, Max(1024)]
BytesUpTo4096 = Annotated[bytes, Max(4096)]
BytesUpTo512 = Annotated[bytes, Max(512)]
BytesUpTo61440 = Annotated[bytes, Max(61440)]
BytesUpTo80 = Annotated[bytes, Max(80)]
CallUpTo16384 = Annotated[RuntimeCall, Max(16384)]
CallUpTo32768 = Annotated[RuntimeCall, Max(32768)]
CallUpTo8192 = Annotated[RuntimeCall, Max(8192)]
From1000000To1E9 = Annotated[int, Between(1000000, 10**9)]
From16To4096 = Annotated[int, Between(16, 4096)]
From1E18To1E25 = Annotated[int, Between(10**18, 10**25)]
From1E7To1E9 = Annotated[int, Between(10**7, 10**9)]
From1To1000 = Annotated[int, Between(1, 1000)]
From1To10000 = Annotated[int, Between(1, 10000)]
From1To16 = Annotated[int, Between(1, 16)]
From1To1E10 = Annotated[int, Between(1, 10**10)]
From1To1E24 = Annotated[int, Between(1, 10**24)]
From1To1E25 = Annotated[int, Between(1, 10**25)]
From1To1E9 = Annotated[int, Between(1, 10**9)]
From1To20000 = Annotated[int, Between(1, 20000)]
From1To2147483648 = Annotated[int, Between(1, 2**31)]
From1To256 = Annotated[int, Between(1, 256)]
From1To4 = Annotated[int, Between(1, 4)]
From1To4294967296 = Annotated[int, Between(1, 2**32)]
From1To64 = Annotated[int, Between(1, 64)]
From1To8 = Annotated[int, Between(1, 8)]
PositiveU128 = Annotated[int, Between(1, 2**128 - 1)]
PositiveU16 = Annotated[int, Between(1, 65535)]
PositiveU32 = Annotated[int, Between(1, 2**32 - 1)]
PositiveU64 = Annotated[int, Between(1, 2**64 - 1)]
TextUpTo1024 = Annotated[str, Max(1024)]
TextUpTo256 = Annotated[str, Max(256)]
TextUpTo3 = Annotated[str, Max(3)]
TextUpTo64 = Annotated[str, Max(64)]
U128 = Annotated[int, Between(0, 2**128 - 1)]
U16 = Annotated[int, Between(0, 65535)]
U256 = Annotated[int, Between(0, 2**256 - 1)]
U32 = Annotated[int, Between(0, 2**32 - 1)]
U64 = Annotated[int, Between(0, 2**64 - 1)]
U8 = Annotated[int, Between(0, 255)]
UpTo107374182400 = Annotated[int, Between(0, 107374182400)]
UpTo1E12 = Annotated[int, Between(0, 10**12)]
UpTo1E15 = Annotated[int, Between(0, 10**15)]
UpTo1E18 = Annotated[int, Between(0, 10**18)]
UpTo1E22 = Annotated[int, Between(0, 10**22)]
UpTo1E23 = Annotated[int, Between(0, 10**23)]
UpTo1E24 = Annotated[int, Between(0, 10**24)]
UpTo1E8 = Annotated[int, Between(0, 10**8)]
UpTo1E9 = Annotated[int, Between(0, 10**9)]
UpTo268435456 = Annotated[int, Between(0, 2**28)]
UpTo400000000 = Annotated[int, Between(0, 400000000)]
UpTo4294967296 = Annotated[int, Between(0, 2**32)]
UpTo500000000 = Annotated[int, Between(0, 500000000)]
UpTo6 = Annotated[int, Between(0, 6)]
UpTo600000000 = Annotated[int, Between(0, 600000000)]
UpTo9223372036854775808 = Annotated[int, Between(0, 2**63)]


@dataclass(frozen=True, slots=True)
class MigrationState:
    """Part of what System stores or takes."""

    pallet: TextUpTo64
    to_version: U16
    cursor: BytesUpTo512


@dataclass(frozen=True, slots=True)
class Account:
    """Part of what Balances stores or takes."""

    nonce: U64
    free: U128
    held: U128
    bonded: U128
    locked: U128


@dataclass(frozen=True, slots=True)
class Lock:
    """Part of what Balances stores or takes."""

    reason: TextUpTo64
    amount: U128


@dataclass(frozen=True, slots=True)
class FeeShares:
    """Part of what Fees stores or takes."""

    author_ppb: UpTo1E9
    treasury_ppb: UpTo1E9
    burned_ppb: UpTo1E9


@dataclass(frozen=True, slots=True)
class Validator:
    """Part of what Session stores or takes."""

    account: Bytes32
    weight: PositiveU64
    vote_key: Bytes32
    bls_key: Bytes48


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """Part of what Session stores or takes."""

    validators: Annotated[tuple[Validator, ...], Max(256)]


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """Part of what Session stores or takes."""

    vote_key: Bytes32
    bls_key: Bytes48


@dataclass(frozen=True, slots=True)
class SetChange:
    """Part of what Session stores or takes."""

    first_height: U64
    validators_hash: Bytes32


@dataclass(frozen=True, slots=True)
class KnownSet:
    """Part of what Session stores or takes."""

    validators: ValidatorSet
    last_change: U64


@dataclass(frozen=True, slots=True)
class Beacon:
    """Part of what Session stores or takes."""

    height: U64
    value: Bytes32


@dataclass(frozen=True, slots=True)
class KeyProofs:
    """Part of what Session stores or takes."""

    vote_signature: Bytes64
    bls_signature: Bytes96
    possession: Bytes96


@dataclass(frozen=True, slots=True)
class Backing:
    """Part of what Staking stores or takes."""

    stake: U128
    shares: U128
    own_shares: U128
    joining: U128
    index: U256
    carry: U128
    commission: U128
    commission_ppb: UpTo1E9
    next_commission_ppb: UpTo1E9
    elected: bool


@dataclass(frozen=True, slots=True)
class Leaving:
    """Part of what Staking stores or takes."""

    until: U64
    shares: U128
    principal: U128


@dataclass(frozen=True, slots=True)
class Position:
    """Part of what Staking stores or takes."""

    shares: U128
    joining: U128
    principal: U128
    joined_in: U64
    index: U256
    earned: U256
    leaving: Annotated[tuple[Leaving, ...], Max(16)]


@dataclass(frozen=True, slots=True)
class Join:
    """Part of what Staking stores or takes."""

    shares: U128
    index: U256 | None


@dataclass(frozen=True, slots=True)
class Part:
    """Part of what Staking stores or takes."""

    amount: U128
    shares: U128
    withdrawable_at: U64


@dataclass(frozen=True, slots=True)
class OpenPart:
    """Part of what Staking stores or takes."""

    until: U64
    withdrawable_at: U64


class OffenceKind(IntEnum):
    """Part of what Offences stores or takes."""

    DUPLICATE_PROPOSAL = 0
    CONFLICTING_NOTARIZE = 1
    CONFLICTING_FINALIZE = 2
    NULLIFY_FINALIZE = 3
    FINALIZE_VERSUS_NOTARIZE = 4
    BAD_SHARE = 5
    LIGHT_CLIENT_ATTACK = 6


@dataclass(frozen=True, slots=True)
class Punishment:
    """Part of what Offences stores or takes."""

    height: U64
    kind: OffenceKind


@dataclass(frozen=True, slots=True)
class Slash:
    """Part of what Offences stores or takes."""

    account: Bytes32
    amount: U128
    offence_height: U64
    due_at: U64
    reporter: Bytes32 | None


@dataclass(frozen=True, slots=True)
class UpgradePlan:
    """Part of what Upgrade stores or takes."""

    spec_version: U32
    height: U64
    code_hash: Bytes32


@dataclass(frozen=True, slots=True)
class Task:
    """Part of what Scheduler stores or takes."""

    height: U64
    call_hash: Bytes32
    track: TextUpTo64 | None
    name: TextUpTo64 | None


@dataclass(frozen=True, slots=True)
class Status:
    """Part of what Preimage stores or takes."""

    owner: Bytes32 | None
    deposit: U128
    requests: U32


@dataclass(frozen=True, slots=True)
class Curve:
    """Part of what Governance stores or takes."""

    start_ppb: UpTo1E9
    end_ppb: UpTo1E9
    reached_ppb: From1To1E9


@dataclass(frozen=True, slots=True)
class TrackTerms:
    """Part of what Governance stores or takes."""

    decision_deposit: U128
    deciding_max: PositiveU16
    prepare_blocks: U32
    decision_blocks: PositiveU32
    confirm_blocks: PositiveU32
    enactment_blocks: PositiveU32
    approval: Curve
    support: Curve


class TrackName(IntEnum):
    """Part of what Governance and Voting store or takes."""

    ROOT = 0
    PARAMETERS = 1
    SMALL_SPENDER = 2
    LARGE_SPENDER = 3
    CANCELLER = 4
    KILLER = 5


@dataclass(frozen=True, slots=True)
class VoteSum:
    """Part of what Governance stores or takes."""

    aye_tenths: U128
    nay_tenths: U128
    support: U128


@dataclass(frozen=True, slots=True)
class Referendum:
    """Part of what Governance stores or takes."""

    track: TrackName
    call_hash: Bytes32
    submitter: Bytes32
    submission_deposit: U128
    enactment_blocks: U32
    submitted_at: U64
    depositor: Bytes32 | None
    decision_deposit: U128
    deciding_since: U64 | None
    confirming_since: U64 | None
    tally: VoteSum
    alarm: U64 | None


class Result(IntEnum):
    """Part of what Governance stores or takes."""

    APPROVED = 0
    REJECTED = 1
    TIMED_OUT = 2
    CANCELLED = 3
    KILLED = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """Part of what Governance stores or takes."""

    track: TrackName
    call_hash: Bytes32
    result: Result
    ended_at: U64
    tally: VoteSum


@dataclass(frozen=True, slots=True)
class VestingSchedule:
    """Part of what Vesting stores or takes."""

    amount: PositiveU128
    starts_at: U64
    blocks: PositiveU32


@dataclass(frozen=True, slots=True)
class Operation:
    """Part of what Multisig stores or takes."""

    opener: Bytes32
    deposit: U128
    opened_at: U64
    approvals: Annotated[tuple[Bytes32, ...], Max(16)]


class Kind(IntEnum):
    """Part of what Proxy stores or takes."""

    ANY = 0
    NON_TRANSFER = 1
    GOVERNANCE = 2
    STAKING = 3
    PALLETS = 4


@dataclass(frozen=True, slots=True)
class Right:
    """Part of what Proxy stores or takes."""

    delegate: Bytes32
    kind: Kind
    pallets: Annotated[tuple[TextUpTo64, ...], Max(8)]
    delay_blocks: U32


@dataclass(frozen=True, slots=True)
class Announcement:
    """Part of what Proxy stores or takes."""

    owner: Bytes32
    call_hash: Bytes32
    height: U64


@dataclass(frozen=True, slots=True)
class Vote:
    """Part of what Voting stores or takes."""

    aye: U128
    nay: U128
    abstain: U128
    conviction: UpTo6


@dataclass(frozen=True, slots=True)
class CastVote:
    """Part of what Voting stores or takes."""

    poll: U32
    vote: Vote


@dataclass(frozen=True, slots=True)
class Delegation:
    """Part of what Voting stores or takes."""

    delegate: Bytes32
    balance: U128
    conviction: UpTo6


@dataclass(frozen=True, slots=True)
class Delegated:
    """Part of what Voting stores or takes."""

    tenths: U128
    capital: U128


@dataclass(frozen=True, slots=True)
class TrackVoting:
    """Part of what Voting stores or takes."""

    cast: Annotated[tuple[CastVote, ...], Max(32)]
    delegation: Delegation | None
    delegated: Delegated
    kept: U128
    kept_until: U64


@dataclass(frozen=True, slots=True)
class TrackLock:
    """Part of what Voting stores or takes."""

    track: TrackName
    amount: U128


@dataclass(frozen=True, slots=True)
class Column:
    """Part of what Datanets stores or takes."""

    name: TextUpTo64
    bytes_min: U32
    bytes_max: U32


@dataclass(frozen=True, slots=True)
class Schema:
    """Part of what Datanets stores or takes."""

    media_type: TextUpTo64
    columns: Annotated[tuple[Column, ...], Max(2)]
    languages: Annotated[tuple[TextUpTo3, ...], Max(16)]


@dataclass(frozen=True, slots=True)
class Datanet:
    """Part of what Datanets stores or takes."""

    owner: Bytes32
    name: TextUpTo64
    description: TextUpTo1024
    schema: Schema
    minhash_seed: U32
    created_at: U64


class Purpose(IntEnum):
    """Part of what Datanets, Compute, Submissions, DataRights and DatanetVotes store or takes."""

    RESEARCH = 0
    EDUCATION = 1
    COMMERCIAL = 2


class Curation(IntEnum):
    """Part of what Datanets and DatanetVotes store or takes."""

    OWNER = 0
    PANEL = 1


class Access(IntEnum):
    """Part of what Datanets and DatanetVotes store or takes."""

    PUBLIC = 0
    REQUEST = 1
    ENCRYPTED = 2


@dataclass(frozen=True, slots=True)
class Terms:
    """Part of what Datanets and DatanetVotes store or takes."""

    licence: TextUpTo64
    purposes: Annotated[tuple[Purpose, ...], Max(3)]
    contributor_bond_per_row: U128
    curation: Curation
    access: Access
    rows_min: U32


@dataclass(frozen=True, slots=True)
class DatanetVersion:
    """Part of what Datanets stores or takes."""

    rows_root: Bytes32
    row_count: U32
    records: Bytes32
    verdicts_root: Bytes32
    reviewed_count: U32
    published_at: U64


@dataclass(frozen=True, slots=True)
class VersionNotes:
    """Part of what Datanets stores or takes."""

    verdicts: Bytes32
    changes_root: Bytes32
    changes: Bytes32
    joined: U32
    left: U32
    purposes: Annotated[tuple[Purpose, ...], Max(3)]


@dataclass(frozen=True, slots=True)
class Usage:
    """Part of what Datanets stores or takes."""

    day: U64
    size_bytes: U64
    files: U32


@dataclass(frozen=True, slots=True)
class VersionSpan:
    """Part of what Datanets stores or takes."""

    first: U32
    last: U32


@dataclass(frozen=True, slots=True)
class Prices:
    """Part of what Models stores or takes."""

    input_per_1000: U128
    output_per_1000: U128


@dataclass(frozen=True, slots=True)
class Shares:
    """Part of what Models stores or takes."""

    owner_ppb: UpTo1E9
    stakers_ppb: UpTo1E9
    worker_ppb: UpTo1E9
    contributors_ppb: UpTo1E9


@dataclass(frozen=True, slots=True)
class ShareTerms:
    """Part of what Models stores or takes."""

    usual: Shares
    least: Shares
    most: Shares


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Part of what Models stores or takes."""

    layers: U32
    hidden_size: U32
    intermediate_size: U32
    heads: U32
    key_value_heads: U32
    head_size: U32
    vocabulary_size: U32
    positions_max: U32


@dataclass(frozen=True, slots=True)
class BaseModel:
    """Part of what Models stores or takes."""

    name: TextUpTo64
    registrant: Bytes32
    registered_at: U64
    shape: ModelShape
    admitted_at: U64 | None


@dataclass(frozen=True, slots=True)
class Model:
    """Part of what Models stores or takes."""

    owner: Bytes32
    base_model: Bytes32
    job: U32
    datanet: U32
    version: U32
    public: bool
    prices: Prices
    shares: Shares


class JobKind(IntEnum):
    """Part of what Compute stores or takes."""

    TRAIN = 0
    ATTRIBUTE = 1
    EVALUATE = 2


@dataclass(frozen=True, slots=True)
class RowSource:
    """Part of what Compute stores or takes."""

    datanet: U32
    version: U32


class Schedule(IntEnum):
    """Part of what Compute stores or takes."""

    CONSTANT = 0
    LINEAR = 1
    COSINE = 2


@dataclass(frozen=True, slots=True)
class TrainingParameters:
    """Part of what Compute stores or takes."""

    learning_rate_ppb: U32
    schedule: Schedule
    steps: U32
    batch_rows: U32
    rank: U32
    alpha: U32
    dropout_ppb: U32
    warmup_steps: U32
    weight_decay_ppb: U32
    epsilon_ppb: U32
    clip_norm_ppb: U32
    tokens_max: U32
    packing: bool
    prompt_template: TextUpTo256
    checkpoint_count: U32
    validation_ppb: U32
    seed: U32
    target_modules: Annotated[tuple[TextUpTo64, ...], Max(7)]


@dataclass(frozen=True, slots=True)
class JobOrder:
    """Part of what Compute stores or takes."""

    kind: JobKind
    base_model: Bytes32
    sources: Annotated[tuple[RowSource, ...], Max(8)]
    purpose: Purpose
    leaf_count: U32
    parameters: TrainingParameters | None
    subject: Bytes32 | None
    details: Bytes32 | None
    exam: U32 | None


class JobState(IntEnum):
    """Part of what Compute stores or takes."""

    OPEN = 0
    CLAIMED = 1
    COMMITTED = 2
    REVEALED = 3
    SETTLED = 4
    REFUNDED = 5
    CONVICTED = 6


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """Part of what Compute stores or takes."""

    adapter: Bytes32
    transcript_root: Bytes32
    transcript: Bytes32
    states: Bytes32
    leaf_count: U32
    fault: U8
    validation_loss_before_ppb: UpTo9223372036854775808
    validation_loss_after_ppb: UpTo9223372036854775808


@dataclass(frozen=True, slots=True)
class ExamFigures:
    """Part of what Compute and Exams store or takes."""

    rows: U32
    loss_grid: U64
    tokens: U64
    right_tokens: U64
    right_rows: U32


@dataclass(frozen=True, slots=True)
class Job:
    """Part of what Compute stores or takes."""

    owner: Bytes32
    order: JobOrder
    fee: U128
    bond: U128
    panel: Annotated[tuple[Bytes32, ...], Max(8)]
    panel_pay: U128
    deadline: U64
    state: JobState
    worker: Bytes32 | None
    claimed_at: U64 | None
    aborted: bool
    blinded: Bytes32 | None
    result: TrainingOutcome | None
    certified: bool
    disputed: bool
    ordered_at: U64
    figures: ExamFigures | None


@dataclass(frozen=True, slots=True)
class ListPath:
    """Part of what Compute, DataRights and Disputes store or takes."""

    index: U32
    count: U32
    siblings: Annotated[tuple[Bytes32, ...], Max(32)]


@dataclass(frozen=True, slots=True)
class LeafOpening:
    """Part of what Compute and Disputes store or takes."""

    leaf: BytesUpTo512
    path: ListPath


@dataclass(frozen=True, slots=True)
class Authorization:
    """Part of what Inference stores or takes."""

    remaining: U128
    revoked_at: U64 | None


@dataclass(frozen=True, slots=True)
class AnswerBatch:
    """Part of what Inference stores or takes."""

    server: Bytes32
    receipts_root: Bytes32
    receipts: Bytes32
    answer_count: U32
    fees: U128
    platform_fees: U128
    contributor_share: U128
    settled_at: U64


@dataclass(frozen=True, slots=True)
class InferenceReceipt:
    """Part of what Inference stores or takes."""

    version: U8
    genesis_hash: Bytes32
    model: Bytes32
    base_model: Bytes32
    server: Bytes32
    user: Bytes32
    request: U64
    prompt_hash: Bytes32
    output_hash: Bytes32
    prompt_tokens: U32
    output_tokens: U32
    lane: TextUpTo64
    temperature_ppb: U32
    seed: U64
    input_per_1000: U128
    output_per_1000: U128
    platform_fee: U128
    fee: U128
    height: U64
    disclosed: bool
    signature: Bytes64


@dataclass(frozen=True, slots=True)
class SumSibling:
    """Part of what Inference and Attribution store or takes."""

    hash: Bytes32
    sum: U128


@dataclass(frozen=True, slots=True)
class SumPath:
    """Part of what Inference and Attribution store or takes."""

    index: U32
    count: U32
    siblings: Annotated[tuple[SumSibling, ...], Max(32)]


@dataclass(frozen=True, slots=True)
class AttributionTask:
    """Part of what Attribution stores or takes."""

    model: Bytes32
    epoch: U32
    training: U32
    nodes: From1To4
    gain_floor_grid: U64
    pool: U128
    treasury: Bytes32


@dataclass(frozen=True, slots=True)
class EpochOrder:
    """Part of what Attribution stores or takes."""

    job: U32
    task: AttributionTask
    of_pool: U128
    sponsor: Bytes32
    of_sponsor: U128


@dataclass(frozen=True, slots=True)
class Settlement:
    """Part of what Attribution stores or takes."""

    worker: Bytes32
    job: U32
    pool: U128
    payout_root: Bytes32
    leaf_count: U32
    payouts: Bytes32
    scores_root: Bytes32
    credits: U128
    scores: Bytes32
    nodes: U8
    settled_at: U64


@dataclass(frozen=True, slots=True)
class AttributionResult:
    """Part of what Attribution stores or takes."""

    pool: U128
    payout_root: Bytes32
    leaf_count: U32
    payouts: Bytes32
    scores_root: Bytes32
    credits: U128
    scores: Bytes32


@dataclass(frozen=True, slots=True)
class PayoutLeaf:
    """Part of what Attribution stores or takes."""

    owner: Bytes32
    amount: U128
    error: U128


@dataclass(frozen=True, slots=True)
class Offer:
    """Part of what Submissions stores or takes."""

    row_count: U32
    size_bytes: U32
    licence: TextUpTo64
    language: TextUpTo3
    purposes: Annotated[tuple[Purpose, ...], Max(3)]


class SubmissionState(IntEnum):
    """Part of what Submissions stores or takes."""

    COMMITTED = 0
    REVEALED = 1
    REVIEWED = 2
    SETTLED = 3


@dataclass(frozen=True, slots=True)
class Submission:
    """Part of what Submissions stores or takes."""

    contributor: Bytes32
    commitment: Bytes32
    offer: Offer
    bond: U128
    bond_per_row: U128
    sponsored: bool
    committed_at: U64
    state: SubmissionState
    rows_root: Bytes32 | None
    blob: Bytes32 | None
    case: U32 | None
    version: U32
    accepted: U32
    rejected: U32
    answerable_until: U64
    open_reports: U32


@dataclass(frozen=True, slots=True)
class VersionRoots:
    """Part of what Submissions stores or takes."""

    rows_root: Bytes32
    records: Bytes32
    verdicts_root: Bytes32
    verdicts: Bytes32
    changes_root: Bytes32
    changes: Bytes32


@dataclass(frozen=True, slots=True)
class Panelist:
    """Part of what Panels stores or takes."""

    account: Bytes32
    stake: U128
    duties: U32


class CaseState(IntEnum):
    """Part of what Panels stores or takes."""

    OPEN = 0
    SEATED = 1
    CLOSED = 2


@dataclass(frozen=True, slots=True)
class Juror:
    """Part of what Panels stores or takes."""

    account: Bytes32
    seats: U32


@dataclass(frozen=True, slots=True)
class Case:
    """Part of what Panels stores or takes."""

    subject: Bytes32
    payer: Bytes32
    fee: U128
    opened_at: U64
    state: CaseState
    jury: Annotated[tuple[Juror, ...], Max(64)]
    seated_at: U64
    score: UpTo1E9 | None


@dataclass(frozen=True, slots=True)
class Ballot:
    """Part of what Panels stores or takes."""

    commitment: Bytes32
    score: UpTo1E9 | None


class EvidenceKind(IntEnum):
    """Part of what Reports stores or takes."""

    DUPLICATE = 0
    SCHEMA = 1
    POISONED = 2
    LICENCE = 3
    APPEAL = 4


class ReportState(IntEnum):
    """Part of what Reports stores or takes."""

    OPEN = 0
    CONVENED = 1
    RESOLVED = 2


@dataclass(frozen=True, slots=True)
class Report:
    """Part of what Reports stores or takes."""

    reporter: Bytes32
    datanet: U32
    submission: U32
    kind: EvidenceKind
    rows: U32
    evidence: Bytes32
    deposit: U128
    reported_at: U64
    state: ReportState
    answer: Bytes32 | None
    case: U32 | None


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Part of what DataRights stores or takes."""

    rows: U32
    is_whole: bool
    retirement: U32
    withdrawn_at: U64
    is_erased: bool


@dataclass(frozen=True, slots=True)
class SharedKey:
    """Part of what DataRights stores or takes."""

    granter: Bytes32
    deposit: U128
    sealed_key: BytesUpTo80


@dataclass(frozen=True, slots=True)
class RowRecord:
    """Part of what DataRights stores or takes."""

    row_hash: Bytes32
    owner: Bytes32
    submission: U32
    index: U32


class ProposalState(IntEnum):
    """Part of what DatanetVotes stores or takes."""

    OPEN = 0
    PASSED = 1
    REJECTED = 2


@dataclass(frozen=True, slots=True)
class Proposal:
    """Part of what DatanetVotes stores or takes."""

    proposer: Bytes32
    terms: Terms
    deposit: U128
    ends_at: U64
    state: ProposalState
    approving: U128
    rejecting: U128


@dataclass(frozen=True, slots=True)
class Worker:
    """Part of what Workers stores or takes."""

    bond: U128
    locked: U128
    clean_jobs: U32
    seat: U32


@dataclass(frozen=True, slots=True)
class Subtree:
    """Part of what Disputes stores or takes."""

    level: U8
    index: U32


class Turn(IntEnum):
    """Part of what Disputes stores or takes."""

    SPLIT = 0
    PICK = 1
    OPEN = 2
    JUDGE = 3


@dataclass(frozen=True, slots=True)
class Dispute:
    """Part of what Disputes stores or takes."""

    challenger: Bytes32
    worker: Bytes32
    bond: U128
    root: Bytes32
    leaf_count: U32
    subtree: Subtree
    expected: Bytes32
    nodes: Annotated[tuple[Bytes32, ...], Max(16)]
    turn: Turn
    since: U64
    worker_blocks: U32
    challenger_blocks: U32


@dataclass(frozen=True, slots=True)
class OpenedStep:
    """Part of what Disputes stores or takes."""

    index: U32
    before: BytesUpTo512 | None
    after: BytesUpTo512
    state: Bytes32 | None
    other: BytesUpTo512 | None
    other_state: Bytes32 | None


@dataclass(frozen=True, slots=True)
class Attestation:
    """Part of what Disputes stores or takes."""

    validator: Bytes32
    result: Bytes32


@dataclass(frozen=True, slots=True)
class Tally:
    """Part of what Disputes stores or takes."""

    validators_hash: Bytes32
    given: Annotated[tuple[Attestation, ...], Max(256)]


@dataclass(frozen=True, slots=True)
class StateOpening:
    """Part of what Disputes stores or takes."""

    opened: LeafOpening
    state: Bytes32


@dataclass(frozen=True, slots=True)
class StepOpening:
    """Part of what Disputes stores or takes."""

    before: LeafOpening | None
    after: LeafOpening
    state: Bytes32 | None
    other: StateOpening | None


@dataclass(frozen=True, slots=True)
class Draw:
    """Part of what Audits stores or takes."""

    job: U32
    worker: Bytes32
    fee: U128
    panel: Annotated[tuple[Bytes32, ...], Max(8)]
    at: U64


@dataclass(frozen=True, slots=True)
class Audit:
    """Part of what Audits stores or takes."""

    auditor: Bytes32
    bond: U128
    blinded: Bytes32 | None
    root: Bytes32 | None


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """Part of what Audits stores or takes."""

    fee: U128
    is_panel: bool
    audits: Annotated[tuple[Audit, ...], Max(8)]
    due: U64
    root: Bytes32 | None


class Metric(IntEnum):
    """Part of what Exams stores or takes."""

    LOSS = 0
    TOKENS = 1
    ROWS = 2


@dataclass(frozen=True, slots=True)
class ExamRows:
    """Part of what Exams stores or takes."""

    rows_root: Bytes32
    row_count: From1To20000
    rows: Bytes32


@dataclass(frozen=True, slots=True)
class Exam:
    """Part of what Exams stores or takes."""

    owner: Bytes32
    name: TextUpTo64
    metric: Metric
    tokens_max: From16To4096
    commitment: Bytes32
    deposit: U128
    committed_at: U64
    shown: ExamRows | None
    shown_at: U64 | None


@dataclass(frozen=True, slots=True)
class ExamResult:
    """Part of what Exams stores or takes."""

    job: U32
    figures: ExamFigures
    settled_at: U64


class System(BasePallet, index=0):
    """What every extrinsic needs, whatever it calls."""

    spec_version = Value[U32](0)
    storage_versions = Map[TextUpTo64, U16]()
    migration = Value[MigrationState | None](None)

    class ExtrinsicFailed(Event):
        """The call of an extrinsic failed and was rolled back; nonce, fee and tip stay."""

        error: TextUpTo64
        message: TextUpTo1024
        remedy: TextUpTo1024

    class Upgraded(Event):
        """All storage is that of this spec version from now on."""

        spec_version: U32

    class ParameterSet(Event):
        """A parameter has another value from now on; both are in canonical CBOR."""

        pallet: TextUpTo64
        name: TextUpTo64
        before: BytesUpTo1024
        after: BytesUpTo1024

    class Remarked(Event):
        """An account left a remark; its bytes are in the extrinsic."""

        sender: Bytes32
        remark: Bytes32

    class UnknownParameter(PalletError):
        """No pallet of the chain has a parameter of this name."""

    class ParameterGuarded(PalletError):
        """The parameter decides about all else, and no track but root may change it."""

    class ParameterRefused(PalletError):
        """The parameter may not have this value."""

    @call(0)
    def remark(self, data: BytesUpTo4096) -> None:
        """Put bytes on record; they change no state."""

    @unsigned_call(1)
    def set_parameter(self, pallet: TextUpTo64, name: TextUpTo64, value: BytesUpTo1024) -> None:
        """Give a parameter of any pallet another value, in canonical CBOR."""

    @unsigned_call(2)
    def set_guarded_parameter(
        self, pallet: TextUpTo64, name: TextUpTo64, value: BytesUpTo1024
    ) -> None:
        """Give any parameter another value, one that decides about all else as well."""


class Utility(BasePallet, index=1):
    """Several calls in one extrinsic."""

    class BatchCompleted(Event):
        """All calls of a batch were made."""

        calls: U32

    class BatchInterrupted(Event):
        """A call of a batch failed; those before it stay, and the others were not made."""

        position: U32
        error: TextUpTo64

    @call(0)
    def batch(self, calls: Annotated[tuple[CallUpTo8192, ...], Max(64)]) -> None:
        """Make calls until one fails; those before it stay."""

    @call(1)
    def batch_all(self, calls: Annotated[tuple[CallUpTo8192, ...], Max(64)]) -> None:
        """Make all calls, or none of them."""

    @unsigned_call(2)
    def dispatch_all(self, calls: Annotated[tuple[CallUpTo8192, ...], Max(64)]) -> None:
        """Make all calls on behalf of the chain itself, or none of them."""


class Balances(BasePallet, index=2):
    """Accounts of the native token."""

    existential_deposit: Final[U128] = 1

    issuance = Value[U128](0)
    accounts = DefaultMap[Bytes32, Account](Account(nonce=0, free=0, held=0, bonded=0, locked=0))
    holds = DefaultMap[Bytes32, TextUpTo64, U128](0)
    allowances = DefaultMap[Bytes32, Bytes32, U128](0)
    locks = DefaultMap[Bytes32, Annotated[tuple[Lock, ...], Max(8)]](())

    class Transfer(Event):
        """Free balance moved from one account to another."""

        sender: Bytes32
        receiver: Bytes32
        amount: U128

    class Approval(Event):
        """The owner set what the spender may move."""

        owner: Bytes32
        spender: Bytes32
        amount: U128

    class Burned(Event):
        """Issuance went down by what an account burned."""

        account: Bytes32
        amount: U128

    class DustCollected(Event):
        """What a payer was left with was no existential deposit, and went to the treasury."""

        account: Bytes32
        amount: U128

    class Held(Event):
        """Free balance came under a hold."""

        account: Bytes32
        reason: TextUpTo64
        amount: U128

    class Released(Event):
        """Held balance became free again."""

        account: Bytes32
        reason: TextUpTo64
        amount: U128

    class LockSet(Event):
        """An account must keep this much for a reason from now on; 0: nothing more."""

        account: Bytes32
        reason: TextUpTo64
        amount: U128

    class HeldMoved(Event):
        """Held balance was paid to another account, where it is free."""

        account: Bytes32
        reason: TextUpTo64
        receiver: Bytes32
        amount: U128

    class Insufficient(PalletError):
        """The account's free balance is too low for this amount."""

    class Locked(PalletError):
        """The account must keep what it has locked, for example for its votes."""

    class TooManyLocks(PalletError):
        """The account has as many locks as may be."""

    class BelowExistentialDeposit(PalletError):
        """The receiver would have less than an account may hold."""

    class NotKeptAlive(PalletError):
        """The sender would be left with less free balance than the existential deposit."""

    class AllowanceExceeded(PalletError):
        """The owner has not approved this spender for so much."""

    class HoldTooSmall(PalletError):
        """Less is held for this reason than is to be released or paid."""

    @call(0)
    def transfer(self, receiver: Bytes32, amount: U128) -> None:
        """Move `amount` (in 10**-18 OPEN) from the signer to `receiver`; may empty the signer."""

    @call(1)
    def transfer_keep_alive(self, receiver: Bytes32, amount: U128) -> None:
        """Move `amount` to `receiver`, if the signer keeps the existential deposit free."""

    @call(2)
    def approve(self, spender: Bytes32, amount: U128) -> None:
        """Let `spender` move up to `amount` of the signer's free balance, in place of what was.

        As with every ERC-20, a spender who sees a change coming can still use the old allowance
        first: set it to 0 and look, then set it anew.
        """

    @call(3)
    def transfer_from(self, owner: Bytes32, receiver: Bytes32, amount: U128) -> None:
        """Move `amount` from `owner` to `receiver` out of what the signer was approved for."""

    @call(4)
    def burn(self, amount: PositiveU128) -> None:
        """Destroy `amount` of the signer's free balance for ever; issuance goes down by it."""


class Fees(BasePallet, index=3):
    """The fees of extrinsics."""

    base_price = Value[UpTo1E18](10000000000000)
    byte_price = Value[UpTo1E15](100000000000)
    unit_price = Value[UpTo1E12](100000000)
    shares = Value[FeeShares](FeeShares(author_ppb=200000000, treasury_ppb=0, burned_ppb=800000000))
    multiplier_ppb = Value[U64](1000000000)

    class Collected(Event):
        """The fees and tips of a block were shared out; the multiplier was this one's."""

        fees: U128
        tips: U128
        proposer: Bytes32
        reward: U128
        treasury: U128
        burned: U128
        multiplier_ppb: U64


class Session(BasePallet, index=4):
    """Candidates, keys, sessions and sets of validators."""

    session_blocks = Value[From1To4294967296](7200)
    validators_max = Value[From1To256](100)
    change_max_ppb = Value[From1E7To1E9](333333333)
    candidates = Value[Annotated[tuple[Bytes32, ...], Max(512)]](())
    jails = Map[Bytes32, U64]()
    index = Value[U64](0)
    ends_at = Value[U64](0)
    current = Value[ValidatorSet | None](None)
    keys = Map[Bytes32, SessionKeys]()
    vote_key_owners = Map[Bytes32, Bytes32]()
    bls_key_owners = Map[Bytes48, Bytes32]()
    possessions = Map[Bytes48, Bytes96]()
    first_change = Value[U64](0)
    next_change = Value[U64](0)
    changes = Map[U64, SetChange]()
    known_sets = Map[Bytes32, KnownSet]()
    beacons = Map[U32, Beacon]()

    class KeysSet(Event):
        """An account will sign with these keys from the next election on."""

        account: Bytes32
        keys: SessionKeys

    class KeysPurged(Event):
        """An account has no keys any more, and is not elected until it has."""

        account: Bytes32

    class CandidateAdded(Event):
        """An account stands for election."""

        account: Bytes32
        stake: U128

    class CandidateRemoved(Event):
        """An account stands for election no more."""

        account: Bytes32

    class Jailed(Event):
        """An account may not be a candidate until the height that is named."""

        account: Bytes32
        until: U64

    class Unjailed(Event):
        """An account's jail is over."""

        account: Bytes32

    class SessionStarted(Event):
        """A session began, with the set that decides its first block."""

        index: U64
        first_height: U64
        validators_hash: Bytes32

    class SetChanged(Event):
        """From this height on another set decides."""

        first_height: U64
        validators_hash: Bytes32
        validators: U32

    class SetKept(Event):
        """Nobody could be elected, or nobody would be left: the set stays as it is."""

        first_height: U64
        validators_hash: Bytes32

    class NotProved(PalletError):
        """A proof does not show that the account has the secret of the key."""

    class WeakKey(PalletError):
        """Anybody can sign with this vote key."""

    class KeyTaken(PalletError):
        """The key is, or was, another account's."""

    class NoKeys(PalletError):
        """The account has no keys."""

    class BondTooLow(PalletError):
        """The account has bonded less than a validator must."""

    class AlreadyCandidate(PalletError):
        """The account is a candidate already."""

    class NotCandidate(PalletError):
        """The account is no candidate."""

    class CandidatesFull(PalletError):
        """All places are taken by candidates who have at least as much stake behind them."""

    class InJail(PalletError):
        """The account is jailed for an offence."""

    class NotInJail(PalletError):
        """The account is not jailed."""

    class BeaconUnknown(PalletError):
        """The beacon is not there yet, or is not remembered any more."""

    @call(0)
    def set_keys(self, keys: SessionKeys, proofs: KeyProofs) -> None:
        """Sign with `keys` from the next election on; `proofs` show that the signer has them."""

    @call(1)
    def purge_keys(self) -> None:
        """Forget the signer's keys: it is not elected again; what it still signs counts."""

    @call(2)
    def validate(self) -> None:
        """Stand for election from the end of this session on."""

    @call(3)
    def chill(self) -> None:
        """Stand for election no more; a validator stays one to the end of the session."""

    @call(4)
    def unjail(self) -> None:
        """End the signer's jail when its time is over, and stand for election again."""


class Staking(BasePallet, index=5):
    """Stake, rewards and slashes."""

    bond_min = Value[From1E18To1E25](10000000000000000000000)
    unbonding_blocks = Value[From1To4294967296](2419200)
    nomination_min = Value[From1To1E25](10000000000000000000)
    commission_max_ppb = Value[UpTo1E9](500000000)
    stream_per_session = Value[UpTo1E23](0)
    backings = DefaultMap[Bytes32, Backing](
        Backing(
            stake=0,
            shares=0,
            own_shares=0,
            joining=0,
            index=0,
            carry=0,
            commission=0,
            commission_ppb=0,
            next_commission_ppb=0,
            elected=False,
        ),
    )
    positions = DefaultMap[Bytes32, Bytes32, Position](
        Position(shares=0, joining=0, principal=0, joined_in=0, index=0, earned=0, leaving=())
    )
    targets = DefaultMap[Bytes32, Annotated[tuple[Bytes32, ...], Max(16)]](())
    joins = DefaultMap[Bytes32, U64, Join](Join(shares=0, index=None))
    parts = DefaultMap[Bytes32, U64, Part](Part(amount=0, shares=0, withdrawable_at=0))
    open_parts = DefaultMap[Bytes32, Annotated[tuple[OpenPart, ...], Max(256)]](())
    frozen_since = DefaultMap[Bytes32, Annotated[tuple[U64, ...], Max(64)]](())
    staked = Value[U128](0)
    owed = Value[U128](0)
    session = Value[U64](0)
    counts_until = Value[U64](0)
    leaving_most = Value[U128](0)
    left = Value[U128](0)
    elected = Value[Annotated[tuple[Bytes32, ...], Max(256)]](())

    class Bonded(Event):
        """Stake was added behind a validator, by itself or a nominator."""

        staker: Bytes32
        validator: Bytes32
        amount: U128
        stake: U128

    class Unbonded(Event):
        """Stake leaves a validator, and can be withdrawn from the height that is named."""

        staker: Bytes32
        validator: Bytes32
        amount: U128
        withdrawable_at: U64

    class Withdrawn(Event):
        """Stake that was leaving is free again."""

        staker: Bytes32
        validator: Bytes32
        amount: U128

    class RewardsShared(Event):
        """A session's rewards were shared out among the stakers of its validators."""

        session: U64
        answers: U128
        stream: U128

    class RewardClaimed(Event):
        """A staker was paid what it had earned behind a validator."""

        staker: Bytes32
        validator: Bytes32
        amount: U128

    class CommissionSet(Event):
        """A validator will keep another part of the rewards from the next session on."""

        validator: Bytes32
        commission_ppb: UpTo1E9

    class Slashed(Event):
        """The stake behind a validator lost an amount."""

        validator: Bytes32
        staked: U128
        leaving: U128

    class NotBonded(PalletError):
        """The account has no stake behind this validator."""

    class NotAValidator(PalletError):
        """The account has bonded nothing itself, so nobody can stand behind it."""

    class BondTooLow(PalletError):
        """What would be staked is less than the least."""

    class MoreThanBonded(PalletError):
        """The account has staked less than is to leave."""

    class TooMuchLeaves(PalletError):
        """No more of the elected stake may leave in this session."""

    class TooManyParts(PalletError):
        """As many parts of the stake are leaving as may be at a time."""

    class TooManyTargets(PalletError):
        """The account has stake behind as many validators as it may."""

    class NothingToWithdraw(PalletError):
        """No part of the stake can be withdrawn at this height."""

    class NothingToClaim(PalletError):
        """The account has earned nothing behind this validator since it last claimed."""

    class CommissionTooHigh(PalletError):
        """A validator may not keep so much."""

    class Worthless(PalletError):
        """Slashes took everything behind this validator: its shares are worth nothing."""

    class Frozen(PalletError):
        """The stake behind this validator is about to be slashed."""

    @call(0)
    def bond(self, amount: PositiveU128) -> None:
        """Stake `amount` (in 10**-18 OPEN) of the signer behind itself, as a validator."""

    @call(1)
    def nominate(self, validator: Bytes32, amount: PositiveU128) -> None:
        """Stake `amount` behind a validator: it earns with it, and is slashed with it."""

    @call(2)
    def unbond(self, validator: Bytes32, amount: PositiveU128) -> None:
        """Let `amount` leave from behind a validator; without its bond nobody is elected again."""

    @call(3)
    def withdraw(self, validator: Bytes32) -> None:
        """Take out what has left from behind a validator and has waited long enough."""

    @call(4)
    def claim(self, validator: Bytes32) -> None:
        """Pay the signer what it has earned behind a validator, and its commission if it is one."""

    @call(5)
    def set_commission(self, commission_ppb: UpTo1E9) -> None:
        """Keep this part of the rewards from the next session on, before they are divided."""


class Offences(BasePallet, index=6):
    """Evidence and punishments."""

    slash_ppb = DefaultMap[OffenceKind, From1000000To1E9](50000000)
    jail_blocks = Value[From1To4294967296](172800)
    appeal_blocks = Value[UpTo4294967296](1209600)
    reporter_ppb = Value[UpTo1E8](10000000)
    reporter_reward_max = Value[U128](100000000000000000000)
    punishments = DefaultMap[Bytes32, Annotated[tuple[Punishment, ...], Max(64)]](())
    slashes = Map[U64, Slash]()
    first_slash = Value[U64](0)
    next_slash = Value[U64](0)
    waiting = DefaultMap[Bytes32, U32](0)

    class Punished(Event):
        """A validator broke a rule of consensus, was slashed and is out of the set."""

        account: Bytes32
        kind: OffenceKind
        height: U64
        round: U32
        amount: U128

    class SlashDeferred(Event):
        """What an offence costs will be taken at a height, unless the chain cancels it."""

        slash: U64
        account: Bytes32
        due_at: U64

    class SlashTaken(Event):
        """An offender's stake was slashed; the reporter got its part, the treasury the rest."""

        slash: U64
        account: Bytes32
        amount: U128
        reward: U128

    class SlashCancelled(Event):
        """The chain cancelled a slash: nobody loses anything by it."""

        slash: U64
        account: Bytes32

    class ProvesNothing(PalletError):
        """The evidence proves no offence of validators that are known."""

    class WrongSet(PalletError):
        """The evidence names a set that did not decide its height, or is forgotten."""

    class TooOld(PalletError):
        """The offence is so long ago that the stake behind it may be gone."""

    class NotYet(PalletError):
        """The offence is at a height that no block has."""

    class AlreadyPunished(PalletError):
        """All culprits have been punished for this."""

    class UnknownSlash(PalletError):
        """There is no such slash, or it is over."""

    @call(0)
    def report(self, evidence: BytesUpTo61440) -> None:
        """Punish whom `evidence` proves guilty; the signer gets a part of what is slashed."""

    @unsigned_call(2)
    def cancel_slash(self, slash: U64) -> None:
        """Cancel a slash that waits; with its last one the account may leave its jail, too."""


class Upgrade(BasePallet, index=7):
    """The plan of the next upgrade."""

    pending = Value[UpgradePlan | None](None)

    class Scheduled(Event):
        """An upgrade is planned."""

        plan: UpgradePlan

    class Cancelled(Event):
        """The planned upgrade will not be."""

        plan: UpgradePlan

    class NotNewer(PalletError):
        """The chain has this spec version, or a newer one, already."""

    class HeightPassed(PalletError):
        """The height of an upgrade must be a later one."""

    class AlreadyScheduled(PalletError):
        """Another upgrade is planned, and not carried out yet."""

    class NothingScheduled(PalletError):
        """No upgrade is planned."""

    @unsigned_call(0)
    def schedule(self, spec_version: U32, height: U64, code_hash: Bytes32) -> None:
        """Let `spec_version` run from `height` on; `code_hash` is that of its release."""

    @unsigned_call(1)
    def cancel(self) -> None:
        """Give the planned upgrade up."""


class Scheduler(BasePallet, index=8):
    """Calls that are made at a height."""

    queue = Value[Annotated[tuple[tuple[U64, U64], ...], Max(256)]](())
    tasks = Map[U64, Task]()
    names = Map[TextUpTo64, U64]()
    next_task = Value[U64](0)

    class Scheduled(Event):
        """A call will be made."""

        task: U64
        height: U64
        call_hash: Bytes32
        track: TextUpTo64 | None
        name: TextUpTo64 | None

    class Cancelled(Event):
        """A call will not be made."""

        task: U64
        name: TextUpTo64 | None

    class Made(Event):
        """A call was made; `error` is empty, or names why it failed and left no trace."""

        task: U64
        name: TextUpTo64 | None
        call_hash: Bytes32
        error: TextUpTo64
        message: TextUpTo1024

    class HeightPassed(PalletError):
        """The height of a task must be a later one."""

    class Full(PalletError):
        """As many tasks wait as may."""

    class NameTaken(PalletError):
        """Another task has this name."""

    class UnknownTask(PalletError):
        """No such task waits."""

    class TooHeavy(PalletError):
        """No block has room for the call."""

    @unsigned_call(0)
    def schedule(self, height: U64, call: CallUpTo8192, name: TextUpTo64 | None) -> None:
        """Make a call on behalf of the chain at `height`; a name makes it easy to cancel."""

    @unsigned_call(1)
    def cancel(self, task: U64) -> None:
        """Give up the task of this number."""

    @unsigned_call(2)
    def cancel_by_name(self, name: TextUpTo64) -> None:
        """Give up the task of this name."""


class Preimage(BasePallet, index=9):
    """Calls by their hashes."""

    deposit_base = Value[UpTo1E22](10000000000000000000)
    deposit_per_byte = Value[UpTo1E18](10000000000000000)
    calls = Map[Bytes32, CallUpTo32768]()
    statuses = DefaultMap[Bytes32, Status](Status(owner=None, deposit=0, requests=0))

    class Noted(Event):
        """A call can be named by its hash from now on."""

        call_hash: Bytes32
        owner: Bytes32 | None
        deposit: U128

    class Removed(Event):
        """A call is not kept any more."""

        call_hash: Bytes32

    class Unknown(PalletError):
        """No call of this hash is noted."""

    class AlreadyNoted(PalletError):
        """The call is noted already."""

    class NotOwner(PalletError):
        """Somebody else noted the call, or the chain itself."""

    class StillRequested(PalletError):
        """A referendum or a scheduled task needs the call."""

    @call(0)
    def note(self, call: CallUpTo32768) -> None:
        """Keep a call by its hash, for a deposit that grows with its length."""

    @call(1)
    def unnote(self, call_hash: Bytes32) -> None:
        """Remove a call that the signer noted and nobody needs, and give the deposit back."""


class Governance(BasePallet, index=10):
    """Referenda on tracks, which carry any call."""

    root_terms = Value[TrackTerms](
        TrackTerms(
            decision_deposit=100000000000000000000000,
            deciding_max=1,
            prepare_blocks=345600,
            decision_blocks=4838400,
            confirm_blocks=345600,
            enactment_blocks=345600,
            approval=Curve(start_ppb=1000000000, end_ppb=500000001, reached_ppb=1000000000),
            support=Curve(start_ppb=500000000, end_ppb=100000000, reached_ppb=1000000000),
        ),
    )
    parameters_terms = Value[TrackTerms](
        TrackTerms(
            decision_deposit=10000000000000000000000,
            deciding_max=10,
            prepare_blocks=172800,
            decision_blocks=1209600,
            confirm_blocks=172800,
            enactment_blocks=1209600,
            approval=Curve(start_ppb=500000001, end_ppb=500000001, reached_ppb=1000000000),
            support=Curve(start_ppb=50000000, end_ppb=50000000, reached_ppb=1000000000),
        ),
    )
    small_spender_terms = Value[TrackTerms](
        TrackTerms(
            decision_deposit=1000000000000000000000,
            deciding_max=10,
            prepare_blocks=172800,
            decision_blocks=2419200,
            confirm_blocks=172800,
            enactment_blocks=172800,
            approval=Curve(start_ppb=800000000, end_ppb=500000001, reached_ppb=1000000000),
            support=Curve(start_ppb=50000000, end_ppb=10000000, reached_ppb=1000000000),
        ),
    )
    large_spender_terms = Value[TrackTerms](
        TrackTerms(
            decision_deposit=20000000000000000000000,
            deciding_max=5,
            prepare_blocks=345600,
            decision_blocks=4838400,
            confirm_blocks=345600,
            enactment_blocks=172800,
            approval=Curve(start_ppb=900000000, end_ppb=500000001, reached_ppb=1000000000),
            support=Curve(start_ppb=250000000, end_ppb=50000000, reached_ppb=1000000000),
        ),
    )
    canceller_terms = Value[TrackTerms](
        TrackTerms(
            decision_deposit=10000000000000000000000,
            deciding_max=10,
            prepare_blocks=7200,
            decision_blocks=1209600,
            confirm_blocks=21600,
            enactment_blocks=1200,
            approval=Curve(start_ppb=1000000000, end_ppb=500000001, reached_ppb=1000000000),
            support=Curve(start_ppb=100000000, end_ppb=20000000, reached_ppb=500000000),
        ),
    )
    killer_terms = Value[TrackTerms](
        TrackTerms(
            decision_deposit=50000000000000000000000,
            deciding_max=10,
            prepare_blocks=1200,
            decision_blocks=1209600,
            confirm_blocks=21600,
            enactment_blocks=1200,
            approval=Curve(start_ppb=1000000000, end_ppb=600000000, reached_ppb=1000000000),
            support=Curve(start_ppb=200000000, end_ppb=20000000, reached_ppb=500000000),
        ),
    )
    submission_deposit = Value[UpTo1E23](10000000000000000000000)
    undecided_blocks = Value[PositiveU32](2419200)
    inactive = Value[Annotated[tuple[Bytes32, ...], Max(24)]](())
    next_referendum = Value[U32](0)
    referenda = Map[U32, Referendum]()
    outcomes = Map[U32, Outcome]()
    alarms = Value[Annotated[tuple[tuple[U64, U32], ...], Max(240)]](())
    open_count = DefaultMap[TrackName, U16](0)
    deciding_count = DefaultMap[TrackName, U16](0)
    waiting = DefaultMap[TrackName, Annotated[tuple[U32, ...], Max(40)]](())

    class Submitted(Event):
        """A referendum asks whether the chain shall make a call."""

        referendum: U32
        track: TrackName
        call_hash: Bytes32
        submitter: Bytes32
        deposit: U128

    class DecisionDepositPlaced(Event):
        """Somebody left what it takes to decide a referendum."""

        referendum: U32
        depositor: Bytes32
        deposit: U128

    class DecisionStarted(Event):
        """A referendum is decided from now on."""

        referendum: U32

    class ConfirmStarted(Event):
        """A referendum passes, and will be approved at the height that is named unless it stops."""

        referendum: U32
        approved_at: U64

    class ConfirmAborted(Event):
        """A referendum does not pass any more."""

        referendum: U32

    class Ended(Event):
        """A referendum is over."""

        referendum: U32
        result: Result
        tally: VoteSum
        enacted_at: U64 | None

    class DepositSlashed(Event):
        """The deposit of a killed referendum went to the treasury."""

        referendum: U32
        depositor: Bytes32
        amount: U128

    class TooManyReferenda(PalletError):
        """The track has as many referenda that are not over as may be."""

    class NotOngoing(PalletError):
        """There is no such referendum, or it is over."""

    class NotCancellable(PalletError):
        """The referendum is over, and its call is made or will not be."""

    class DepositThere(PalletError):
        """Somebody left the decision deposit already."""

    @call(0)
    def submit(self, track: TrackName, call_hash: Bytes32, enactment_blocks: U32) -> None:
        """Ask whether the chain shall make a noted call, `enactment_blocks` after the approval."""

    @call(1)
    def place_decision_deposit(self, referendum: U32) -> None:
        """Leave what it takes to decide a referendum; it comes back when that is over."""

    @unsigned_call(2)
    def cancel(self, referendum: U32) -> None:
        """End a referendum, or give the call of an approved one up; the deposits come back."""

    @unsigned_call(3)
    def kill(self, referendum: U32) -> None:
        """End a referendum, and slash its deposits."""


class Treasury(BasePallet, index=11):
    """What belongs to the chain, and how it is spent."""

    small_spend_max = Value[U128](10000000000000000000000)
    large_spend_max = Value[U128](1000000000000000000000000)
    pots = Map[TextUpTo64, Bytes32]()
    spent = DefaultMap[TextUpTo64, U128](0)

    class Spent(Event):
        """OPEN of a pot went to an account."""

        pot: TextUpTo64
        receiver: Bytes32
        amount: U128

    class PotNamed(Event):
        """Spends may be from this account."""

        pot: TextUpTo64
        account: Bytes32

    class UnknownPot(PalletError):
        """There is no pot of this name."""

    class MoreThanTrack(PalletError):
        """A referendum of this track may not spend so much at once."""

    @unsigned_call(0)
    def spend_small(self, pot: TextUpTo64, receiver: Bytes32, amount: PositiveU128) -> None:
        """Move up to `small_spend_max` of a pot to an account."""

    @unsigned_call(1)
    def spend_large(self, pot: TextUpTo64, receiver: Bytes32, amount: PositiveU128) -> None:
        """Move up to `large_spend_max` of a pot to an account."""

    @unsigned_call(2)
    def spend(self, pot: TextUpTo64, receiver: Bytes32, amount: PositiveU128) -> None:
        """Move any amount of a pot to an account."""


class Vesting(BasePallet, index=12):
    """OPEN that comes free over time."""

    transfer_min = Value[U128](100000000000000000000)
    schedules = DefaultMap[Bytes32, Annotated[tuple[VestingSchedule, ...], Max(8)]](())

    class Granted(Event):
        """An account has another schedule."""

        account: Bytes32
        schedule: VestingSchedule

    class Updated(Event):
        """So much of an account's schedules is still locked."""

        account: Bytes32
        locked: U128

    class TooLittle(PalletError):
        """The amount is too small for a schedule."""

    class TooManySchedules(PalletError):
        """The account has as many schedules as may be."""

    class NotVesting(PalletError):
        """The account has no schedule."""

    class UnknownSchedule(PalletError):
        """The account has no two schedules with these positions."""

    @call(0)
    def vest(self) -> None:
        """Make free what the signer's schedules let go at this height."""

    @call(1)
    def claim(self, account: Bytes32) -> None:
        """The same for another account: a pot has no key, and a fee may be too much for some."""

    @call(2)
    def vested_transfer(self, receiver: Bytes32, schedule: VestingSchedule) -> None:
        """Send OPEN that comes free to `receiver` over time."""

    @call(3)
    def merge(self, first: U8, second: U8) -> None:
        """Put one schedule in the place of two: from the later begin to the later end."""


class Multisig(BasePallet, index=13):
    """Calls that several accounts make together."""

    deposit_base = Value[U128](10000000000000000000)
    deposit_per_approval = Value[U128](1000000000000000000)
    operations = Map[Bytes32, Bytes32, Operation]()

    class Approved(Event):
        """A signatory approved a call of a multisig account."""

        account: Bytes32
        call_hash: Bytes32
        signatory: Bytes32
        opened_at: U64
        approvals: U8

    class Executed(Event):
        """A call was made; `error` is empty, or names why it failed and left no trace."""

        account: Bytes32
        call_hash: Bytes32
        error: TextUpTo64

    class Cancelled(Event):
        """An operation was given up by who opened it."""

        account: Bytes32
        call_hash: Bytes32

    class InvalidSignatories(PalletError):
        """The other signatories are not in order, or the threshold is more than there are."""

    class WrongOperation(PalletError):
        """The operation was not opened at this height; None means that there is none."""

    class AlreadyApproved(PalletError):
        """The signer has approved this operation."""

    class TooFewApprovals(PalletError):
        """The call needs more approvals before it can be made."""

    class NotOpener(PalletError):
        """Somebody else opened the operation."""

    @call(0)
    def approve(
        self,
        threshold: From1To16,
        others: Annotated[tuple[Bytes32, ...], Max(15)],
        opened_at: U64 | None,
        call_hash: Bytes32,
    ) -> None:
        """Approve a call by its hash; None for `opened_at` opens the operation, for a deposit."""

    @call(1)
    def execute(
        self,
        threshold: From1To16,
        others: Annotated[tuple[Bytes32, ...], Max(15)],
        opened_at: U64 | None,
        call: CallUpTo16384,
    ) -> None:
        """Make a call for the multisig account, as the last signatory that approves it."""

    @call(2)
    def cancel(
        self,
        threshold: From1To16,
        others: Annotated[tuple[Bytes32, ...], Max(15)],
        opened_at: U64,
        call_hash: Bytes32,
    ) -> None:
        """Give an operation up that the signer opened; the deposit comes back."""


class Proxy(BasePallet, index=14):
    """Rights to make calls for another account."""

    right_deposit = Value[U128](1000000000000000000)
    announcement_deposit = Value[U128](1000000000000000000)
    rights = DefaultMap[Bytes32, Annotated[tuple[Right, ...], Max(16)]](())
    announcements = DefaultMap[Bytes32, Annotated[tuple[Announcement, ...], Max(16)]](())
    next_pure = DefaultMap[Bytes32, U16](0)

    class RightGiven(Event):
        """An owner lets a delegate make calls for it."""

        owner: Bytes32
        right: Right

    class RightTaken(Event):
        """An owner lets a delegate make these calls no more."""

        owner: Bytes32
        right: Right

    class PureCreated(Event):
        """There is an account without a key, and its creator has every right to it."""

        creator: Bytes32
        account: Bytes32

    class Announced(Event):
        """A delegate will make a call for an owner."""

        delegate: Bytes32
        announcement: Announcement

    class Withdrawn(Event):
        """An announced call will not be made: its delegate or its owner does not want it."""

        delegate: Bytes32
        announcement: Announcement

    class Made(Event):
        """A delegate made a call; `error` is empty, or names why it failed and left no trace."""

        delegate: Bytes32
        owner: Bytes32
        error: TextUpTo64

    class TooMany(PalletError):
        """The account has as many rights or announcements as may be."""

    class AlreadyGiven(PalletError):
        """The delegate has this right already."""

    class InvalidRight(PalletError):
        """An account is no delegate of itself, and pallets are named for the kind PALLETS alone."""

    class NoRight(PalletError):
        """The owner has not given this right."""

    class NotAnnounced(PalletError):
        """The call is not announced, or not for long enough."""

    @call(0)
    def proxy(self, owner: Bytes32, call: CallUpTo16384) -> None:
        """Make a call for an owner, by a right without a delay."""

    @call(1)
    def give_right(self, right: Right) -> None:
        """Let a delegate make calls for the signer."""

    @call(2)
    def take_right(self, right: Right) -> None:
        """Let a delegate make these calls for the signer no more."""

    @call(3)
    def create_pure(self) -> None:
        """Make an account without a key, to which the signer has every right.

        The signer holds the deposit of that right, until it is taken by a call of the account.
        """

    @call(4)
    def announce(self, owner: Bytes32, call_hash: Bytes32) -> None:
        """Say which call the signer will make for an owner, so that the owner can reject it."""

    @call(5)
    def withdraw(self, owner: Bytes32, call_hash: Bytes32) -> None:
        """Give up a call that the signer announced."""

    @call(6)
    def reject(self, delegate: Bytes32, call_hash: Bytes32) -> None:
        """Forbid a call that a delegate announced for the signer."""

    @call(7)
    def proxy_announced(self, owner: Bytes32, call: CallUpTo16384) -> None:
        """Make a call for an owner that was announced for as long as the right wants."""


class Voting(BasePallet, index=15):
    """Votes, conviction and delegation."""

    lock_blocks = Value[UpTo268435456](1209600)
    votings = DefaultMap[Bytes32, TrackName, TrackVoting](
        TrackVoting(
            cast=(), delegation=None, delegated=Delegated(tenths=0, capital=0), kept=0, kept_until=0
        ),
    )
    locks = DefaultMap[Bytes32, Annotated[tuple[TrackLock, ...], Max(6)]](())

    class Voted(Event):
        """An account voted, or changed its vote."""

        poll: U32
        voter: Bytes32
        vote: Vote

    class VoteRemoved(Event):
        """An account has no vote in a poll any more."""

        poll: U32
        voter: Bytes32

    class DelegationSet(Event):
        """An account lets another one vote for it on a track."""

        voter: Bytes32
        track: TrackName
        delegation: Delegation

    class DelegationEnded(Event):
        """An account votes itself again on a track."""

        voter: Bytes32
        track: TrackName
        delegation: Delegation

    class UnknownPoll(PalletError):
        """There is no such poll, or it is over."""

    class InvalidVote(PalletError):
        """A vote needs OPEN, and conviction goes with one side alone."""

    class MoreThanLockable(PalletError):
        """The account has less OPEN than it would vote with."""

    class TooManyVotes(PalletError):
        """The account has as many votes on this track as may be."""

    class NoVote(PalletError):
        """The account has no vote in the referendum."""

    class AlreadyDelegating(PalletError):
        """The account lets another one vote for it on this track."""

    class NotDelegating(PalletError):
        """The account lets nobody vote for it on this track."""

    class AlreadyVoting(PalletError):
        """The account votes itself on this track."""

    class OwnDelegate(PalletError):
        """An account cannot let itself vote for it."""

    @call(0)
    def vote(self, poll: U32, vote: Vote) -> None:
        """Vote, or change a vote; what it needs is locked as long as the vote is there."""

    @call(1)
    def remove_vote(self, poll: U32) -> None:
        """Take a vote back; in a poll that is over, it may stay locked for its time."""

    @call(2)
    def delegate(
        self, track: TrackName, to: Bytes32, balance: PositiveU128, conviction: UpTo6
    ) -> None:
        """Let another account vote with `balance` and conviction of the signer on a track."""

    @call(3)
    def undelegate(self, track: TrackName) -> None:
        """Vote oneself again on a track; the balance stays locked for its conviction's time."""

    @call(4)
    def unlock(self, voter: Bytes32, track: TrackName) -> None:
        """Remove a voter's votes in polls that are over, and end locks whose time is over.

        Anybody may: a voter who has locked everything cannot pay a fee.
        """


class Datanets(BasePallet, index=20):
    """Datanets, their terms, and their versions."""

    growth_max: Final[U32] = 100

    day_blocks = Value[PositiveU32](172800)
    quota_bytes = Value[U32](10000000)
    quota_files = Value[U32](20)
    growth_amount = Value[PositiveU128](100000000000000000000)
    next_datanet = Value[U32](0)
    datanets = Map[U32, Datanet]()
    terms = Map[U32, Terms]()
    latest_version = DefaultMap[U32, U32](0)
    versions = Map[U32, U32, DatanetVersion]()
    notes = Map[U32, U32, VersionNotes]()
    accepted_rows = DefaultMap[U32, Bytes32, U32](0)
    earned = DefaultMap[U32, Bytes32, U128](0)
    usage = DefaultMap[U32, Bytes32, Usage](Usage(day=0, size_bytes=0, files=0))
    sponsor_budgets = DefaultMap[U32, U128](0)
    sponsored = DefaultMap[U32, Bytes32, bool](False)
    members = DefaultMap[U32, Bytes32, bool](False)
    retired = Map[U32, VersionSpan]()
    generation = DefaultMap[U32, U32](0)
    first_generation = DefaultMap[U32, U32](0)
    uses = Map[U32, Bytes32, U32]()
    open_uses = DefaultMap[U32, U32, U32](0)

    class Created(Event):
        """A Datanet was opened."""

        datanet: U32
        owner: Bytes32

    class TermsSet(Event):
        """The terms of a Datanet are others."""

        datanet: U32
        terms: Terms

    class SponsorBudgetSet(Event):
        """The owner set what is left to sponsor first bonds with."""

        datanet: U32
        budget: U128

    class VersionPublished(Event):
        """A version can be trained on; the notes say where the verdicts and the diff are."""

        datanet: U32
        version: U32
        rows_root: Bytes32
        row_count: U32
        notes: VersionNotes

    class VersionsRetired(Event):
        """Rows were withdrawn that are in these versions: no job can name them any more."""

        datanet: U32
        span: VersionSpan

    class UnknownDatanet(PalletError):
        """There is no such Datanet."""

    class UnknownVersion(PalletError):
        """The Datanet has no such version."""

    class NotOwner(PalletError):
        """Only the Datanet's owner may do this."""

    class InvalidSchema(PalletError):
        """The schema does not describe rows."""

    class InvalidTerms(PalletError):
        """The purposes are not in rising order, or none is permitted."""

    class QuotaExceeded(PalletError):
        """The account has submitted what it may submit to this Datanet today."""

    class LicenceTooNarrow(PalletError):
        """The rows do not permit, in rising order, what the terms ask of every contributor."""

    class WrongLanguage(PalletError):
        """The schema does not take rows in this language."""

    class BondNotSponsored(PalletError):
        """A sponsor pays the least bond, exactly, and once for each account."""

    class SponsorBudgetTooLow(PalletError):
        """The Datanet's sponsor budget does not cover this bond."""

    @call(0)
    def create(
        self, name: TextUpTo64, description: TextUpTo1024, schema: Schema, terms: Terms
    ) -> None:
        """Open a Datanet of the signer, numbered from 0; the schema never changes."""

    @call(1)
    def set_sponsor_budget(self, datanet: U32, budget: U128) -> None:
        """Set what is left for sponsoring first bonds; the difference is held, or released."""


class Models(BasePallet, index=21):
    """Registered base models and adapters."""

    default_prices: Final[Prices] = Prices(
        input_per_1000=100000000000000000, output_per_1000=200000000000000000
    )

    share_terms = Value[ShareTerms](
        ShareTerms(
            usual=Shares(
                owner_ppb=300000000,
                stakers_ppb=100000000,
                worker_ppb=200000000,
                contributors_ppb=400000000,
            ),
            least=Shares(
                owner_ppb=0, stakers_ppb=50000000, worker_ppb=100000000, contributors_ppb=200000000
            ),
            most=Shares(
                owner_ppb=500000000,
                stakers_ppb=200000000,
                worker_ppb=500000000,
                contributors_ppb=800000000,
            ),
        ),
    )
    grant_deposit = Value[U128](10000000000000000)
    base_models = Map[Bytes32, BaseModel]()
    models = Map[Bytes32, Model]()
    next_index = Value[U32](0)
    by_index = Map[U32, Bytes32]()
    grants = Map[Bytes32, Bytes32, U128]()
    retired = Map[Bytes32, U64]()

    class BaseRegistered(Event):
        """A base model was proposed."""

        base_model: Bytes32
        name: TextUpTo64
        registrant: Bytes32

    class BaseAdmitted(Event):
        """Jobs may name this base model; validators hold its files."""

        base_model: Bytes32

    class AdapterRegistered(Event):
        """A training job's result became a model, private until its owner publishes it."""

        model: Bytes32
        owner: Bytes32
        job: U32

    class Published(Event):
        """Anybody may use the model."""

        model: Bytes32

    class Granted(Event):
        """An account may use a private model."""

        model: Bytes32
        account: Bytes32
        deposit: U128

    class GrantRevoked(Event):
        """An account may not use a private model any more, and the deposit is free."""

        model: Bytes32
        account: Bytes32
        deposit: U128

    class ModelRetired(Event):
        """A model takes no new questions from now on."""

        model: Bytes32

    class PriceSet(Event):
        """The owner set the model's prices."""

        model: Bytes32
        prices: Prices

    class SharesSet(Event):
        """The owner set how the net fee of an answer is divided."""

        model: Bytes32
        shares: Shares

    class UnknownModel(PalletError):
        """There is no such model."""

    class UnknownBase(PalletError):
        """Nobody has registered the base model."""

    class AlreadyRegistered(PalletError):
        """The base model is registered already."""

    class AlreadyAdmitted(PalletError):
        """The base model is admitted already."""

    class InvalidShape(PalletError):
        """No model has these dimensions."""

    class NotOwner(PalletError):
        """Only the model's owner may do this."""

    class AlreadyPublic(PalletError):
        """The model is public already."""

    class AlreadyGranted(PalletError):
        """The account may use the model already."""

    class NotGranted(PalletError):
        """The account was not granted the model."""

    class Retired(PalletError):
        """The model is retired."""

    class SharesNotWhole(PalletError):
        """The four shares do not add up to 1,000,000,000 parts per billion."""

    class ShareOutOfBounds(PalletError):
        """A share is outside the bounds that the chain allows."""

    @call(0)
    def register_base(self, content_hash: Bytes32, name: TextUpTo64, shape: ModelShape) -> None:
        """Propose a base model by the manifest hash of its files and its dimensions."""

    @unsigned_call(7)
    def admit_base(self, content_hash: Bytes32) -> None:
        """Let jobs name a base model that was proposed: the validators hold its files."""

    @call(1)
    def publish(self, model: Bytes32) -> None:
        """Let everybody use the model, for good."""

    @call(2)
    def set_price(self, model: Bytes32, input_per_1000: U128, output_per_1000: U128) -> None:
        """Set what 1,000 prompt tokens and 1,000 output tokens cost, in 10**-18 OPEN."""

    @call(3)
    def set_shares(
        self,
        model: Bytes32,
        owner_ppb: UpTo1E9,
        stakers_ppb: UpTo1E9,
        worker_ppb: UpTo1E9,
        contributors_ppb: UpTo1E9,
    ) -> None:
        """Set how the net fee of an answer is divided, in parts per billion that add up to one."""

    @call(4)
    def grant(self, model: Bytes32, account: Bytes32) -> None:
        """Let `account` use a private model of the signer; holds a deposit."""

    @call(5)
    def revoke_grant(self, model: Bytes32, account: Bytes32) -> None:
        """Let `account` use a private model no more; the deposit is free again."""

    @call(6)
    def retire(self, model: Bytes32) -> None:
        """Let a model of the signer take no new questions, for good."""


class Compute(BasePallet, index=22):
    """Jobs and their results."""

    fee_min = Value[From1To1E24](1000000000000000000)
    work_price = Value[UpTo1E24](1000000000000000)
    bond_factor = Value[From1To1000](10)
    lapse_ppb = Value[UpTo1E9](100000000)
    levy_ppb = Value[UpTo500000000](50000000)
    panel_min = Value[From1To8](4)
    open_jobs_max = Value[From1To1000](4)
    claim_blocks = Value[From1To4294967296](172800)
    commit_blocks = Value[From1To4294967296](172800)
    reveal_blocks = Value[From1To4294967296](7200)
    certify_blocks = Value[From1To4294967296](7200)
    window_blocks = Value[From1To4294967296](7200)
    abort_blocks = Value[From1To4294967296](7200)
    next_job = Value[U32](0)
    jobs = Map[U32, Job]()
    claims = DefaultMap[Bytes32, U32](0)

    class Submitted(Event):
        """A job waits for a worker."""

        job: U32
        kind: JobKind
        owner: Bytes32
        fee: U128

    class Claimed(Event):
        """A worker took the job and must commit before the deadline."""

        job: U32
        worker: Bytes32
        deadline: U64

    class Aborted(Event):
        """The owner wants no more of the job than its worker has done."""

        job: U32
        deadline: U64

    class Committed(Event):
        """The worker committed to a blinded root; auditors are drawn."""

        job: U32
        worker: Bytes32
        blinded: Bytes32

    class Revealed(Event):
        """The result is known, and can be challenged."""

        job: U32
        root: Bytes32

    class Certified(Event):
        """The validators hold what it takes to check the result; the window has begun."""

        job: U32
        deadline: U64

    class Settled(Event):
        """The worker was paid; `levy` went to the account that pays audits."""

        job: U32
        worker: Bytes32
        paid: U128
        levy: U128

    class Refunded(Event):
        """The job came to nothing; its owner has everything back, its worker paid the price."""

        job: U32
        owner: Bytes32
        price: U128

    class Convicted(Event):
        """The result was wrong or withheld: the worker forfeited what was locked for it."""

        job: U32
        worker: Bytes32
        bond: U128

    class UnknownJob(PalletError):
        """There is no such job."""

    class RowsNotUsable(PalletError):
        """A Datanet version has no rows, or does not permit this use by this account."""

    class InvalidParameter(PalletError):
        """A parameter of the job is one that no worker works with."""

    class InvalidPanel(PalletError):
        """A panel has too few members, names one twice, or one that is not a bonded worker."""

    class FeeTooLow(PalletError):
        """The fee is lower than the work costs."""

    class TooManyJobs(PalletError):
        """The worker has claimed as many jobs as it may at a time."""

    class NotYours(PalletError):
        """The job is not the signer's to do this with."""

    class WrongState(PalletError):
        """The job is not in a state where this can be done."""

    class TooEarly(PalletError):
        """This must wait for the height that is named."""

    class TooLate(PalletError):
        """The deadline for this has passed."""

    class WrongBlinding(PalletError):
        """Root, account and salt are not what was committed to."""

    class WrongResult(PalletError):
        """The result is not what its transcript says, or not what the job asks for."""

    class InDispute(PalletError):
        """The result is being disputed."""

    class PanelDecides(PalletError):
        """A result over private rows is its panel's to judge."""

    @call(0)
    def submit_job(
        self,
        order: JobOrder,
        fee: U128,
        value_at_risk: U128,
        panel: Annotated[tuple[Bytes32, ...], Max(8)],
    ) -> None:
        """Order a computation, for which `fee` of the signer is held.

        The worker's bond covers `value_at_risk`; `panel` judges a job over private rows.
        """

    @call(1)
    def claim(self, job: U32) -> None:
        """Take an open job: lock a part of the signer's bond, which must commit in time."""

    @call(2)
    def abort(self, job: U32) -> None:
        """Stop a job: at once while nobody has claimed it; later what is done is still paid."""

    @call(3)
    def commit(self, job: U32, blinded: Bytes32) -> None:
        """Commit to the result's blinded root; two blocks later the beacon draws auditors."""

    @call(4)
    def reveal(
        self,
        job: U32,
        outcome: TrainingOutcome,
        salt: Bytes32,
        first: LeafOpening,
        last: LeafOpening,
    ) -> None:
        """Tell the result behind the blinded root, once the auditors have committed to theirs.

        `first` and `last` open the transcript's ends, from which the figures of `outcome` are.
        """

    @call(5)
    def settle(self, job: U32) -> None:
        """End a job whose deadline has passed, as its state says, whoever asks."""


class Inference(BasePallet, index=23):
    """Escrow, servers and batches of answers."""

    platform_fee: Final[U128] = 1000000000000000

    revocation_blocks = Value[U32](14400)
    server_bond = Value[U128](100000000000000000000)
    dispute_blocks = Value[U32](172800)
    fault_penalty = Value[PositiveU128](10000000000000000000)
    fault_reward_ppb = Value[UpTo1E9](100000000)
    unreserved = DefaultMap[Bytes32, U128](0)
    authorizations = DefaultMap[Bytes32, Bytes32, Authorization](
        Authorization(remaining=0, revoked_at=None)
    )
    servers = Map[Bytes32, U64]()
    next_batch = DefaultMap[Bytes32, U32, U32](0)
    batches = Map[Bytes32, U32, U32, AnswerBatch]()
    settled_roots = Map[Bytes32, Bytes32, U64]()
    last_settled = Map[Bytes32, U64]()
    refunded = DefaultMap[Bytes32, U32, U32, U32, bool](False)

    class Deposited(Event):
        """A user's escrow went up."""

        user: Bytes32
        amount: U128

    class Withdrawn(Event):
        """A user took unreserved escrow back."""

        user: Bytes32
        amount: U128

    class Authorized(Event):
        """A server may charge the user up to `limit` from now on."""

        user: Bytes32
        server: Bytes32
        limit: U128

    class Revoked(Event):
        """A user asked for a reservation back, and may reclaim what is left from a height."""

        user: Bytes32
        server: Bytes32
        reclaimable_at: U64

    class Reclaimed(Event):
        """What was left of a revoked authorisation is unreserved again."""

        user: Bytes32
        server: Bytes32
        amount: U128

    class ServerRegistered(Event):
        """An account may settle batches."""

        server: Bytes32

    class ServerLeft(Event):
        """A server settles no more, and its bond is free."""

        server: Bytes32
        bond: U128

    class AnswerRefunded(Event):
        """A wrong receipt was shown; the user was paid out of the server's bond."""

        server: Bytes32
        user: Bytes32
        refund: U128
        reporter: Bytes32
        reward: U128
        treasury: U128
        fault: TextUpTo64

    class BatchSettled(Event):
        """Users paid for a batch of answers, and the fees were divided."""

        server: Bytes32
        model: Bytes32
        epoch: U32
        batch: U32
        receipts_root: Bytes32
        fees: U128

    class FeesSplit(Event):
        """Where the fees of a batch went; the five sum to them."""

        platform: U128
        owner: U128
        stakers: U128
        worker: U128
        contributors: U128

    class EscrowTooLow(PalletError):
        """The user's unreserved escrow is too low for this amount."""

    class LimitTooLow(PalletError):
        """A limit cannot be lowered below what the server may still charge."""

    class NotAuthorized(PalletError):
        """The user has authorised nothing, or nothing more, for this server."""

    class AlreadyRevoked(PalletError):
        """The authorisation is revoked already."""

    class NotRevoked(PalletError):
        """The authorisation has not been revoked."""

    class TooEarly(PalletError):
        """The server may still settle what it has answered."""

    class UnknownServer(PalletError):
        """The account is not a registered server."""

    class AlreadyRegistered(PalletError):
        """The account is a registered server already."""

    class BondTooLow(PalletError):
        """The server's bond is lower than it must be."""

    class StillAnswerable(PalletError):
        """What the server settled last may still be shown to be wrong."""

    class UnknownBatch(PalletError):
        """There is no such batch."""

    class TooLate(PalletError):
        """The time to show that a receipt of this batch is wrong is over."""

    class WrongPath(PalletError):
        """The path does not prove this receipt and amount in the batch."""

    class NothingWrong(PalletError):
        """The receipt is what it should be, or was refunded before."""

    class NotPublic(PalletError):
        """A private model answers its owner and whom it was granted, and another is charged."""

    class ChargesNotInOrder(PalletError):
        """The charges are not in strictly rising order of users."""

    class ChargesDoNotAddUp(PalletError):
        """The charges do not sum to the fees."""

    class WrongPlatformFees(PalletError):
        """The platform fees are not those of so many answers."""

    class ChargeExceedsAuthorization(PalletError):
        """A user is charged more than it has authorised this server for."""

    class AlreadySettled(PalletError):
        """This server has settled a batch with the same receipts before."""

    @call(0)
    def deposit(self, amount: PositiveU128) -> None:
        """Put `amount` of the signer's free balance into escrow."""

    @call(1)
    def withdraw(self, amount: PositiveU128) -> None:
        """Take `amount` out of the signer's escrow, as far as no server's is reserved."""

    @call(2)
    def authorize(self, server: Bytes32, limit: U128) -> None:
        """Let `server` charge the signer up to `limit` from now on, and reserve that much.

        The limit replaces what remains of the one before, which it cannot lower; it takes a
        revocation back.
        """

    @call(3)
    def revoke(self, server: Bytes32) -> None:
        """Ask for what is reserved for `server`; it has `revocation_blocks` to settle."""

    @call(4)
    def reclaim(self, server: Bytes32) -> None:
        """Unreserve what is left of a revoked authorisation."""

    @call(5)
    def register_server(self) -> None:
        """Register the signer as a server, whom users can then authorise, or refill its bond."""

    @call(6)
    def settle_batch(
        self,
        model: Bytes32,
        receipts_root: Bytes32,
        receipts: Bytes32,
        answer_count: PositiveU32,
        fees: U128,
        platform_fees: U128,
        charges: Annotated[tuple[tuple[Bytes32, PositiveU128], ...], Max(256)],
    ) -> None:
        """Charge users for a batch of answers and divide the fees, within their authorisations.

        `receipts_root` is the Merkle-sum root of the receipts, whose sum is `fees`; `receipts` the
        content hash of the blob that lists them.
        """

    @call(7)
    def leave(self) -> None:
        """Be no server any more, once nothing that the signer settled can be shown to be wrong."""

    @call(8)
    def show_fault(
        self,
        model: Bytes32,
        epoch: U32,
        batch: U32,
        receipt: InferenceReceipt,
        amount: U128,
        path: SumPath,
    ) -> None:
        """Show that a settled receipt is wrong by itself: the user is paid out of the bond.

        `amount` is what the receipt is summed up with under the batch's root.
        """


class Attribution(BasePallet, index=24):
    """Pools, settlements and payouts of contributors."""

    epoch_blocks = Value[PositiveU32](172800)
    claim_blocks = Value[U32](63072000)
    rows_min = Value[U32](1500)
    nodes = Value[From1To4](2)
    gain_floor_grid = Value[UpTo107374182400](107374182)
    fee_ppb = Value[UpTo500000000](100000000)
    pools = DefaultMap[Bytes32, U32, U128](0)
    orders = Map[Bytes32, U32, EpochOrder]()
    settlements = Map[Bytes32, U32, Settlement]()
    paid = DefaultMap[Bytes32, U32, U128](0)
    claimed = DefaultMap[Bytes32, U32, U32, U64](0)
    owed = Value[U128](0)

    class PoolFunded(Event):
        """The contributors' share of a batch went into a pool."""

        model: Bytes32
        epoch: U32
        amount: U128

    class Ordered(Event):
        """A job is to divide an epoch's pool, less what the pool pays for it."""

        model: Bytes32
        epoch: U32
        job: U32
        pool: U128
        of_pool: U128
        of_sponsor: U128

    class Settled(Event):
        """The payouts of an epoch may be claimed."""

        model: Bytes32
        epoch: U32
        payout_root: Bytes32

    class Claimed(Event):
        """An owner was paid its part of a pool."""

        model: Bytes32
        epoch: U32
        leaf: U32
        owner: Bytes32
        amount: U128

    class Swept(Event):
        """What nobody claimed in time went to the treasury."""

        model: Bytes32
        epoch: U32
        amount: U128

    class EpochNotEnded(PalletError):
        """The epoch's pool can still grow."""

    class EmptyPool(PalletError):
        """Nothing was earned for contributors of this model in this epoch."""

    class TooFewRows(PalletError):
        """The model's Datanet version has too few rows to be attributed; the pool waits."""

    class AlreadySettled(PalletError):
        """The epoch's payouts are known already."""

    class AlreadyOrdered(PalletError):
        """A job that divides this pool goes on, or has ended well."""

    class UnknownOrder(PalletError):
        """Nobody has ordered the settlement of this epoch."""

    class JobNotSettled(PalletError):
        """The job that divides this pool has not ended well, or not yet."""

    class WrongResult(PalletError):
        """This is not the result that the job came to."""

    class UnknownSettlement(PalletError):
        """The payouts of this epoch are not known yet."""

    class TooEarly(PalletError):
        """This must wait for a later block."""

    class WrongPath(PalletError):
        """The path does not prove this owner and amount among the epoch's payouts."""

    class AlreadyClaimed(PalletError):
        """This payout was claimed before."""

    class PoolExhausted(PalletError):
        """Less than this payout is left of the pool."""

    class NothingLeft(PalletError):
        """All of the pool is paid out, or there was none."""

    @call(0)
    def order(self, model: Bytes32, epoch: U32) -> None:
        """Have the pool of an ended epoch divided; the signer pays what the pool does not."""

    @call(1)
    def settle(self, model: Bytes32, epoch: U32, result: AttributionResult) -> None:
        """Let the payouts be claimed that a settled job came to, whoever shows its result."""

    @call(2)
    def claim(self, model: Bytes32, epoch: U32, payout: PayoutLeaf, path: SumPath) -> None:
        """Pay the owner of a payout leaf, whoever sends the path to it."""

    @call(3)
    def sweep(self, model: Bytes32, epoch: U32) -> None:
        """Send what nobody claimed in time to the treasury, whoever asks.

        A pool that nobody has had divided for as long goes there whole.
        """


class Submissions(BasePallet, index=25):
    """Submissions: their rows, reviews and bonds."""

    rows_per_submission_max: Final[U32] = 100000

    reveal_blocks = Value[PositiveU32](172800)
    review_blocks = Value[U32](1209600)
    answerable_blocks = Value[U32](1209600)
    byte_bond = Value[U128](1000000000000)
    score_tolerance_ppb = Value[U32](50000000)
    next_submission = DefaultMap[U32, U32](0)
    submissions = Map[U32, U32, Submission]()
    commitments = Map[U32, Bytes32, Bytes32, U32]()
    blobs = DefaultMap[Bytes32, U32](0)
    leaving = DefaultMap[U32, U32](0)

    class Committed(Event):
        """A contributor committed to rows; the number decides the order of credit."""

        datanet: U32
        submission: U32
        contributor: Bytes32
        offer: Offer
        bond: U128
        sponsored: bool

    class Revealed(Event):
        """The rows of a submission became known; where a panel curates, it has a case."""

        datanet: U32
        submission: U32
        rows_root: Bytes32
        blob: Bytes32
        case: U32 | None

    class Reviewed(Event):
        """Notice to the contributor: a submission was reviewed, and until when one may appeal."""

        datanet: U32
        submission: U32
        contributor: Bytes32
        accepted: U32
        duplicate: U32
        rejected: U32
        verdicts: Bytes32
        answerable_until: U64

    class Settled(Event):
        """What is left of a bond went back to whoever bonded."""

        datanet: U32
        submission: U32
        forfeited: U128
        returned: U128

    class Expired(Event):
        """A submission was overdue: not revealed (bond forfeited) or not reviewed (released)."""

        datanet: U32
        submission: U32
        forfeited: U128

    class UnknownSubmission(PalletError):
        """The Datanet has no such submission, or it expired."""

    class NotContributor(PalletError):
        """Only the contributor who committed may reveal."""

    class TooManyRows(PalletError):
        """The submission has more rows than one may have."""

    class BondTooLow(PalletError):
        """The bond is lower than rows, bytes and review ask for."""

    class AlreadyCommitted(PalletError):
        """The same commitment was made before."""

    class WrongState(PalletError):
        """The submission is past the point where this could be done, or not there yet."""

    class TooEarly(PalletError):
        """This must wait for a later block."""

    class TooLate(PalletError):
        """The deadline for this has passed."""

    class WrongCommitment(PalletError):
        """Contributor, root and salt do not make what was committed to."""

    class NothingReviewed(PalletError):
        """A version must review a submission, or leave out rows that were withdrawn."""

    class NotInOrder(PalletError):
        """The reviewed submissions are not in strictly rising order."""

    class WrongCounts(PalletError):
        """The counts do not add up, or are not what the panel scored."""

    class StillReported(PalletError):
        """The bond answers for reports that are open."""

    class NoSuchRows(PalletError):
        """The submission has fewer rows in the latest version."""

    @call(0)
    def commit(
        self, datanet: U32, commitment: Bytes32, offer: Offer, bond: U128, sponsored: bool
    ) -> None:
        """Commit to rows, blinded; the bond is the signer's, or the sponsor's."""

    @call(1)
    def reveal(
        self, datanet: U32, submission: U32, rows_root: Bytes32, salt: Bytes32, blob: Bytes32
    ) -> None:
        """Reveal the root of the rows' hashes and the content hash of the blob that lists them.

        Where a panel curates, it is paid for now.
        """

    @call(2)
    def publish_version(
        self,
        datanet: U32,
        roots: VersionRoots,
        row_count: U32,
        reviewed_count: U32,
        verdict_counts: Annotated[tuple[tuple[U32, U32, U32, U32], ...], Max(256)],
    ) -> None:
        """Review submissions and publish the version of all rows accepted so far.

        Rows that were withdrawn since the last version leave.  The first version is 1.
        """

    @call(3)
    def expire(self, datanet: U32, submission: U32) -> None:
        """End an overdue submission, whoever asks; nothing of it is kept.

        What was not revealed in time loses its bond to the treasury, what was not reviewed in time
        does not; nor does a sponsor's bond, which deters nobody.
        """

    @call(4)
    def settle(self, datanet: U32, submission: U32) -> None:
        """End the bond of a reviewed submission, whoever asks, once nobody can report it.

        The bond of every rejected row goes to the treasury, the rest back to whoever bonded.
        """


class Panels(BasePallet, index=26):
    """Panelists, cases and ballots."""

    stake_min = Value[PositiveU128](1000000000000000000000)
    fee = Value[U128](1000000000000000000)
    seats = Value[From1To64](48)
    commit_blocks = Value[PositiveU32](57600)
    open_blocks = Value[PositiveU32](57600)
    kappa_ppb = Value[UpTo1E9](500000000)
    tolerance_ppb = Value[UpTo1E9](50000000)
    penalty_ppb = Value[UpTo1E9](20000000)
    panelists = Value[Annotated[tuple[Panelist, ...], Max(128)]](())
    next_case = Value[U32](0)
    cases = Map[U32, Case]()
    ballots = Map[U32, Bytes32, Ballot]()
    owed = Value[U128](0)

    class Enrolled(Event):
        """A panelist can be drawn, with this stake."""

        account: Bytes32
        stake: U128

    class Left(Event):
        """A panelist can no longer be drawn, and has its stake back."""

        account: Bytes32
        stake: U128

    class CaseOpened(Event):
        """A case waits for its panel."""

        case: U32
        subject: Bytes32
        fee: U128

    class Seated(Event):
        """A panel was drawn."""

        case: U32
        jurors: U32
        commit_until: U64
        reveal_until: U64

    class ScoreCommitted(Event):
        """A juror committed to a score."""

        case: U32
        juror: Bytes32

    class ScoreRevealed(Event):
        """A juror revealed its score."""

        case: U32
        juror: Bytes32
        score: UpTo1E9

    class JurorJudged(Event):
        """A juror was paid for agreeing, or fined for being absent or off."""

        case: U32
        juror: Bytes32
        paid: U128
        fined: U128

    class Closed(Event):
        """A case is over; without a score nothing was decided."""

        case: U32
        score: UpTo1E9 | None

    class StakeTooLow(PalletError):
        """The stake is lower than a panelist's must be, or than everybody else's on a full list."""

    class AlreadyEnrolled(PalletError):
        """The account is a panelist."""

    class NotPanelist(PalletError):
        """The account is not a panelist."""

    class OnDuty(PalletError):
        """The panelist is a juror of cases that are not closed."""

    class UnknownCase(PalletError):
        """There is no such case."""

    class WrongState(PalletError):
        """This is not what the case waits for."""

    class NotJuror(PalletError):
        """The account has no seat, or has done this already, or committed to nothing."""

    class TooEarly(PalletError):
        """This must wait for a later block."""

    class TooLate(PalletError):
        """The deadline for this has passed."""

    class WrongCommitment(PalletError):
        """Juror, case, score and salt do not make what was committed to."""

    @call(0)
    def enrol(self, stake: U128) -> None:
        """Stake, and be drawn from now on; on a full list the smallest stake makes room."""

    @call(1)
    def leave(self) -> None:
        """Take the stake back, once no open case has the signer as a juror."""

    @call(2)
    def seat(self, case: U32) -> None:
        """Draw the panel of a case, whoever asks.

        A case that waited too long for it is opened again; one that finds no panelists is closed.
        """

    @call(3)
    def commit(self, case: U32, commitment: Bytes32) -> None:
        """Commit to a score (`runtime.wire.panels.score_commitment`); once."""

    @call(4)
    def reveal(self, case: U32, score: UpTo1E9, salt: Bytes32) -> None:
        """Reveal the score, when nobody can commit any more."""

    @call(5)
    def close(self, case: U32) -> None:
        """Count the ballots, pay and fine the jurors, whoever asks."""


class Reports(BasePallet, index=27):
    """Evidence on submissions, and what came of it."""

    deposit = Value[U128](10000000000000000000)
    answer_blocks = Value[PositiveU32](172800)
    bounty_ppb = Value[UpTo500000000](100000000)
    bounty_max = Value[U128](100000000000000000000)
    next_report = Value[U32](0)
    reports = Map[U32, Report]()

    class Reported(Event):
        """Notice to the contributor: somebody reported rows, and until when one may answer."""

        report: U32
        datanet: U32
        submission: U32
        kind: EvidenceKind
        rows: U32
        evidence: Bytes32
        answer_until: U64

    class Answered(Event):
        """The accused answered."""

        report: U32
        answer: Bytes32

    class Convened(Event):
        """A panel decides on a report."""

        report: U32
        case: U32

    class Resolved(Event):
        """A report is over: for how many rows it held, and who was paid what of the bond."""

        report: U32
        rows: U32
        slashed: U128
        bounty: U128

    class UnknownReport(PalletError):
        """There is no such report."""

    class WrongRows(PalletError):
        """The submission has not so many accepted rows to report, or rejected rows to appeal."""

    class NotAccused(PalletError):
        """Only the accused may do this: the contributor, or the owner for an appeal."""

    class WrongState(PalletError):
        """This is not what the report waits for."""

    class TooEarly(PalletError):
        """This must wait for a later block."""

    class TooLate(PalletError):
        """The time to answer is over."""

    class Undecided(PalletError):
        """The panel has not closed the report's case."""

    @call(0)
    def report(
        self, datanet: U32, submission: U32, kind: EvidenceKind, rows: U32, evidence: Bytes32
    ) -> None:
        """Report rows, or appeal; holds the deposit and the panel's fee."""

    @call(1)
    def answer(self, report: U32, answer: Bytes32) -> None:
        """Answer with a blob that the panel reads beside the evidence; once."""

    @call(2)
    def convene(self, report: U32) -> None:
        """Open the panel's case, whoever asks: when it was answered, or may be no more."""

    @call(3)
    def resolve(self, report: U32) -> None:
        """Do what the panel decided, whoever asks."""


class DataRights(BasePallet, index=28):
    """Withdrawals, erasures, members and content keys."""

    key_deposit = Value[U128](10000000000000000)
    withdrawals = Map[U32, U32, Withdrawal]()
    tombstones = Map[U32, U32, U32, U32 | None]()
    keys = Map[U32, U32, Bytes32, SharedKey]()

    class Withdrawn(Event):
        """Rows of a submission leave with the next version."""

        datanet: U32
        submission: U32
        rows: U32
        index: U32 | None
        replacement: U32 | None

    class Erased(Event):
        """Nodes delete the blob if nobody else names it; `redacted` is what is left of it."""

        datanet: U32
        submission: U32
        blob: Bytes32
        is_last: bool
        redacted: Bytes32 | None

    class AccessRequested(Event):
        """Notice to the owner: somebody asks to be admitted."""

        datanet: U32
        account: Bytes32
        purpose: Purpose
        reason: TextUpTo1024

    class MemberSet(Event):
        """An account may train on the Datanet, or no longer."""

        datanet: U32
        account: Bytes32
        admitted: bool

    class KeyShared(Event):
        """A reader can open the content of a submission."""

        datanet: U32
        submission: U32
        reader: Bytes32

    class KeyRemoved(Event):
        """A sealed key is not on chain any more."""

        datanet: U32
        submission: U32
        reader: Bytes32

    class NotContributor(PalletError):
        """Only the contributor of the rows may do this."""

    class NotInVersion(PalletError):
        """The path does not show the row in the latest version."""

    class AlreadyWithdrawn(PalletError):
        """The row was withdrawn before."""

    class NothingWithdrawn(PalletError):
        """Nothing of the submission waits for being erased."""

    class InUse(PalletError):
        """A job or an unsettled epoch that began before the withdrawal needs the rows."""

    class WrongReplacement(PalletError):
        """A row is replaced by a later submission of the same contributor to the Datanet."""

    class WrongRedaction(PalletError):
        """A whole submission leaves nothing; a part of one leaves a blob without the rows."""

    class UnknownKey(PalletError):
        """The signer shared no such key."""

    @call(0)
    def withdraw(self, datanet: U32, submission: U32) -> None:
        """Withdraw everything that is left of a submission of the signer."""

    @call(1)
    def withdraw_row(
        self, datanet: U32, row: RowRecord, path: ListPath, replacement: U32 | None
    ) -> None:
        """Withdraw one row of the signer; a later submission may replace it.

        The path leads to the rows root of the latest version.
        """

    @call(2)
    def erase(self, datanet: U32, submission: U32, redacted: Bytes32 | None) -> None:
        """Have the nodes delete withdrawn content, once nothing that was under way needs it.

        Whoever asks, where nothing of the submission is left; otherwise the Datanet's owner, who
        names the blob with hashes in place of the withdrawn rows: anybody can recompute it.
        """

    @call(3)
    def request_access(self, datanet: U32, purpose: Purpose, reason: TextUpTo1024) -> None:
        """Ask the owner of a Datanet to be admitted; an event, nothing is stored."""

    @call(4)
    def set_member(self, datanet: U32, account: Bytes32, admitted: bool) -> None:
        """Admit an account to a Datanet that is not public, or no longer."""

    @call(5)
    def share_key(
        self, datanet: U32, submission: U32, reader: Bytes32, sealed_key: BytesUpTo80
    ) -> None:
        """Share the content key of a submission of the signer with a reader; holds a deposit."""

    @call(6)
    def remove_key(self, datanet: U32, submission: U32, reader: Bytes32) -> None:
        """Take a sealed key off the chain again; the deposit comes back."""


class DatanetVotes(BasePallet, index=29):
    """Proposals of other terms, and the votes on them."""

    deposit = Value[U128](100000000000000000000)
    voting_blocks = Value[PositiveU32](1209600)
    quorum = Value[U128](1000000000000000000000)
    stake_ppb = Value[UpTo1E9](1000000000)
    next_proposal = DefaultMap[U32, U32](0)
    proposals = Map[U32, U32, Proposal]()
    votes = Map[U32, U32, Bytes32, U128]()

    class Proposed(Event):
        """Somebody proposed other terms."""

        datanet: U32
        proposal: U32
        terms: Terms
        ends_at: U64

    class Voted(Event):
        """A contributor voted."""

        datanet: U32
        proposal: U32
        voter: Bytes32
        approve: bool
        weight: U128

    class Closed(Event):
        """A proposal was counted; if it passed, its terms hold now."""

        datanet: U32
        proposal: U32
        state: ProposalState
        approving: U128
        rejecting: U128

    class NotContributor(PalletError):
        """Only who has accepted rows in the Datanet may propose and vote."""

    class UnknownProposal(PalletError):
        """The Datanet has no such proposal."""

    class WrongState(PalletError):
        """The proposal is closed, or not closed yet."""

    class AlreadyVoted(PalletError):
        """The account has voted on this proposal."""

    class NothingHeld(PalletError):
        """No stake of the account is held for this proposal."""

    @call(0)
    def propose(self, datanet: U32, terms: Terms) -> None:
        """Propose other terms for a Datanet that the signer contributed to; holds a deposit."""

    @call(1)
    def vote(self, datanet: U32, proposal: U32, approve: bool, stake: U128) -> None:
        """Vote once, with a stake that is held until the proposal is closed."""

    @call(2)
    def close(self, datanet: U32, proposal: U32) -> None:
        """Count a proposal whose time is over, whoever asks; what passed holds at once."""

    @call(3)
    def release(self, datanet: U32, proposal: U32) -> None:
        """Take the stake of a vote back, once the proposal is closed."""


class Workers(BasePallet, index=30):
    """Workers and their bonds."""

    bond_min = Value[From1E18To1E25](10000000000000000000000)
    workers = Map[Bytes32, Worker]()
    seats = Map[U32, Bytes32]()
    seat_count = Value[U32](0)

    class Registered(Event):
        """A worker bonded and may claim jobs."""

        worker: Bytes32
        bond: U128

    class BondRaised(Event):
        """A worker added to its bond."""

        worker: Bytes32
        bond: U128

    class Unbonded(Event):
        """A worker left and has its bond back."""

        worker: Bytes32
        bond: U128

    class Forfeited(Event):
        """A worker lost a part of its bond."""

        worker: Bytes32
        amount: U128
        bond: U128

    class BondTooLow(PalletError):
        """The bond is lower than a worker's must be."""

    class AlreadyBonded(PalletError):
        """The account is a bonded worker already."""

    class NotBonded(PalletError):
        """The account is not a bonded worker."""

    class StillAnswerable(PalletError):
        """The worker has jobs or audits in progress."""

    class BondLocked(PalletError):
        """The free part of the bond is less than the work puts at stake."""

    @call(0)
    def register(self, bond: U128) -> None:
        """Hold `bond` of the signer, who may then claim jobs and is drawn as an auditor."""

    @call(1)
    def bond_extra(self, amount: PositiveU128) -> None:
        """Add `amount` of the signer to its bond."""

    @call(2)
    def unbond(self) -> None:
        """Give the signer its bond back, once nothing is open that it could answer for."""


class Disputes(BasePallet, index=31):
    """Disputes and their referees."""

    clock_blocks = Value[From1To2147483648](7200)
    judge_blocks = Value[From1To2147483648](7200)
    patience_blocks = Value[From1To2147483648](3600)
    challenge_ppb = Value[From1To1E10](1000000000)
    step_ppb = Value[From1To1E10](100000000)
    winner_ppb = Value[UpTo600000000](500000000)
    referees_ppb = Value[UpTo400000000](100000000)
    attestation_slash_ppb = Value[UpTo1E9](50000000)
    disputes = Map[U32, Dispute]()
    opened = Map[U32, OpenedStep]()
    tallies = Map[U32, Tally]()
    certificates_from = Value[U32](0)
    certificates = Map[U32, Tally]()
    referees = Map[Bytes32, Bytes32]()

    class RefereeNamed(Event):
        """An account signs for a validator."""

        validator: Bytes32
        referee: Bytes32

    class Held(Event):
        """A validator holds what it takes to check a result."""

        work: U32
        validator: Bytes32

    class Challenged(Event):
        """A result is disputed."""

        work: U32
        challenger: Bytes32
        bond: U128

    class NodesPosted(Event):
        """The worker posted the nodes below the disputed one, and the challenger is to pick."""

        work: U32
        nodes: Annotated[tuple[Bytes32, ...], Max(16)]

    class NodePicked(Event):
        """The challenger named the first node that is wrong."""

        work: U32
        subtree: Subtree

    class StepOpened(Event):
        """One leaf is for the validators to judge, before the height that is named."""

        work: U32
        index: U32
        deadline: U64

    class Judged(Event):
        """A validator signed its result."""

        work: U32
        validator: Bytes32
        result: Bytes32

    class WrongAttestation(Event):
        """A validator signed another result than the verdict, and was slashed."""

        work: U32
        validator: Bytes32
        slashed: U128

    class WorkerLost(Event):
        """The result is wrong, was withheld, or its worker was silent."""

        work: U32
        worker: Bytes32
        challenger: Bytes32
        bond: U128

    class ChallengerLost(Event):
        """The result stands."""

        work: U32
        worker: Bytes32
        challenger: Bytes32
        bond: U128

    class Undecided(Event):
        """The validators came to no verdict; the challenger has its bond back."""

        work: U32

    class NoDispute(PalletError):
        """The work is not in dispute."""

    class OwnWork(PalletError):
        """The worker challenges its own result."""

    class NoSuchLeaf(PalletError):
        """The transcript has no such leaf."""

    class NotYourTurn(PalletError):
        """It is another party's move, or another kind of move."""

    class ClockRunOut(PalletError):
        """The party has used up its clock, and lost."""

    class ClockRuns(PalletError):
        """The party whose move it is still has time."""

    class WrongNodes(PalletError):
        """What was posted or opened is not what was committed to."""

    class NoSuchNode(PalletError):
        """The worker has not posted so many nodes."""

    class NotAValidator(PalletError):
        """The account signs for no validator of the set that decides this."""

    class NoValidators(PalletError):
        """The chain has forgotten who decides this."""

    class AlreadySigned(PalletError):
        """The validator has signed this already."""

    class RefereeTaken(PalletError):
        """The account signs for another validator, or is one itself."""

    @call(0)
    def name_referee(self, referee: Bytes32) -> None:
        """Let `referee` sign certificates and verdicts for the signer, for ever."""

    @call(1)
    def certify(self, work: U32) -> None:
        """State that the signer's validator holds all that it takes to check a result."""

    @call(2)
    def challenge(self, work: U32) -> None:
        """Dispute a result: the signer's bond is held, and the worker is to post nodes."""

    @call(3)
    def challenge_step(self, work: U32, index: U32) -> None:
        """Have one leaf opened and computed again: a withheld state, or one row's score."""

    @call(4)
    def split(self, work: U32, nodes: Annotated[tuple[Bytes32, ...], Max(16)]) -> None:
        """Post the nodes below the disputed one."""

    @call(5)
    def pick(self, work: U32, place: U8) -> None:
        """Name the first of the posted nodes that is wrong, by its place from the left."""

    @call(6)
    def open_step(self, work: U32, opening: StepOpening) -> None:
        """Open the disputed leaf with the one before, and name the state between them."""

    @call(7)
    def judge(self, work: U32, result: Bytes32) -> None:
        """Sign the result of the opened step, or 32 zero bytes where its state is not there."""

    @call(8)
    def time_out(self, work: U32) -> None:
        """End a dispute in which a clock has run out, whoever asks."""


class Audits(BasePallet, index=32):
    """Audits and their auditors."""

    start_ppb = Value[UpTo1E9](500000000)
    floor_ppb = Value[UpTo1E9](50000000)
    jobs_per_halving = Value[From1To10000](10)
    auditors = Value[From1To8](1)
    audit_blocks = Value[From1To4294967296](172800)
    pay_ppb = Value[UpTo1E9](500000000)
    silence_ppb = Value[UpTo1E9](100000000)
    draws = Value[Annotated[tuple[Draw, ...], Max(32)]](())
    plans = Map[U32, AuditPlan]()

    class Scheduled(Event):
        """A result is committed to; its auditors are drawn in the block of the height named."""

        job: U32
        drawn_at: U64

    class Drawn(Event):
        """These auditors, perhaps none, compute the job again before the height that is named."""

        job: U32
        auditors: Annotated[tuple[Bytes32, ...], Max(8)]
        due: U64

    class Committed(Event):
        """An auditor committed to its own blinded root."""

        job: U32
        auditor: Bytes32

    class Revealed(Event):
        """An auditor told its root."""

        job: U32
        auditor: Bytes32
        confirms: bool

    class Closed(Event):
        """An auditor was paid, or lost a part of its bond, or neither."""

        job: U32
        auditor: Bytes32
        paid: U128
        lost: U128

    class DrawsFull(PalletError):
        """As many results wait for their auditors as may at a time."""

    class NotDrawn(PalletError):
        """The auditors of the job are not drawn yet, or the job has ended."""

    class NotAnAuditor(PalletError):
        """The signer is not to audit this job."""

    class DoneAlready(PalletError):
        """The auditor has done this."""

    class AuditorsAtWork(PalletError):
        """Auditors may still commit to their roots."""

    class TooLate(PalletError):
        """The time of the auditors is over."""

    class TooEarly(PalletError):
        """The worker has not revealed its root yet, or the auditor has committed to none."""

    class WrongBlinding(PalletError):
        """Root, account and salt are not what was committed to."""

    @call(0)
    def commit(self, job: U32, blinded: Bytes32) -> None:
        """Commit to the blinded root that the signer, who was drawn, computed itself."""

    @call(1)
    def reveal(self, job: U32, root: Bytes32, salt: Bytes32) -> None:
        """Tell the root behind the signer's blinded one, once the worker's is known.

        Who finds the worker's root wrong has to challenge it besides, or loses.
        """


class Exams(BasePallet, index=34):
    """Exams and their results."""

    deposit = Value[U128](1000000000000000000)
    next_exam = Value[U32](0)
    exams = Map[U32, Exam]()
    results = Map[Bytes32, U32, ExamResult]()

    class Committed(Event):
        """Somebody keeps rows secret that models can be scored on later."""

        exam: U32
        owner: Bytes32
        name: TextUpTo64

    class Shown(Event):
        """The rows are there: evaluate jobs may read them."""

        exam: U32
        rows: ExamRows

    class Scored(Event):
        """A settled job found how good a model is; the score is in billionths."""

        model: Bytes32
        exam: U32
        job: U32
        score_ppb: U128

    class UnknownExam(PalletError):
        """There is no such exam."""

    class NotOwner(PalletError):
        """The rows are somebody else's to show."""

    class ShownAlready(PalletError):
        """The rows are shown already."""

    class NotShown(PalletError):
        """The rows are still secret."""

    class WrongRows(PalletError):
        """Owner, rows and salt are not what was committed to."""

    class NotHeldOut(PalletError):
        """The rows were not unknown when the model's training was ordered."""

    @call(0)
    def commit(
        self, name: TextUpTo64, metric: Metric, tokens_max: U32, commitment: Bytes32
    ) -> None:
        """Commit to the rows of an exam, and to how they are scored; holds the deposit."""

    @call(1)
    def show(self, exam: U32, rows: ExamRows, salt: Bytes32) -> None:
        """Show the rows that were committed to, which are in the content store; deposit back."""


class Chain(BaseChain):
    """A node of openledger: `with Chain(URL) as chain: ...`."""

    RUNTIME = "openledger"
    SPEC_VERSION = 1
    PALLETS = (
        System,
        Utility,
        Balances,
        Fees,
        Session,
        Staking,
        Offences,
        Upgrade,
        Scheduler,
        Preimage,
        Governance,
        Treasury,
        Vesting,
        Multisig,
        Proxy,
        Voting,
        Datanets,
        Models,
        Compute,
        Inference,
        Attribution,
        Submissions,
        Panels,
        Reports,
        DataRights,
        DatanetVotes,
        Workers,
        Disputes,
        Audits,
        Exams,
    )

    def __init__(self, url: str = DEFAULT_URL, *, patience_s: float = PATIENCE_S) -> None:
        """Prepare to talk to the node at `url`; nothing is sent yet."""
        super().__init__(url, patience_s=patience_s)
        self.system = System(self)
        self.utility = Utility(self)
        self.balances = Balances(self)
        self.fees = Fees(self)
        self.session = Session(self)
        self.staking = Staking(self)
        self.offences = Offences(self)
        self.upgrade = Upgrade(self)
        self.scheduler = Scheduler(self)
        self.preimage = Preimage(self)
        self.governance = Governance(self)
        self.treasury = Treasury(self)
        self.vesting = Vesting(self)
        self.multisig = Multisig(self)
        self.proxy = Proxy(self)
        self.voting = Voting(self)
        self.datanets = Datanets(self)
        self.models = Models(self)
        self.compute = Compute(self)
        self.inference = Inference(self)
        self.attribution = Attribution(self)
        self.submissions = Submissions(self)
        self.panels = Panels(self)
        self.reports = Reports(self)
        self.data_rights = DataRights(self)
        self.datanet_votes = DatanetVotes(self)
        self.workers = Workers(self)
        self.disputes = Disputes(self)
        self.audits = Audits(self)
        self.exams = Exams(self)
