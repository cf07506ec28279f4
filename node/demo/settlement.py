"""The end of the story: the epoch is attributed, everybody is paid, every payout is proved."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from node.client import NodeClient
from node.demo.people import People
from node.demo.stages import Bar
from node.demo.waiting import wait_for
from node.payout_receipts import Epoch, build_payout_receipt, load_epoch, prove_epoch
from pallets.attribution.pallet import Attribution
from runtime.codec import codec_of
from runtime.merkle import sum_path
from runtime.wire.receipts import InferenceReceipt
from runtime.wire.records import AnswerBatch, PayoutLeaf

SETTLEMENT_SECONDS_MAX = 3_600.0
RECEIPT_SUFFIX = ".receipt"


@dataclass(frozen=True, slots=True)
class Settled:
    """Where the answers were settled on chain: the epoch and the batch in it."""

    model: bytes
    epoch: int
    index: int
    batch: AnswerBatch


def wait_for_answers(
    client: NodeClient, model: bytes, answer_count: int, bar: Bar
) -> tuple[Settled, ...]:
    """Wait until the server has settled all answers; usually they are one batch."""

    def are_settled() -> bool:
        done = sum(each.batch.answer_count for each in settled_batches(client, model))
        bar.show(done, answer_count, "the server settles")
        return done >= answer_count

    message = f"The {answer_count} answers were not settled."
    wait_for(are_settled, message, SETTLEMENT_SECONDS_MAX, "Read the server's log.")
    return settled_batches(client, model)


def settled_batches(client: NodeClient, model: bytes) -> tuple[Settled, ...]:
    """Every batch of a model so far, in order."""
    found = []
    with client.reading() as pallets:
        last = client.height() // pallets.attribution.epoch_blocks.get()
        for epoch in range(last + 1):
            for index in range(pallets.inference.next_batch[(model, epoch)]):
                batch = pallets.inference.batches[(model, epoch, index)]
                found.append(Settled(model, epoch, index, batch))
    return tuple(found)


def wait_for_attribution(
    client: NodeClient,
    batches: Sequence[Settled],
    progress: Callable[[], tuple[float, float, str]],
    bar: Bar,
) -> tuple[Epoch, ...]:
    """Wait until a worker's attribution of every epoch with answers is settled."""
    places = sorted({(each.model, each.epoch) for each in batches})

    def are_attributed() -> bool:
        bar.show(*progress())
        states = [client.read("Attribution", "settlements", *place) for place in places]
        return all(state is not None for state in states)

    message = "The epoch's answers were not attributed."
    wait_for(are_attributed, message, SETTLEMENT_SECONDS_MAX, "Read the worker's log.")
    return tuple(load_epoch(client, *place) for place in places)


def claim_all(
    client: NodeClient, people: People, epochs: Sequence[Epoch], bar: Bar
) -> dict[bytes, int]:
    """Claim every payout for its owner; returns what each owner received."""
    earned: dict[bytes, int] = {}
    for epoch in epochs:
        leaves = [(codec_of(PayoutLeaf).encode(leaf), leaf.amount) for leaf in epoch.payouts]
        calls = [
            Attribution.claim.Call(
                model=epoch.model,
                epoch=epoch.epoch,
                payout=leaf,
                path=sum_path(leaves, index),
            )
            for index, leaf in enumerate(epoch.payouts)
        ]
        bar.show(0, len(calls), f"{len(calls)} payouts are claimed")
        client.submit_many(calls, people.builder)
        for leaf in epoch.payouts:
            earned[leaf.owner] = earned.get(leaf.owner, 0) + leaf.amount
    return earned


def write_receipts(
    client: NodeClient, people: People, epochs: Sequence[Epoch], folder: Path
) -> list[Path]:
    """One payout receipt for every contributor who was paid, named after them."""
    folder.mkdir(parents=True, exist_ok=True)
    accounts = {keypair.account for keypair in people.contributors.values()}
    paths = []
    for epoch in epochs:
        proof = prove_epoch(client, epoch)
        for leaf in epoch.payouts:
            if leaf.owner in accounts and leaf.amount:
                receipt = build_payout_receipt(client, epoch, proof, leaf.owner)
                paths.append(folder / payout_file(people.name_of(leaf.owner), epoch.epoch))
                paths[-1].write_bytes(receipt.encode())
    return paths


def payout_file(contributor: str, epoch: int) -> str:
    """The name of a contributor's receipt, which needs no quotes in a shell."""
    name = "".join(letter if letter.isalnum() else "-" for letter in contributor)
    return f"{name}-epoch-{epoch}{RECEIPT_SUFFIX}"


def write_answer_receipts(receipts: Sequence[bytes], folder: Path) -> list[Path]:
    """The signed receipts of all answers, as the user keeps them."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, receipt in enumerate(receipts, 1):
        codec_of(InferenceReceipt).decode(receipt)
        paths.append(folder / f"answer-{number:03}{RECEIPT_SUFFIX}")
        paths[-1].write_bytes(receipt)
    return paths


def verify_offline(paths: Sequence[Path], genesis_hash: bytes) -> int:
    """How many receipts the command `openledger receipt verify` accepts, run without any node."""
    command = [sys.executable, "-m", "node.cli", "receipt", "verify", "--json"]
    command += ["--genesis", genesis_hash.hex(), *map(str, paths)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.count('"ok": true')
