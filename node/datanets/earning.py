"""What a contributor's rows earned: payouts of settled epochs that wait to be claimed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from node.client import NodeClient
from node.payout_receipts import fetch
from pallets.attribution.pallet import LEAVES_PER_WORD, Attribution
from runtime.codec import codec_of
from runtime.keys import Keypair
from runtime.merkle import sum_path
from runtime.wire.records import PayoutLeaf

SETTLEMENTS_MAX = 100_000
"""How many epochs of models are looked at."""


@dataclass(frozen=True, slots=True)
class Payout:
    """One account's part of what a model earned for contributors in an epoch."""

    model: bytes
    epoch: int
    amount: int
    """In 10**-18 OPEN."""
    leaf: int
    """Its place in the epoch's payouts."""
    is_claimed: bool


def payouts_of(client: NodeClient, datanet: int, account: bytes) -> Iterator[Payout]:
    """The account's payouts by models of a Datanet; raises `ContentMissing`."""
    settlements = client.entries("Attribution", "settlements", SETTLEMENTS_MAX)
    for (model, epoch), settlement in settlements:
        if client.read("Models", "models", model).datanet != datanet:
            continue
        for leaf, each in enumerate(fetch(client, settlement.payouts, PayoutLeaf)):
            if each.owner != account:
                continue
            word, place = divmod(leaf, LEAVES_PER_WORD)
            claimed = client.read("Attribution", "claimed", model, epoch, word)
            yield Payout(
                model=model,
                epoch=epoch,
                amount=each.amount,
                leaf=leaf,
                is_claimed=bool(claimed >> place & 1),
            )


def claim(client: NodeClient, keypair: Keypair, payout: Payout) -> None:
    """Have a payout paid to its owner; anybody may send the path to it.

    Raises what `NodeClient.submit` raises, and `ContentMissing`.
    """
    settlement = client.read("Attribution", "settlements", payout.model, payout.epoch)
    leaves = fetch(client, settlement.payouts, PayoutLeaf)
    codec = codec_of(PayoutLeaf)
    call = Attribution.claim.Call(
        model=payout.model,
        epoch=payout.epoch,
        payout=leaves[payout.leaf],
        path=sum_path([(codec.encode(each), each.amount) for each in leaves], payout.leaf),
    )
    client.submit(call, keypair)
