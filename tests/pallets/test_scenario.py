"""The main job at runtime level: from rows to payouts, every unit of OPEN accounted for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import pytest

from genesis.chain_spec import genesis_block
from genesis.scenes import (
    ADAPTER,
    ALICE,
    BASE_MODEL,
    BOB,
    BOND,
    BOND_PER_ROW,
    BUILDER,
    CURATOR,
    PLATFORM_FEE,
    SALT,
    SERVER,
    USER,
    WORKER,
    Payouts,
    create,
    divided,
    offer,
    order_settlement,
    set_sponsor_budget,
    settle_payouts,
    settle_submission,
    submit_job,
    worked,
)
from pallets.attribution.pallet import Attribution
from pallets.balances.pallet import Balances
from pallets.compute.pallet import Compute
from pallets.inference.pallet import Inference
from pallets.models.pallet import Models
from pallets.pots import STAKERS, TREASURY
from pallets.submissions.pallet import Submissions
from pallets.submissions.types import VersionRoots
from pallets.workers.pallet import Workers
from runtime.arithmetic import answer_fee, split_by_largest_remainder
from runtime.block import Header
from runtime.codec import codec_of
from runtime.errors import InvalidProof
from runtime.hashing import hash_content, hash_state_key, hash_state_value, hash_text
from runtime.keys import Keypair, pallet_account
from runtime.merkle import list_path, list_root, sum_path, sum_root
from runtime.state.proof import prove_entry
from runtime.state.tree import Tree
from runtime.storage import storage_key
from runtime.types import OPEN
from runtime.wire.blobs import encode_blob
from runtime.wire.receipts import UNSIGNED, InferenceReceipt, PayoutReceipt, StateEntry
from runtime.wire.records import PayoutLeaf, ScoreLeaf
from runtime.wire.rows import Row, RowRecord, Verdict, submission_commitment
from runtime.wire.verify import verify_payout
from tests.pallets.chain import Chain, key_of

NEWCOMER = key_of("newcomer")
CONTRIBUTORS = (ALICE, BOB, NEWCOMER)
EPOCH = 0
SPARE = {
    "Submissions.commit": 4,
    "Submissions.reveal": 7,
    "Submissions.publish_version": 8,
    "Workers.unbond": 2,
    "Compute.submit_job": 160,
    "Compute.claim": 160,
    "Compute.settle": 160,
    "Disputes.certify": 29,
    "Attribution.order": 20,
}
"""Entries that these calls take with panels, many sources and other workers, and not in this story."""
SERVER_BOND = 100 * OPEN
START = 10**6 * OPEN
START_CURATOR = 10**7 * OPEN
PLACES = ("Datanets", "Compute", "Workers", "Audits", "Models", "Inference", "Attribution")


@dataclass
class Story:
    """What the main job leaves behind."""

    chain: Chain
    records: list[RowRecord]
    receipts: list[InferenceReceipt]
    scores: list[ScoreLeaf]
    payouts: Payouts
    fees: int
    pool: int


def rows_of(who: Keypair, count: int) -> list[Row]:
    return [Row(f"What is {who.account.hex()[:8]} {n}?", f"It is {n}.") for n in range(count)]


def contribute(chain: Chain) -> list[RowRecord]:
    """Three contributors commit and reveal; one copied a row, one sent a bad one."""
    chain.ok(CURATOR, create())
    chain.ok(CURATOR, set_sponsor_budget(1_000))
    roots = {}
    for count, who in enumerate(CONTRIBUTORS, 2):
        roots[who] = list_root([row.hash() for row in rows_of(who, count)])
        call = Submissions.commit.Call(
            datanet=0,
            commitment=submission_commitment(who.account, roots[who], SALT),
            offer=offer(count),
            bond=count * BOND_PER_ROW,
            sponsored=who is NEWCOMER,
        )
        chain.ok(who, call)
    for number, who in enumerate(CONTRIBUTORS):
        blob = hash_content(encode_blob([row.encode() for row in rows_of(who, number + 2)]))
        call = Submissions.reveal.Call(
            datanet=0, submission=number, rows_root=roots[who], salt=SALT, blob=blob
        )
        chain.ok(who, call)
    return [
        RowRecord(row.hash(), who.account, number, index)
        for number, who in enumerate(CONTRIBUTORS)
        for index, row in enumerate(rows_of(who, number + 2)[:2])
    ]


def publish(chain: Chain, records: list[RowRecord]) -> None:
    encoded = [record.encode() for record in records]
    verdicts = [
        Verdict.ACCEPTED,
        Verdict.ACCEPTED,
        Verdict.ACCEPTED,
        Verdict.ACCEPTED,
        Verdict.DUPLICATE,
        Verdict.ACCEPTED,
        Verdict.ACCEPTED,
        Verdict.DUPLICATE,
        Verdict.REJECTED,
    ]
    leaves = [bytes([verdict]) for verdict in verdicts]
    call = Submissions.publish_version.Call(
        datanet=0,
        roots=VersionRoots(
            rows_root=list_root(encoded),
            records=hash_content(encode_blob(encoded)),
            verdicts_root=list_root(leaves),
            verdicts=hash_content(encode_blob(leaves)),
            changes_root=list_root([]),
            changes=hash_content(encode_blob([])),
        ),
        row_count=len(records),
        reviewed_count=len(verdicts),
        verdict_counts=((0, 2, 0, 0), (1, 2, 1, 0), (2, 2, 1, 1)),
    )
    chain.ok(CURATOR, call)
    late = chain.height + chain.spec.parameters[Submissions.answerable_blocks]
    for number in range(len(CONTRIBUTORS)):
        chain.ok(USER, settle_submission(number), height=late + number)


def train(chain: Chain) -> None:
    chain.ok(WORKER, Workers.register.Call(bond=BOND))
    chain.ok(BUILDER, submit_job())
    chain.ok(BUILDER, submit_job(7 * OPEN + 1))
    chain.ok(USER, Compute.settle.Call(job=0), height=worked(chain))
    chain.ok(USER, Compute.settle.Call(job=1), height=chain.height + 100)
    chain.ok(BUILDER, Models.publish.Call(model=ADAPTER))
    chain.ok(
        BUILDER,
        Models.set_price.Call(model=ADAPTER, input_per_1000=OPEN // 3, output_per_1000=OPEN // 7),
    )


def answer(chain: Chain, number: int) -> InferenceReceipt:
    prices = (OPEN // 3, OPEN // 7, PLATFORM_FEE)
    receipt = InferenceReceipt(
        version=1,
        genesis_hash=chain.genesis_hash,
        model=ADAPTER,
        base_model=BASE_MODEL,
        server=SERVER.account,
        user=USER.account,
        request=number,
        prompt_hash=hash_text(b"prompt"),
        output_hash=hash_text(b"output"),
        prompt_tokens=11 + number,
        output_tokens=29,
        lane="fast",
        temperature_ppb=0,
        seed=0,
        input_per_1000=prices[0],
        output_per_1000=prices[1],
        platform_fee=prices[2],
        fee=answer_fee(11 + number, 29, *prices),
        height=chain.height,
        disclosed=True,
        signature=UNSIGNED,
    )
    return replace(receipt, signature=SERVER.sign(receipt.signing_payload()))


def serve(chain: Chain) -> list[InferenceReceipt]:
    chain.ok(SERVER, Inference.register_server.Call())
    chain.ok(USER, Inference.deposit.Call(amount=3 * OPEN))
    chain.ok(USER, Inference.authorize.Call(server=SERVER.account, limit=2 * OPEN))
    receipts = [answer(chain, number) for number in range(5)]
    pairs = [(receipt.encode(), receipt.fee) for receipt in receipts]
    root, fees = sum_root(pairs)
    call = Inference.settle_batch.Call(
        model=ADAPTER,
        receipts_root=root,
        receipts=hash_content(encode_blob([encoded for encoded, _ in pairs])),
        answer_count=len(receipts),
        fees=fees,
        platform_fees=len(receipts) * PLATFORM_FEE,
        charges=((USER.account, fees),),
    )
    chain.ok(SERVER, call)
    chain.ok(USER, Inference.revoke.Call(server=SERVER.account))
    chain.ok(USER, Inference.reclaim.Call(server=SERVER.account), height=chain.height + 30)
    chain.ok(USER, Inference.withdraw.Call(amount=3 * OPEN - fees))
    return receipts


def attribute(chain: Chain, records: list[RowRecord]) -> tuple[list[ScoreLeaf], Payouts, int]:
    scores = [
        ScoreLeaf(record.row_hash, record.owner, score, 1, max(0, score - 1))
        for record, score in zip(records, range(-10, 7 * len(records), 7), strict=False)
    ]
    earned = dict.fromkeys(sorted(who.account for who in CONTRIBUTORS), 0)
    for score in scores:
        earned[score.owner] += score.credit
    root, total = sum_root([(codec_of(ScoreLeaf).encode(each), each.credit) for each in scores])

    def split(pool: int) -> Payouts:
        parts = split_by_largest_remainder(pool, list(earned.values()))
        leaves = [PayoutLeaf(*each) for each in zip(earned, parts, strict=True) if each[1]]
        return Payouts(leaves, {"scores_root": root, "credits": total})

    payouts = divided(chain, split, 1_000)
    pool = sum(leaf.amount for leaf in payouts.leaves)
    chain.ok(USER, settle_payouts(payouts.result()))
    for index in range(len(payouts.leaves)):
        chain.ok(USER, payouts.claim(index))
    chain.ok(WORKER, Workers.unbond.Call())
    return scores, payouts, pool


@cache
def story() -> Story:
    """The whole main job, told once for all tests of this module."""
    chain = Chain()
    records = contribute(chain)
    publish(chain, records)
    train(chain)
    receipts = serve(chain)
    scores, payouts, pool = attribute(chain, records)
    fees = sum(receipt.fee for receipt in receipts)
    return Story(chain, records, receipts, scores, payouts, fees, pool)


def test_every_unit_is_accounted_for():
    """Each actor ends with what the rules say, to the unit, and together they have everything."""
    told = story()
    chain, fees = told.chain, told.fees
    net = fees - 5 * PLATFORM_FEE
    owner, stakers, worker, pool = split_by_largest_remainder(net, (3, 1, 2, 4))
    of_pool = pool // 10
    assert told.pool == pool - of_pool
    with chain.reading() as pallets:
        job = pallets.attribution.settlements[ADAPTER, 0].job
        fee, _ = pallets.compute.price_of(pallets.compute.jobs[job].order, ())
    levy = 5 * OPEN + fee // 20
    earned = {leaf.owner: leaf.amount for leaf in told.payouts.leaves}
    expected = {
        CURATOR.account: START_CURATOR - 1_000,
        ALICE.account: START + earned.get(ALICE.account, 0),
        BOB.account: START + earned[BOB.account],
        NEWCOMER.account: earned[NEWCOMER.account],
        BUILDER.account: START - 100 * OPEN + owner,
        WORKER.account: START + 100 * OPEN + fee - levy,
        SERVER.account: START + worker - SERVER_BOND,
        USER.account: START - fees - (fee - of_pool),
        STAKERS: stakers,
        TREASURY: 5 * PLATFORM_FEE + BOND_PER_ROW,
        pallet_account("Audits"): levy,
        pallet_account("Attribution"): 0,
        pallet_account("Inference"): 0,
    }
    assert {account: chain.free(account) for account in expected} == expected
    assert chain.held(CURATOR.account, "Datanets.sponsor") == 1_000 - BOND_PER_ROW
    assert chain.held(SERVER.account, "Inference.bond") == SERVER_BOND
    held = SERVER_BOND + 1_000 - BOND_PER_ROW
    assert sum(expected.values()) + held == START_CURATOR + 6 * START


def test_the_same_blocks_give_the_same_state():
    """Another runtime that executes the same blocks writes the same bytes under the same keys."""
    told = story()
    told.chain.check_replay()
    tree = Tree().update(
        (hash_state_key(key), hash_state_value(value)) for key, value in told.chain.state.items()
    )
    assert tree.root == state_tree(told.chain).root


def state_tree(chain: Chain) -> Tree:
    """The state tree, grown block by block as a node does."""
    tree = Tree()
    for changes in (genesis_block(chain.spec)[1], *(block[2] for block in chain.blocks)):
        tree = tree.update(
            (hash_state_key(key), None if value is None else hash_state_value(value))
            for key, value in changes.items()
        )
    return tree


def test_weights_are_honest_and_not_generous():
    """Each call of the story reads and writes what it declares, and little less."""
    for name, result in story().chain.metered.items():
        spare = SPARE.get(name, 1)
        assert result.reads <= result.weight.reads <= result.reads + spare, (name, result)
        assert result.writes <= result.weight.writes <= result.writes + spare, (name, result)


def payout_receipt(told: Story, owner: bytes) -> PayoutReceipt:
    """The receipt of an owner's payout under the last state root."""
    chain, tree = told.chain, state_tree(told.chain)
    genesis = genesis_block(chain.spec)[0].header
    header = replace(genesis, height=chain.height, state_root=tree.root)

    def entry(pallet: str, item: str, *parts: int | bytes) -> StateEntry:
        key = storage_key(pallet, item, *parts)
        return prove_entry(tree, key, chain.state[key])

    row = next(i for i, each in enumerate(told.records) if each.owner == owner)
    payout = next(i for i, leaf in enumerate(told.payouts.leaves) if leaf.owner == owner)
    return PayoutReceipt(
        version=1,
        genesis_header=genesis.encode(),
        header=header.encode(),
        commit=b"",
        validators=b"",
        row=told.records[row],
        row_path=list_path([record.encode() for record in told.records], row),
        datanet=0,
        datanet_version=1,
        version_entry=entry("Datanets", "versions", 0, 1),
        job=0,
        job_entry=entry("Compute", "jobs", 0),
        model=ADAPTER,
        model_entry=entry("Models", "models", ADAPTER),
        epoch=EPOCH,
        answer=told.receipts[3],
        answer_path=sum_path([(each.encode(), each.fee) for each in told.receipts], 3),
        batch=0,
        batch_entry=entry("Inference", "batches", ADAPTER, EPOCH, 0),
        score=told.scores[row],
        score_path=sum_path(
            [(codec_of(ScoreLeaf).encode(each), each.credit) for each in told.scores], row
        ),
        payout=told.payouts.leaves[payout],
        payout_path=told.payouts.path(payout),
        settlement_entry=entry("Attribution", "settlements", ADAPTER, EPOCH),
    )


def finalised(_header: Header, _commit: bytes, _validators: bytes, _genesis: bytes) -> None:
    """Consensus is not this layer's: every header counts as final."""


def test_what_the_pallets_store_is_what_receipts_prove():
    """A payout receipt made from this state verifies link by link, and a changed one does not."""
    told = story()
    receipt = payout_receipt(told, NEWCOMER.account)
    steps = verify_payout(receipt, finalised, told.chain.genesis_hash)
    assert len(steps) == 8
    forged = replace(receipt, payout=replace(receipt.payout, amount=receipt.payout.amount + 1))
    with pytest.raises(InvalidProof):
        verify_payout(forged, finalised, told.chain.genesis_hash)


@pytest.mark.parametrize(
    ("who", "call"),
    [
        (USER, Compute.settle.Call(job=0)),
        (USER, Compute.settle.Call(job=1)),
        (USER, settle_payouts(Payouts([]).result())),
        (USER, order_settlement(epoch=EPOCH)),
        (ALICE, Submissions.settle.Call(datanet=0, submission=0)),
        (USER, Inference.withdraw.Call(amount=1)),
        (WORKER, Workers.unbond.Call()),
        (USER, Attribution.sweep.Call(model=ADAPTER, epoch=EPOCH)),
    ],
)
def test_nothing_can_be_had_twice(who, call):
    """After the story, every ending sent once more fails and moves nothing."""
    told = story()
    chain = Chain(told.chain.spec)
    chain.state, chain.height = dict(told.chain.state), told.chain.height
    before = chain.money()
    result = chain.send(who, call)
    assert not result.ok
    assert chain.money() == before


def test_direct_payments_to_a_pot_break_nothing():
    """Anybody may send OPEN to a pallet's account; no invariant depends on exact balances."""
    chain = Chain()
    for name in PLACES:
        chain.ok(USER, Balances.transfer.Call(receiver=pallet_account(name), amount=1))
