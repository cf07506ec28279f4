"""Why somebody was paid, or was not: the sentences, from the state of a chain that was played."""

from __future__ import annotations

from typing import Any

import pytest

from genesis.scenes import (
    ADAPTER,
    ALICE,
    BOB,
    SERVER,
    USER,
    Payouts,
    divided,
    order_settlement,
    serving,
    settle_batch,
    settle_payouts,
)
from node.payout_reasons import GRID, models_with_pool, reasons
from runtime.codec import codec_of
from runtime.hashing import hash_content, hash_text
from runtime.merkle import sum_root
from runtime.types import OPEN
from runtime.wire.blobs import encode_blob
from runtime.wire.records import PayoutLeaf, ScoreLeaf
from tests.pallets.chain import Chain, key_of

CAROL = key_of("carol")
ENDED = 1_000


class PlayedChain:
    """What a client reads, from a chain in memory and a few blobs."""

    def __init__(self, chain: Chain, blobs: dict[bytes, bytes]) -> None:
        self.chain, self.blobs = chain, blobs

    def height(self) -> int:
        return self.chain.height

    def read(self, pallet: str, item: str, *keys: Any) -> Any:
        with self.chain.reading():
            stored = getattr(self.chain.runtime.pallets[pallet], item)
            if not keys:
                return stored.get()
            key = keys[0] if len(keys) == 1 else keys
            return stored.get(key) if item in {"settlements", "orders", "models"} else stored[key]

    def entries(self, pallet: str, item: str, _most: int) -> Any:
        return [((ADAPTER, 0), self.read(pallet, item, ADAPTER, 0))]

    def get_content(self, content_hash: bytes) -> bytes:
        return self.blobs[content_hash]


def earned():
    chain = serving(Chain())
    chain.ok(SERVER, settle_batch((USER.account, OPEN)))
    return chain


def scored(who, score, error=0, credit=None):
    usual = max(0, score - error) if credit is None else credit
    return ScoreLeaf(hash_text(str(score).encode()), who.account, score, error, usual)


SCORES = (
    scored(ALICE, 3 * GRID, GRID),
    scored(ALICE, -GRID),
    scored(ALICE, GRID // 2, GRID),
    scored(BOB, -2 * GRID),
    scored(BOB, 4 * GRID, 0, credit=0),
)


@pytest.fixture(scope="module")
def settled():
    """Alice earned the whole pool; Bob harmed, and copied; Carol brought nothing."""
    chain, blobs = earned(), {}

    def keep(leaves):
        data = encode_blob([codec_of(type(leaf)).encode(leaf) for leaf in leaves])
        blobs[hash_content(data)] = data
        return hash_content(data)

    def shared(pool):
        leaves = [PayoutLeaf(ALICE.account, pool, pool // 2)]
        root, total = sum_root([(codec_of(ScoreLeaf).encode(each), each.credit) for each in SCORES])
        found = {"scores_root": root, "credits": total, "scores": keep(SCORES)}
        return Payouts(leaves, found | {"payouts": keep(leaves)})

    payouts = divided(chain, shared, ENDED)
    chain.ok(USER, settle_payouts(payouts.result()))
    return PlayedChain(chain, blobs), payouts


def told(reader, who) -> str:
    ((model, pool),) = models_with_pool(reader, 0)
    assert model == ADAPTER
    return " ".join(reasons(reader, who.account, model, 0, pool))


def test_who_was_paid_hears_how_much_and_for_what(settled):
    """Amount, error, share and rows; and that it can be claimed, until it is."""
    reader, payouts = settled
    sentences = told(reader, ALICE)
    assert "100.00 % of a pool" in sentences
    assert "3 rows trained on made the answers more likely by 2.000000 nats" in sentences
    assert "1 row made them less likely, the worst by 1.000000 nats." in sentences
    assert "1 row did no more than the error of their measurement." in sentences
    assert "It waits for Attribution.claim." in sentences
    reader.chain.ok(BOB, payouts.claim(0))
    assert "It is in the account." in told(reader, ALICE)


def test_who_was_not_paid_hears_why(settled):
    """Rows that harmed, rows that are copies, and no row at all are different reasons."""
    reader, _ = settled
    sentences = told(reader, BOB)
    assert sentences.startswith("Not paid: no row of this account earned credit")
    assert "1 row made them less likely, the worst by 2.000000 nats." in sentences
    assert "1 row repeated what an earlier row says" in sentences
    assert "trained on no row of this account" in told(reader, CAROL)


def test_what_is_not_divided_yet_is_waited_for():
    """The epoch ends, somebody orders, a worker computes: each is said, with its number."""
    chain = earned()
    reader = PlayedChain(chain, {})
    assert "the epoch ends at block 1000" in told(reader, ALICE)
    chain.advance(ENDED - chain.height)
    assert "nobody has ordered the division" in told(reader, ALICE)
    chain.ok(USER, order_settlement())
    assert "job 1, which divides" in told(reader, ALICE)
    assert "waits for a worker" in told(reader, ALICE)
