"""What pages ask of attribution: epochs, scores, payouts, an answer's batch and receipts."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.errors import NotFound
from node.payout_receipts import Epoch, build_payout_receipt, prove_epoch
from node.workers.influence_file import influence_path, read_influence
from runtime.codec import codec_of
from runtime.hashing import hash_receipt
from runtime.merkle import sum_path
from runtime.wire.receipts import InferenceReceipt, PayoutReceipt
from runtime.wire.records import PayoutLeaf, ScoreLeaf
from studio.chain.contents import Contents
from studio.chain.datanets import NATS_GRID, records
from studio.chain.sender import Sender
from studio.chain.state import Entry, State
from studio.errors import ObjectMissing

BATCHES_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Share:
    """What one contributor's rows did to an answer, or to an epoch."""

    owner: str
    influence: float
    """Nats; positive: they made it more likely."""
    error: float | None
    """One standard error, in nats; None where none is known."""
    rows: tuple[int, ...]
    """The rows by their place among the score leaves, the strongest first."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer was settled."""

    epoch: int
    batch: int
    answer: int
    """Its place in the batch."""


async def settlements(state: State) -> list[Entry]:
    """All attributed epochs, the newest first."""
    found = await state.entries("Attribution", "settlements")
    return sorted(found, key=lambda entry: -int(entry.key[1]))


async def batches_of(state: State, model: bytes) -> list[Entry]:
    """The settled batches of a model's answers."""
    found = await state.entries("Inference", "batches", BATCHES_MAX)
    return [entry for entry in found if entry.key[0] == model]


async def place_of(state: State, contents: Contents, receipt: InferenceReceipt) -> Place | None:
    """Where an answer was settled; None while it is not."""
    for entry in await batches_of(state, receipt.model):
        if entry.value.server != receipt.server:
            continue
        settled = await contents.items(entry.value.receipts, InferenceReceipt)
        if receipt in settled:
            return Place(entry.key[1], entry.key[2], settled.index(receipt))
    return None


async def epoch_of(
    state: State, contents: Contents, model: bytes, epoch: int, batch: int = 0
) -> Epoch:
    """Everything settled about a model in an epoch; raises `ObjectMissing`."""
    record, settlement, answers = await asyncio.gather(
        state.read("Models", "models", model),
        state.read("Attribution", "settlements", model, epoch),
        state.read("Inference", "batches", model, epoch, batch),
    )
    if record is None or settlement is None or answers is None:
        message = f"Epoch {epoch} of this model is not attributed."
        raise ObjectMissing(message, remedy="A worker does it some time after the epoch's end.")
    version = await state.read("Datanets", "versions", record.datanet, record.version)
    accepted, receipts, scores, payouts = await asyncio.gather(
        records(contents, version),
        contents.items(answers.receipts, InferenceReceipt),
        contents.items(settlement.scores, ScoreLeaf),
        contents.items(settlement.payouts, PayoutLeaf),
    )
    return Epoch(
        model, epoch, record, version, settlement, answers, accepted, receipts, scores, payouts
    )


async def payout_receipt(sender: Sender, epoch: Epoch, owner: bytes, place: Place) -> PayoutReceipt:
    """The receipt that leads from the owner's strongest row over an answer to the payout."""
    connection = sender.connection

    def build() -> PayoutReceipt:
        proof = prove_epoch(connection, epoch, place.batch)
        return build_payout_receipt(
            connection, epoch, proof, owner, answer=place.answer, batch=place.batch
        )

    return await asyncio.to_thread(build)


def shares_of_epoch(scores: Sequence[ScoreLeaf]) -> list[Share]:
    """What each contributor's rows did to everything the model said in an epoch."""
    return _shares(
        [leaf.owner.hex() for leaf in scores],
        [leaf.score / NATS_GRID for leaf in scores],
        [leaf.error / NATS_GRID for leaf in scores],
    )


async def shares_of_answer(work: Path | None, epoch: Epoch, receipt: bytes) -> list[Share] | None:
    """What each contributor's rows did to one answer; None where the worker's file is not here."""
    if work is None:
        return None
    path = influence_path(work, epoch.model, epoch.epoch)
    try:
        columns = await asyncio.to_thread(read_influence, path)
    except NotFound:
        return None
    found = columns.get(hash_receipt(receipt))
    if found is None or len(found) != len(epoch.scores):
        return None
    owners = [leaf.owner.hex() for leaf in epoch.scores]
    return _shares(owners, [float(each) for each in found], [])


def _shares(owners: Sequence[str], scores: Sequence[float], errors: Sequence[float]) -> list[Share]:
    """Scores by owner; `errors` is empty where none are known, as of a single answer."""
    by_owner: dict[str, list[int]] = {}
    for place, owner in enumerate(owners):
        by_owner.setdefault(owner, []).append(place)
    found = [
        Share(
            owner,
            sum(scores[place] for place in places),
            math.hypot(*(errors[place] for place in places)) if errors else None,
            tuple(sorted(places, key=lambda place: -scores[place])),
        )
        for owner, places in by_owner.items()
    ]
    return sorted(found, key=lambda each: -each.influence)


def flows(
    record: Any, batches: Sequence[Any], payouts: Sequence[PayoutLeaf]
) -> list[tuple[str, str, int]]:
    """How the fees of an epoch went from users to everybody: (from, to, units)."""
    fees = sum(each.fees for each in batches)
    platform = sum(each.platform_fees for each in batches)
    contributors = sum(each.contributor_share for each in batches)
    net = fees - platform - contributors
    rest = record.shares.owner_ppb + record.shares.stakers_ppb + record.shares.worker_ppb
    parts = {
        "model owner": record.shares.owner_ppb,
        "stakers": record.shares.stakers_ppb,
        "server": record.shares.worker_ppb,
    }
    found = [("users", "platform", platform), ("users", "contributors", contributors)]
    found += [("users", name, net * part // rest if rest else 0) for name, part in parts.items()]
    paid: Counter[str] = Counter()
    for leaf in payouts:
        paid[leaf.owner.hex()] += leaf.amount
    found += [("contributors", owner, amount) for owner, amount in paid.items()]
    return found


def payout_path(payouts: Sequence[PayoutLeaf], place: int) -> Any:
    """What proves one payout among all of an epoch."""
    codec = codec_of(PayoutLeaf)
    return sum_path([(codec.encode(leaf), leaf.amount) for leaf in payouts], place)
