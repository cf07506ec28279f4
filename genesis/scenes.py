"""Who does what in the tests and benchmarks of the built-in pallets.

The calls of the main job with their usual arguments, and the states it goes through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from genesis.chain_spec import ChainSpec, development_keypair
from genesis.embedded_model import EMBEDDED_BASE
from pallets.attribution.pallet import Attribution
from pallets.compute.pallet import Compute
from pallets.datanets.pallet import Datanets
from pallets.disputes.pallet import Disputes
from pallets.exams.pallet import Exams
from pallets.inference.pallet import Inference
from pallets.models.pallet import Models
from pallets.panels.pallet import Panels
from pallets.reports.pallet import Reports
from pallets.reports.types import EvidenceKind
from pallets.session.pallet import BEACON_DELAY_BLOCKS
from pallets.submissions.pallet import Submissions
from pallets.submissions.types import VersionRoots
from pallets.workers.pallet import Workers
from runtime.calls import RuntimeCall
from runtime.codec import codec_of
from runtime.events import EventRecord
from runtime.hashing import hash_text
from runtime.keys import Keypair
from runtime.merkle import list_root, sum_path, sum_root
from runtime.types import OPEN
from runtime.wire.attribution import AttributionResult, attribution_shape
from runtime.wire.datanets import (
    ALL_PURPOSES,
    DIALOGUE,
    Access,
    Curation,
    Offer,
    Schema,
    Terms,
)
from runtime.wire.exams import ExamRows, Metric
from runtime.wire.influence_transcripts import InfluenceLeaf
from runtime.wire.panels import score_commitment
from runtime.wire.receipts import (
    INFERENCE_RECEIPT_VERSION,
    UNSIGNED,
    InferenceReceipt,
    SumPath,
)
from runtime.wire.records import JobOrder, PayoutLeaf, RowSource, TrainingOutcome, training_order
from runtime.wire.rows import submission_commitment
from runtime.wire.training_parameters import Schedule, TrainingParameters, leaves_of
from runtime.wire.transcripts import TranscriptLeaf, blinded_root, open_leaf


class Stage(Protocol):
    """Where a scene is played: a `Sandbox`, or a rehearsal of `runtime.testing`."""

    def ok(
        self, keypair: Keypair, call: RuntimeCall, height: int | None = None
    ) -> dict[str, EventRecord]:
        """Make a call that must succeed; returns its events by name, the last of each."""


class Arena(Stage, Protocol):
    """A stage whose heights can be chosen: a `Sandbox`."""

    spec: ChainSpec

    @property
    def height(self) -> int:
        """Of the last block."""

    def advance(self, count: int) -> None:
        """Execute empty blocks."""


S = TypeVar("S", bound=Stage)

CURATOR = development_keypair("faucet")
BUILDER = development_keypair("builder")
WORKER = development_keypair("worker")
VALIDATOR = development_keypair("validator")
SERVER = development_keypair("server")
USER = development_keypair("user")
ALICE = development_keypair("alice")
BOB = development_keypair("bob")

BASE_MODEL = EMBEDDED_BASE.content_hash
ADAPTER = hash_text(b"adapter")
ROOT = hash_text(b"rows root")
SALT = hash_text(b"salt")
BLOB = hash_text(b"blob")
BOND_PER_ROW = 10
FEE = 100 * OPEN
PLATFORM_FEE = OPEN // 1_000
BOND = 10_000 * OPEN

PARAMETERS = TrainingParameters(
    learning_rate_ppb=6_000_000,
    schedule=Schedule.CONSTANT,
    steps=12,
    batch_rows=50,
    rank=8,
    alpha=16,
    dropout_ppb=0,
    warmup_steps=2,
    weight_decay_ppb=0,
    epsilon_ppb=10_000,
    clip_norm_ppb=0,
    tokens_max=48,
    packing=False,
    prompt_template="",
    checkpoint_count=3,
    validation_ppb=50_000_000,
    seed=0,
    target_modules=("q_proj",),
)


def transcript(
    adapter: bytes = ADAPTER, changed: int | None = None, count: int = leaves_of(PARAMETERS)
) -> list[bytes]:
    """The encoded leaves of a run; those from `changed` on are another run's."""
    return [
        TranscriptLeaf(
            operators="test" * 16,
            job=ROOT,
            step=step,
            state_root=hash_text(f"{step} {changed is not None and step >= changed}".encode()),
            batch_root=adapter if step == count - 1 else ROOT,
            random_counter=0,
            cursor=step,
            learning_rate_bits=0,
            loss_grid=1 if step == count - 1 else 2,
            fault=0,
        ).encode()
        for step in range(count)
    ]


def outcome(leaves: Sequence[bytes] | None = None, adapter: bytes = ADAPTER) -> TrainingOutcome:
    """What a worker reveals."""
    leaves = transcript(adapter) if leaves is None else leaves
    return TrainingOutcome(adapter, list_root(leaves), BLOB, BLOB, len(leaves), 0, 2, 1)


def terms(**changed: Any) -> Terms:
    """Terms for research, teaching and business, reviewed by the owner."""
    usual: dict[str, Any] = {
        "licence": "CC-BY-4.0",
        "purposes": ALL_PURPOSES,
        "contributor_bond_per_row": BOND_PER_ROW,
        "curation": Curation.OWNER,
        "access": Access.PUBLIC,
        "rows_min": 0,
    }
    return Terms(**usual | changed)


def create(schema: Schema = DIALOGUE, **changed: Any) -> RuntimeCall:
    """A new Datanet on `terms`."""
    return Datanets.create.Call(
        name="medicine",
        description="Questions and answers.",
        schema=schema,
        terms=terms(**changed),
    )


def set_sponsor_budget(budget: int) -> RuntimeCall:
    """What is left to sponsor first bonds of Datanet 0 with."""
    return Datanets.set_sponsor_budget.Call(datanet=0, budget=budget)


def offer(rows: int = 5, **changed: Any) -> Offer:
    """Rows that may be used for everything."""
    usual: dict[str, Any] = {
        "row_count": rows,
        "size_bytes": 100 * rows,
        "licence": "CC-BY-4.0",
        "language": "en",
        "purposes": ALL_PURPOSES,
    }
    return Offer(**usual | changed)


def commit(  # what the tests vary
    who: Keypair,
    rows: int = 5,
    *,
    sponsored: bool = False,
    bond: int | None = None,
    root: bytes = ROOT,
    salt: bytes = SALT,
    **offered: Any,
) -> RuntimeCall:
    """Rows of `who` for Datanet 0."""
    return Submissions.commit.Call(
        datanet=0,
        commitment=submission_commitment(who.account, root, salt),
        offer=offer(rows, **offered),
        bond=rows * BOND_PER_ROW if bond is None else bond,
        sponsored=sponsored,
    )


def reveal(submission: int = 0, *, root: bytes = ROOT, salt: bytes = SALT) -> RuntimeCall:
    """What `commit` committed to."""
    return Submissions.reveal.Call(
        datanet=0, submission=submission, rows_root=root, salt=salt, blob=BLOB
    )


def publish(  # what the tests vary
    *verdict_counts: tuple[int, int, int, int],
    row_count: int | None = None,
    reviewed_count: int | None = None,
    rows_before: int = 0,
    reviewed_before: int = 0,
    rows_root: bytes = ROOT,
) -> RuntimeCall:
    """The next version of Datanet 0."""
    accepted = rows_before + sum(counts[1] for counts in verdict_counts)
    reviewed = reviewed_before + sum(sum(counts[1:]) for counts in verdict_counts)
    return Submissions.publish_version.Call(
        datanet=0,
        roots=VersionRoots(rows_root, BLOB, ROOT, BLOB, ROOT, BLOB),
        row_count=accepted if row_count is None else row_count,
        reviewed_count=reviewed if reviewed_count is None else reviewed_count,
        verdict_counts=verdict_counts,
    )


def settle_submission(submission: int = 0) -> RuntimeCall:
    """The end of a bond in Datanet 0."""
    return Submissions.settle.Call(datanet=0, submission=submission)


def enrol(stake: int = 1_000 * OPEN) -> RuntimeCall:
    """A panelist's stake."""
    return Panels.enrol.Call(stake=stake)


def judge(chain: Arena, case: int, scores: Mapping[Keypair, int]) -> None:
    """Draw the panel of a case, have these jurors score it, and close it."""
    parameters = chain.spec.parameters
    chain.advance(BEACON_DELAY_BLOCKS)
    if "Panels.Seated" not in chain.ok(USER, Panels.seat.Call(case=case)):
        chain.advance(BEACON_DELAY_BLOCKS)  # it had waited for so long that it was opened again
        chain.ok(USER, Panels.seat.Call(case=case))
    seated_at = chain.height
    for juror, score in scores.items():
        blinded = score_commitment(juror.account, case, score, SALT)
        chain.ok(juror, Panels.commit.Call(case=case, commitment=blinded))
    height = seated_at + parameters[Panels.commit_blocks]
    for juror, score in scores.items():
        height += 1
        call = Panels.reveal.Call(case=case, score=score, salt=SALT)
        chain.ok(juror, call, height=height)
    ends_at = seated_at + parameters[Panels.commit_blocks] + parameters[Panels.open_blocks]
    chain.ok(USER, Panels.close.Call(case=case), height=max(height, ends_at) + 1)


def report(
    kind: EvidenceKind = EvidenceKind.DUPLICATE, rows: int = 2, submission: int = 0
) -> RuntimeCall:
    """Evidence on rows of a submission to Datanet 0."""
    return Reports.report.Call(
        datanet=0, submission=submission, kind=kind, rows=rows, evidence=BLOB
    )


def submit_job(fee: int = FEE, order: JobOrder | None = None, **changed: Any) -> RuntimeCall:
    """A job, by default of training on version 1 of Datanet 0."""
    return Compute.submit_job.Call(order=order or training_job(), fee=fee, **changed)


def training_job(**changed: Any) -> JobOrder:
    """The order of training on version 1 of Datanet 0."""
    return replace(training_order(BASE_MODEL, (RowSource(0, 1),), PARAMETERS), **changed)


def commit_exam(rows_root: bytes = ROOT) -> RuntimeCall:
    """Alice's exam over rows that nobody knows."""
    commitment = submission_commitment(ALICE.account, rows_root, SALT)
    return Exams.commit.Call(
        name="cardiology", metric=Metric.ROWS, tokens_max=64, commitment=commitment
    )


def show_exam(exam: int = 0, **changed: Any) -> RuntimeCall:
    """The 40 rows of the exam."""
    shown = replace(ExamRows(ROOT, 40, BLOB), **changed)
    return Exams.show.Call(exam=exam, rows=shown, salt=SALT)


def commit_result(
    who: Keypair = WORKER, job: int = 0, leaves: Sequence[bytes] | None = None
) -> RuntimeCall:
    """The blinded commitment to a result."""
    root = list_root(transcript() if leaves is None else leaves)
    return Compute.commit.Call(job=job, blinded=blinded_root(root, who.account, SALT))


def reveal_result(
    job: int = 0, leaves: Sequence[bytes] | None = None, adapter: bytes = ADAPTER, **changed: Any
) -> RuntimeCall:
    """What `commit_result` committed to."""
    leaves = transcript(adapter) if leaves is None else leaves
    return Compute.reveal.Call(
        job=job,
        outcome=replace(outcome(leaves, adapter), **changed),
        salt=SALT,
        first=open_leaf(leaves, 0),
        last=open_leaf(leaves, len(leaves) - 1),
    )


def worked(
    chain: S,
    job: int = 0,
    leaves: Sequence[bytes] | None = None,
    adapter: bytes = ADAPTER,
    **changed: Any,
) -> int:
    """Have the worker claim, commit to and reveal a job, and the validator certify it.

    Returns when it can be settled.
    """
    leaves = transcript(adapter) if leaves is None else leaves
    chain.ok(WORKER, Compute.claim.Call(job=job))
    events = chain.ok(WORKER, commit_result(WORKER, job, leaves))
    drawn_at = events["Audits.Scheduled"].fields["drawn_at"]
    chain.ok(WORKER, reveal_result(job, leaves, adapter, **changed), height=drawn_at)
    events = chain.ok(VALIDATOR, Disputes.certify.Call(work=job))
    deadline: int = events["Compute.Certified"].fields["deadline"]
    return deadline


def settle_batch(  # what the tests vary
    *charges: tuple[bytes, int],
    model: bytes = ADAPTER,
    answers: int = 1,
    fees: int | None = None,
    platform_fees: int | None = None,
    root: bytes = ROOT,
) -> RuntimeCall:
    """A batch of answers with what each user is charged."""
    return Inference.settle_batch.Call(
        model=model,
        receipts_root=root,
        receipts=BLOB,
        answer_count=answers,
        fees=sum(amount for _, amount in charges) if fees is None else fees,
        platform_fees=answers * PLATFORM_FEE if platform_fees is None else platform_fees,
        charges=tuple(sorted(charges)),
    )


def unsigned_receipt(number: int = 0, **changed: Any) -> InferenceReceipt:
    """What the server owes the user for an answer of 10 tokens, without its signature."""
    arguments: dict[str, Any] = {
        "version": INFERENCE_RECEIPT_VERSION,
        "genesis_hash": ROOT,
        "model": ADAPTER,
        "base_model": BASE_MODEL,
        "server": SERVER.account,
        "user": USER.account,
        "request": number,
        "prompt_hash": ROOT,
        "output_hash": ROOT,
        "prompt_tokens": 0,
        "output_tokens": 10,
        "lane": "fast",
        "temperature_ppb": 0,
        "seed": 0,
        "input_per_1000": 0,
        "output_per_1000": 100 * PLATFORM_FEE,
        "platform_fee": PLATFORM_FEE,
        "fee": 2 * PLATFORM_FEE,
        "height": 1,
        "disclosed": True,
        "signature": UNSIGNED,
    }
    return InferenceReceipt(**arguments | changed)


@dataclass
class Payouts:
    """A payout tree and the calls that use it."""

    leaves: list[PayoutLeaf]
    found: Mapping[str, Any] = field(default_factory=dict)
    """What a job has found besides, in place of the usual."""
    pairs: list[tuple[bytes, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.pairs = [(codec_of(PayoutLeaf).encode(leaf), leaf.amount) for leaf in self.leaves]

    def result(self, **changed: Any) -> AttributionResult:
        """What an attribute job comes to that divides a pool so."""
        arguments: dict[str, Any] = {
            "pool": sum(leaf.amount for leaf in self.leaves),
            "payout_root": sum_root(self.pairs)[0],
            "leaf_count": len(self.leaves),
            "payouts": BLOB,
            "scores_root": ROOT,
            "credits": 1,
            "scores": BLOB,
        }
        return AttributionResult(**arguments | dict(self.found) | changed)

    def path(self, index: int) -> SumPath:
        """What proves a leaf."""
        return sum_path(self.pairs, index)

    def claim(
        self, index: int, model: bytes = ADAPTER, epoch: int = 0, **changed: Any
    ) -> RuntimeCall:
        """The claim of a leaf."""
        arguments: dict[str, Any] = {
            "model": model,
            "epoch": epoch,
            "payout": self.leaves[index],
            "path": self.path(index),
        }
        return Attribution.claim.Call(**arguments | changed)


def order_settlement(model: bytes = ADAPTER, epoch: int = 0) -> RuntimeCall:
    """A job that divides an epoch's pool."""
    return Attribution.order.Call(model=model, epoch=epoch)


def settle_payouts(
    result: AttributionResult, model: bytes = ADAPTER, epoch: int = 0
) -> RuntimeCall:
    """What the job came to."""
    return Attribution.settle.Call(model=model, epoch=epoch, result=result)


def influence_transcript(result: AttributionResult, nodes: int = 2) -> list[bytes]:
    """The leaves of an attribute job, of which the chain reads the last."""
    shape = attribution_shape(training_job(), nodes)
    return [
        InfluenceLeaf(
            operators="test" * 16,
            job=ROOT,
            position=position,
            state_root=ROOT,
            record_root=result.hash(),
            direction_root=ROOT,
            total=0,
            fault=0,
        ).encode()
        for position in range(shape.leaf_count)
    ]


def divided(
    chain: S, payouts_of: Callable[[int], Payouts], height: int, model: bytes = ADAPTER
) -> Payouts:
    """Have the pool of epoch 0 divided by a job that the worker does, which is settled."""
    placed = chain.ok(USER, order_settlement(model), height=height)["Attribution.Ordered"].fields
    payouts, job = payouts_of(placed["pool"]), placed["job"]
    result = payouts.result()
    deadline = worked(chain, job, influence_transcript(result), result.hash())
    chain.ok(USER, Compute.settle.Call(job=job), height=deadline)
    return payouts


def published(chain: S, rows: int = 5) -> S:
    """With version 1 of Datanet 0: rows of Alice, all accepted."""
    chain.ok(CURATOR, create())
    chain.ok(ALICE, commit(ALICE, rows, bond=OPEN))
    chain.ok(ALICE, reveal(0))
    chain.ok(CURATOR, publish((0, rows, 0, 0)))
    return chain


def trained(chain: S) -> S:
    """With a settled training job: the builder owns the private model `ADAPTER`."""
    published(chain)
    chain.ok(WORKER, Workers.register.Call(bond=BOND))
    chain.ok(BUILDER, submit_job())
    deadline = worked(chain)
    chain.ok(USER, Compute.settle.Call(job=0), height=deadline)
    return chain


def serving(chain: S, limit: int = 10 * OPEN) -> S:
    """With a public model, a registered server, and a user's escrow reserved for it."""
    trained(chain)
    chain.ok(BUILDER, Models.publish.Call(model=ADAPTER))
    chain.ok(SERVER, Inference.register_server.Call())
    chain.ok(USER, Inference.deposit.Call(amount=limit))
    chain.ok(USER, Inference.authorize.Call(server=SERVER.account, limit=limit))
    return chain
