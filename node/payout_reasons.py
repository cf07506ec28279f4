"""Why somebody was paid what it was, or was not: plain sentences with numbers, from public records.

Everything said here follows from the chain and from blobs that its roots commit to; a payout's
receipt proves it (`payout_receipts.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from node.client import NodeClient
from node.payout_receipts import fetch
from pallets.attribution.pallet import LEAVES_PER_WORD
from pallets.attribution.types import EpochOrder
from runtime.codec import codec_of
from runtime.types import OPEN
from runtime.wire.receipts import InferenceReceipt, PayoutReceipt
from runtime.wire.records import Job, JobState, PayoutLeaf, ScoreLeaf, Settlement

GRID = 2**30
"""Parts of a nat in which scores are written."""
POOLS_MAX = 100_000
_STATES = {
    JobState.OPEN: "waits for a worker",
    JobState.CLAIMED: "is being computed",
    JobState.COMMITTED: "is computed and being audited",
    JobState.REVEALED: "is computed and can still be disputed",
    JobState.SETTLED: "is done, and waits for Attribution.settle",
    JobState.REFUNDED: "came to nothing, and can be ordered again",
    JobState.CONVICTED: "was found wrong, and can be ordered again",
}


@dataclass(frozen=True, slots=True)
class Earning:
    """What an account's rows did in a divided epoch, and what they were paid."""

    settlement: Settlement
    rows: tuple[ScoreLeaf, ...]
    payout: PayoutLeaf | None
    claimed: bool

    @property
    def credit(self) -> int:
        """What the account is paid by."""
        return sum(row.credit for row in self.rows)


def models_with_pool(client: NodeClient, epoch: int) -> list[tuple[bytes, int]]:
    """Every model that earned for contributors in an epoch, with its pool."""
    pools = client.entries("Attribution", "pools", POOLS_MAX)
    return sorted((model, pool) for (model, number), pool in pools if number == epoch and pool)


def reasons(client: NodeClient, account: bytes, model: bytes, epoch: int, pool: int) -> list[str]:
    """Why an account was paid by a model's epoch, or not, in sentences; the largest fact first."""
    settlement: Settlement | None = client.read("Attribution", "settlements", model, epoch)
    if settlement is None:
        return _waiting(client, model, epoch, pool)
    earning = _earning(client, account, model, epoch, settlement)
    return (
        _paid(earning) if earning.payout is not None else _unpaid(client, account, model, earning)
    )


def explanation(receipt: PayoutReceipt | InferenceReceipt) -> list[str]:
    """What a receipt says, in a few sentences for people."""
    if isinstance(receipt, InferenceReceipt):
        return [
            (
                f"An answer of {receipt.output_tokens} tokens to a question of"
                f" {receipt.prompt_tokens} cost {_open(receipt.fee)} OPEN,"
                f" {_open(receipt.platform_fee)} of it for the platform."
            ),
            "It counts when the epoch is attributed."
            if receipt.disclosed
            else "Its asker keeps it private: its share follows that of other answers.",
        ]
    settlement = codec_of(Settlement).decode(receipt.settlement_entry.value)
    score, payout = receipt.score, receipt.payout
    share = f"{100 * payout.amount / settlement.pool:.2f} %"
    return [
        (
            f"{payout.owner.hex()} was paid {_open(payout.amount)} ± {_open(payout.error)} OPEN,"
            f" {share} of the {_open(settlement.pool)} OPEN that model {receipt.model.hex()[:16]}"
            f" earned for contributors in epoch {receipt.epoch}."
        ),
        (
            f"The row that did most moved everything the model said by {_nats(score.score)} ±"
            f" {_nats(score.error)} nats; {_nats(score.credit)} of them are paid by, out of"
            f" {_nats(settlement.credits)} of all rows."
        ),
        (
            f"Job {settlement.job} measured it at {settlement.nodes} weights of the data; whoever"
            " doubts it can run it again, and could dispute each of its steps."
        ),
    ]


def _earning(
    client: NodeClient, account: bytes, model: bytes, epoch: int, settlement: Settlement
) -> Earning:
    rows = [leaf for leaf in fetch(client, settlement.scores, ScoreLeaf) if leaf.owner == account]
    payouts = fetch(client, settlement.payouts, PayoutLeaf)
    place = next((at for at, leaf in enumerate(payouts) if leaf.owner == account), None)
    claimed = False
    if place is not None:
        word, position = divmod(place, LEAVES_PER_WORD)
        bits: int = client.read("Attribution", "claimed", model, epoch, word)
        claimed = bool(bits >> position & 1)
    payout = None if place is None else payouts[place]
    return Earning(settlement, tuple(rows), payout, claimed)


def _paid(earning: Earning) -> list[str]:
    settlement, payout = earning.settlement, earning.payout
    if payout is None:
        return []
    share = f"{100 * payout.amount / settlement.pool:.2f} %"
    best = max((row.score for row in earning.rows), default=0)
    return [
        (
            f"Paid {_open(payout.amount)} ± {_open(payout.error)} OPEN: {share} of a pool of"
            f" {_open(settlement.pool)} OPEN."
        ),
        (
            f"{_count(earning.rows)} trained on made the answers more likely by"
            f" {_nats(earning.credit)} nats after their errors, of {_nats(settlement.credits)} by"
            f" all rows; the best one by {_nats(best)}."
        ),
        *_without_credit(earning.rows),
        "It is in the account." if earning.claimed else "It waits for Attribution.claim.",
    ]


def _unpaid(client: NodeClient, account: bytes, model: bytes, earning: Earning) -> list[str]:
    if earning.credit:
        return ["Not paid: the part of the pool is less than one unit of 10**-18 OPEN."]
    if earning.rows:
        return [
            "Not paid: no row of this account earned credit in this epoch.",
            *_without_credit(earning.rows),
        ]
    datanet: int = client.read("Models", "models", model).datanet
    return [
        (
            "Not paid: the model was trained on no row of this account. Rows of Datanet"
            f" {datanet} that were rejected, are copies, joined a later version, or were drawn for"
            f" validation are not trained on; see `openledger query Submissions` for"
            f" {account.hex()[:16]}."
        ),
    ]


def _without_credit(rows: Sequence[ScoreLeaf]) -> list[str]:
    harmed = [row for row in rows if row.score < 0]
    unsure = [row for row in rows if 0 <= row.score <= row.error and not row.credit]
    copies = [row for row in rows if row.score > row.error and not row.credit]
    found = []
    if harmed:
        worst = min(row.score for row in harmed)
        found.append(f"{_count(harmed)} made them less likely, the worst by {_nats(-worst)} nats.")
    if unsure:
        found.append(f"{_count(unsure)} did no more than the error of their measurement.")
    if copies:
        found.append(f"{_count(copies)} repeated what an earlier row says, which has the credit.")
    return found


def _waiting(client: NodeClient, model: bytes, epoch: int, pool: int) -> list[str]:
    blocks: int = client.read("Attribution", "epoch_blocks")
    ends_at, height = (epoch + 1) * blocks, client.height()
    if height < ends_at:
        return [f"Not yet: the epoch ends at block {ends_at}; this is block {height}."]
    placed: EpochOrder | None = client.read("Attribution", "orders", model, epoch)
    if placed is None:
        return [
            (
                f"Not yet: nobody has ordered the division of {_open(pool)} OPEN. Anybody can, with"
                " Attribution.order, where the Datanet has as many rows as attribution needs."
            ),
        ]
    job: Job = client.read("Compute", "jobs", placed.job)
    return [f"Not yet: job {placed.job}, which divides {_open(pool)} OPEN, {_STATES[job.state]}."]


def _count(rows: Sequence[ScoreLeaf]) -> str:
    return "1 row" if len(rows) == 1 else f"{len(rows):,} rows"


def _nats(units: int) -> str:
    return f"{units / GRID:.6f}"


def _open(amount: int) -> str:
    return f"{amount / OPEN:.9f}".rstrip("0").rstrip(".") or "0"
