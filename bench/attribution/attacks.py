"""What contributors gain by attacks on payouts by influence: copies, many accounts, own questions.

Every payout is what the chain would pay: the product's exact replay at two nodes with the default
gain floor, credit classes, standard errors, largest remainder.  A gain is a share of the pool,
beside what the same account has without the attack.  Nobody copies in the epoch that attacks are
held against, and everybody else asks what the testbed asks, for the same fee.

    duplicate    a Datanet of near copies joins the training: another's rows, and one's own
    sybil        one's rows are spread over 2, 5 and 15 accounts, each of which has to claim
    self-query   one asks for one's own rows; the answers are taken to be the rows themselves

A contributor who asks pays its fees, of which the pool gets the contributors' share.  Influence is
linear in what the answers weigh, so one replay of the echoes serves for every sum of fees.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.attribution.settlement import answers_to, influence_job, scores_of
from bench.attribution.store import Numbers, Store
from bench.attribution.testbed import COPIER, Testbed
from ml.attribution.influence_job import InfluenceJob
from ml.attribution.metagradient import replay
from ml.attribution.payout import divide_pool, mean_over_nodes
from ml.exact.gradients import GRADIENT_UNITS
from ml.exact.loss import LOSS_UNITS
from ml.training.recipe import default_training_parameters
from node.demo.corpus import copies
from pallets.attribution.pallet import Attribution
from pallets.fees.pallet import Fees
from pallets.models.pallet import Models
from runtime.hashing import hash_text
from runtime.merkle import list_root
from runtime.offchain import RowsOfVersion, TrainingRow
from runtime.types import PPB
from runtime.wire.rows import Row, RowRecord

ACCOUNTS = (2, 5, 15)
"""Over how many accounts rows are spread."""
CALL_FEE = Fees.base_price.default
"""The cheapest call's, in units: what each further account's claim costs at least."""
FEES_PERCENT = (1, 10, 50, 100, 400)
"""What is paid for echoes, of what all others pay."""
CONTRIBUTORS_PPB = Models.share_terms.default.usual.contributors_ppb
"""Of a fee, what goes into the pool; the platform's part is left out, in the attacker's favour."""
_TREASURY = bytes(32)


@dataclass(frozen=True)
class Epoch:
    """A training's rows that have scores, and what the answers of an epoch say of them."""

    rows: tuple[TrainingRow, ...]
    classes: tuple[int, ...]
    nodes: Numbers
    """[nodes, rows]: whole numbers, of which `GRADIENT_UNITS` are a nat."""
    fees: int

    @property
    def pool(self) -> int:
        """What the contributors divide, in units of 10**-18 OPEN."""
        return self.fees * CONTRIBUTORS_PPB // PPB

    def payouts(self) -> dict[bytes, int]:
        """What every owner is paid; who is not named is paid nothing."""
        whole = [[int(score) for score in node] for node in self.nodes]
        scores = mean_over_nodes(whole, int(GRADIENT_UNITS) // LOSS_UNITS)
        paid = divide_pool(self.rows, scores, self.classes, self.pool, _TREASURY)
        return {leaf.owner: leaf.amount for leaf in paid.payouts}

    def with_answers(self, other: Epoch, fees: int) -> Epoch:
        """The epoch in which what `other` asks is asked too, for so many fees in all."""
        total = self.fees + fees
        nodes = np.round((self.nodes * self.fees + other.nodes * fees) / total)
        return dataclasses.replace(self, nodes=nodes, fees=total)


def attack_gains(testbed: Testbed, store: Store) -> dict[str, list[float]]:
    """The largest gain of each attack; the best and the least paid contributor ask themselves."""
    honest = honest_epoch(testbed, store)
    asking = {ranked(honest)[0], ranked(honest)[-1]}
    asked = [self_query_gains(testbed, store, honest, owner) for owner in sorted(asking)]
    return {
        "duplicate_gain": [max(duplicate_gains(testbed, store, honest))],
        "sybil_gain": [max(sybil_gains(honest))],
        "self_query_gain": [max(gain for gains in asked for gain in gains)],
    }


def honest_epoch(testbed: Testbed, store: Store) -> Epoch:
    """The testbed's, without the rows of the contributor who copies."""
    return settled_epoch(testbed, store, _honest_rows(testbed), (), testbed.queries)


def duplicate_gains(testbed: Testbed, store: Store, honest: Epoch) -> list[float]:
    """Of copies of the best paid contributor's rows, brought by another and by itself."""
    rows = _honest_rows(testbed)
    best = ranked(honest)[0]
    source = random.Random(testbed.seed)  # noqa: S311 # a repeatable draw, no secret
    copied = copies([row.row for row in rows if row.record.owner == best], source)
    gains = []
    for owner in (testbed.rows[testbed.owners.index(COPIER)].record.owner, best):
        records = [
            TrainingRow(row, RowRecord(row.hash(), owner, len(rows), index))
            for index, row in enumerate(copied)
        ]
        stuffed = settled_epoch(testbed, store, rows, records, testbed.queries)
        gains.append(_gain(honest, stuffed.payouts().get(owner, 0), owner))
    return gains


def sybil_gains(honest: Epoch) -> list[float]:
    """Of each contributor who is paid, for each of `ACCOUNTS`."""
    return [
        _gain(honest, _paid_apart(honest, owner, count), owner)
        for owner in ranked(honest)
        for count in ACCOUNTS
    ]


def self_query_gains(testbed: Testbed, store: Store, honest: Epoch, owner: bytes) -> list[float]:
    """Of a contributor who asks for all of its rows, for each of `FEES_PERCENT`."""
    rows = _honest_rows(testbed)
    echoed = [row.row for row in rows if row.record.owner == owner]
    echoes = settled_epoch(testbed, store, rows, (), echoed)
    gains = []
    for percent in FEES_PERCENT:
        fees = honest.fees * percent // 100
        paid = honest.with_answers(echoes, fees).payouts().get(owner, 0)
        gains.append(_gain(honest, paid - fees, owner))
    return gains


def ranked(epoch: Epoch) -> list[bytes]:
    """Who is paid, the best paid first."""
    paid = epoch.payouts()
    return sorted(paid, key=lambda owner: (-paid[owner], owner))


def settled_epoch(
    testbed: Testbed,
    store: Store,
    rows: Sequence[TrainingRow],
    second: Sequence[TrainingRow],
    asked: Sequence[Row],
) -> Epoch:
    """Train on a Datanet's rows, and on those of a `second` one; then replay what was asked."""
    everything = (*rows, *second)
    bench = dataclasses.replace(testbed, rows=everything)
    run = bench.run(default_training_parameters(len(everything)))
    sources = tuple(_version(part) for part in (rows, second) if part)
    run = dataclasses.replace(run, order=dataclasses.replace(run.order, sources=sources))
    floor = Attribution.gain_floor_grid.default
    job = influence_job(bench, run, answers_to(asked), gain_floor_grid=floor)
    nodes = store.get(run, b"epoch" + job.order_hash, lambda: _replayed(job))
    return Epoch(job.trained_rows(), job.classes, nodes, sum(job.fees))


def _replayed(job: InfluenceJob) -> Numbers:
    return scores_of(replay(job)).double().numpy()


def _version(rows: Sequence[TrainingRow]) -> RowsOfVersion:
    return RowsOfVersion(list_root([row.record.encode() for row in rows]), len(rows))


def _honest_rows(testbed: Testbed) -> list[TrainingRow]:
    owned = zip(testbed.rows, testbed.owners, strict=True)
    return [row for row, owner in owned if owner != COPIER]


def _gain(honest: Epoch, paid: int, owner: bytes) -> float:
    return (paid - honest.payouts().get(owner, 0)) / honest.pool


def _paid_apart(epoch: Epoch, owner: bytes, count: int) -> int:
    """What so many accounts are paid together for one contributor's rows, less their claims."""
    accounts = [hash_text(owner + bytes([number])) for number in range(count)]
    rows, taken = [], 0
    for row in epoch.rows:
        if row.record.owner == owner:
            record = dataclasses.replace(row.record, owner=accounts[taken % count])
            rows.append(dataclasses.replace(row, record=record))
            taken += 1
        else:
            rows.append(row)
    paid = dataclasses.replace(epoch, rows=tuple(rows)).payouts()
    amounts = [paid[account] for account in accounts if account in paid]
    return sum(amounts) - CALL_FEE * (len(amounts) - 1)
