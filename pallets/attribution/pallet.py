"""Who earns the contributors' share: one settlement for each model and epoch.

Terms.  The *pool* of a (model, epoch) is the contributors' share of its batches; it is complete
once the epoch has ended.  Then anybody *orders* its settlement: an attribute job, which goes
through `Compute` like training, with auditors, validators who hold what it takes to check it, and
disputes about single leaves.  Its last leaf is the hash of an `AttributionResult`, which names the
rows' *scores* and the *payouts*, two Merkle-sum trees.  When the job is settled, anybody *settles*
the epoch by showing the result; then every owner is paid its leaf, by whoever shows the path to it.

Who pays for the job: the pool, up to `fee_ppb` of it; the rest whoever orders.  A pool that nobody
finds worth that waits.  The treasury pays nothing, or tiny epochs would be ordered by the workers
who are paid for them.  Where the job comes to nothing both have their part back, and it can be
ordered again.

Why no more than the pool is ever paid: a path proves its leaf under a root that binds the leaf,
the number of leaves and, as the tree's total, the pool; a bitmap lets each leaf be paid once; and
the sum of payouts is counted against the pool besides.  A claim pays the leaf's owner, whoever
sends it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from pallets.attribution import weights
from pallets.attribution.types import EpochOrder
from pallets.pots import TREASURY
from runtime import (
    PPB,
    U32,
    U64,
    AccountId,
    Amount,
    Between,
    BlockNumber,
    Error,
    Event,
    Hash,
    Map,
    Needs,
    Pallet,
    Parameter,
    Positive,
    Signed,
    Value,
    Weight,
    call,
    invariant,
)
from runtime.arithmetic import apply_ppb
from runtime.codec import codec_of
from runtime.errors import InvalidProof, InvariantViolation
from runtime.merkle import verify_sum
from runtime.traits import Currency, DatanetSource, JobBoard, ModelRegistry
from runtime.wire.attribution import (
    AttributionResult,
    AttributionTask,
    Nodes,
    attribution_order,
)
from runtime.wire.receipts import SumPath
from runtime.wire.records import JobState, PayoutLeaf, Settlement
from runtime.wire.training_parameters import SOURCES_MAX

GRID = 2**30
"""Parts of a nat in which influence is counted."""
GAIN_FLOOR_MOST = 100 * GRID
LEAVES_PER_WORD = 64
"""Leaves whose claims share one stored word of the bitmap."""
_NODE_BYTES = 96
_LEAF_AND_ROOT_BYTES = 144
"""Hashed for each sibling of a path, and for its ends, at most (`runtime.merkle`)."""
_RESULT_BYTES = 192
"""No encoded `AttributionResult` is longer."""
_SOURCES = Weight(reads=2 * SOURCES_MAX, writes=2 * SOURCES_MAX)
"""Of telling every source that a job uses it."""


class Attribution(Pallet, index=24):
    """Pools, settlements and payouts of contributors."""

    # Needs

    currency: Needs[Currency]
    datanets: Needs[DatanetSource]
    jobs: Needs[JobBoard]
    models: Needs[ModelRegistry]

    # Storage, parameters first

    epoch_blocks = Parameter[Positive[U32]](
        172_800,
        "Batches of the same model and epoch are attributed together: a day of half seconds.",
    )
    claim_blocks = Parameter[U32](
        63_072_000, "How long after its settlement an epoch's payouts can be claimed: a year."
    )
    rows_min = Parameter[U32](1_500, "Rows of a Datanet version below which a pool waits.")
    nodes = Parameter[Nodes](
        2, "At how many weights of the data influence is taken: 1, or their mean over 2 or 4."
    )
    gain_floor_grid = Parameter[Annotated[int, Between(0, GAIN_FLOOR_MOST)]](
        GRID // 10,
        "The least gain by which an answer's fee is divided, in 2**-30 nats: so an echo of one's"
        " own rows captures no more than its fee.",
    )
    fee_ppb = Parameter[Annotated[int, Between(0, PPB // 2)]](
        100_000_000, "Which part of a pool may pay for its settlement, in billionths."
    )
    pools = Map[tuple[Hash, U32], Amount](0)
    orders = Map[tuple[Hash, U32], EpochOrder]()
    """The latest job that is to divide a pool."""
    settlements = Map[tuple[Hash, U32], Settlement]()
    paid = Map[tuple[Hash, U32], Amount](0)
    claimed = Map[tuple[Hash, U32, U32], U64](0)
    owed = Value[Amount](0)

    # Events

    class PoolFunded(Event):
        """The contributors' share of a batch went into a pool."""

        model: Hash
        epoch: U32
        amount: Amount

    class Ordered(Event):
        """A job is to divide an epoch's pool, less what the pool pays for it."""

        model: Hash
        epoch: U32
        job: U32
        pool: Amount
        of_pool: Amount
        of_sponsor: Amount

    class Settled(Event):
        """The payouts of an epoch may be claimed."""

        model: Hash
        epoch: U32
        payout_root: Hash

    class Claimed(Event):
        """An owner was paid its part of a pool."""

        model: Hash
        epoch: U32
        leaf: U32
        owner: AccountId
        amount: Amount

    class Swept(Event):
        """What nobody claimed in time went to the treasury."""

        model: Hash
        epoch: U32
        amount: Amount

    # Errors

    class EpochNotEnded(Error):
        """The epoch's pool can still grow."""

        remedy: ClassVar[str] = "Order from the height at which the epoch has ended."
        ends_at: BlockNumber

    class EmptyPool(Error):
        """Nothing was earned for contributors of this model in this epoch."""

        remedy: ClassVar[str] = "Read Attribution.pools for epochs that were."
        epoch: U32

    class TooFewRows(Error):
        """The model's Datanet version has too few rows to be attributed; the pool waits."""

        remedy: ClassVar[str] = "Train on a version with more rows."
        row_count: U32
        least: U32

    class AlreadySettled(Error):
        """The epoch's payouts are known already."""

        remedy: ClassVar[str] = "Claim what is yours with Attribution.claim."
        worker: AccountId

    class AlreadyOrdered(Error):
        """A job that divides this pool goes on, or has ended well."""

        remedy: ClassVar[str] = "Look at the job; settle the epoch when it is settled."
        job: U32

    class UnknownOrder(Error):
        """Nobody has ordered the settlement of this epoch."""

        remedy: ClassVar[str] = "Order it with Attribution.order, once the epoch has ended."
        epoch: U32

    class JobNotSettled(Error):
        """The job that divides this pool has not ended well, or not yet."""

        remedy: ClassVar[str] = "Wait for Compute.Settled; order again if the job came to nothing."
        job: U32
        state: JobState

    class WrongResult(Error):
        """This is not the result that the job came to."""

        remedy: ClassVar[str] = "Take the result from the content store; its hash is the job's."
        job: U32

    class UnknownSettlement(Error):
        """The payouts of this epoch are not known yet."""

        remedy: ClassVar[str] = "Wait for the event Attribution.Settled."
        epoch: U32

    class TooEarly(Error):
        """This must wait for a later block."""

        remedy: ClassVar[str] = "Send it again from the height that is named."
        earliest: BlockNumber

    class WrongPath(Error):
        """The path does not prove this owner and amount among the epoch's payouts."""

        remedy: ClassVar[str] = "Take owner, amount and path from the payouts blob."
        leaf: U32

    class AlreadyClaimed(Error):
        """This payout was claimed before."""

        remedy: ClassVar[str] = "It is in the owner's balance; every leaf is paid once."
        leaf: U32

    class PoolExhausted(Error):
        """Less than this payout is left of the pool."""

        remedy: ClassVar[str] = "Payouts not claimed in time went to the treasury."
        left: Amount
        needed: Amount

    class NothingLeft(Error):
        """All of the pool is paid out, or there was none."""

        remedy: ClassVar[str] = "There is nothing to sweep."
        epoch: U32

    # Calls

    @call(0, weight=weights.order + _SOURCES)
    def order(self, sponsor: Signed, model: Hash, epoch: U32) -> None:
        """Have the pool of an ended epoch divided; the signer pays what the pool does not."""
        pool = self._ended_pool(model, epoch)
        settlement = self.settlements.get((model, epoch))
        if settlement is not None:
            raise self.AlreadySettled(worker=settlement.worker)
        self._require_rows(model)
        self._take_back(model, epoch)
        self._place_order(sponsor, model, epoch, pool)

    @call(1, weight=weights.settle)
    def settle(self, _origin: Signed, model: Hash, epoch: U32, result: AttributionResult) -> None:
        """Let the payouts be claimed that a settled job came to, whoever shows its result."""
        placed = self.orders.get((model, epoch))
        if placed is None:
            raise self.UnknownOrder(epoch=epoch)
        known = self.settlements.get((model, epoch))
        if known is not None:
            raise self.AlreadySettled(worker=known.worker)
        job = self.jobs.job(placed.job)
        if job.state is not JobState.SETTLED or job.worker is None or job.result is None:
            raise self.JobNotSettled(job=placed.job, state=job.state)
        self.note_hashes(1, _RESULT_BYTES)
        if job.result.adapter != result.hash() or result.pool != placed.task.pool:
            raise self.WrongResult(job=placed.job)
        self.settlements[model, epoch] = Settlement(
            worker=job.worker,
            job=placed.job,
            pool=result.pool,
            payout_root=result.payout_root,
            leaf_count=result.leaf_count,
            payouts=result.payouts,
            scores_root=result.scores_root,
            credits=result.credits,
            scores=result.scores,
            nodes=placed.task.nodes,
            settled_at=self.block.height,
        )
        self.emit(self.Settled(model=model, epoch=epoch, payout_root=result.payout_root))

    @call(2, weight=weights.claim)
    def claim(
        self, _origin: Signed, model: Hash, epoch: U32, payout: PayoutLeaf, path: SumPath
    ) -> None:
        """Pay the owner of a payout leaf, whoever sends the path to it."""
        settlement = self._settlement(model, epoch)
        self._check_path(settlement, payout, path)
        self._mark_claimed(model, epoch, path.index)
        paid, owner, amount = self.paid[model, epoch], payout.owner, payout.amount
        if paid + amount > settlement.pool:
            raise self.PoolExhausted(left=settlement.pool - paid, needed=amount)
        self._pay(model, epoch, paid, amount, owner)
        self.datanets.note_earned(self.models.model(model).datanet, owner, amount)
        self.emit(
            self.Claimed(model=model, epoch=epoch, leaf=path.index, owner=owner, amount=amount)
        )

    @call(3, weight=weights.sweep)
    def sweep(self, _origin: Signed, model: Hash, epoch: U32) -> None:
        """Send what nobody claimed in time to the treasury, whoever asks.

        A pool that nobody has had divided for as long goes there whole.
        """
        settlement = self.settlements.get((model, epoch))
        begun = self._epoch_end(epoch) if settlement is None else settlement.settled_at
        earliest = begun + self.claim_blocks.get()
        if self.block.height < earliest:
            raise self.TooEarly(earliest=earliest)
        paid = self.paid[model, epoch]
        left = self._undivided(model, epoch) if settlement is None else settlement.pool - paid
        if not left:
            raise self.NothingLeft(epoch=epoch)
        self._pay(model, epoch, paid, left, TREASURY)
        self.emit(self.Swept(model=model, epoch=epoch, amount=left))

    # Invariants

    @invariant
    def covers_what_it_owes(self) -> None:
        """The pallet's account has at least all unpaid pools; anybody may send it more."""
        balance, owed = self.currency.free_balance(self.account), self.owed.get()
        if balance < owed:
            message = f"The contributors' account has {balance} and owes {owed}."
            raise InvariantViolation(message, remedy="This is a bug: report it.")

    # Helpers: `ContributorPool` for other pallets

    def pool_account(self) -> bytes:
        """The account that keeps the unpaid contributor share."""
        return self.account

    def epoch_at(self, height: int) -> int:
        """The epoch of a height; the first is 0."""
        return height // self.epoch_blocks.get()

    def fund(self, model: bytes, epoch: int, amount: int) -> None:
        """Note `amount`, already moved to `pool_account`, as the model's pool of the epoch."""
        if not amount:
            return
        self.pools[model, epoch] += amount
        self.owed.put(self.owed.get() + amount)
        self.emit(self.PoolFunded(model=model, epoch=epoch, amount=amount))

    # Helpers: how an epoch's job is ordered

    def _epoch_end(self, epoch: int) -> int:
        """The first height that is not in the epoch."""
        return (epoch + 1) * self.epoch_blocks.get()

    def _ended_pool(self, model: bytes, epoch: int) -> int:
        """What there is to divide of an ended epoch."""
        ends_at = self._epoch_end(epoch)
        if self.block.height < ends_at:
            raise self.EpochNotEnded(ends_at=ends_at)
        pool = self.pools[model, epoch]
        if not pool:
            raise self.EmptyPool(epoch=epoch)
        return pool

    def _require_rows(self, model: bytes) -> None:
        record = self.models.model(model)
        row_count = self.datanets.published_version(record.datanet, record.version).row_count
        least = max(self.rows_min.get(), self.datanets.rows_min(record.datanet))
        if row_count < least:
            raise self.TooFewRows(row_count=row_count, least=least)

    def _place_order(self, sponsor: bytes, model: bytes, epoch: int, pool: int) -> None:
        number = self.models.model(model).job
        training = self.jobs.job(number)
        task = AttributionTask(
            model=model,
            epoch=epoch,
            training=number,
            nodes=self.nodes.get(),
            gain_floor_grid=self.gain_floor_grid.get(),
            pool=pool,
            treasury=TREASURY,
        )
        fee, price = self.jobs.price_of(attribution_order(training.order, task), training.panel)
        of_pool = min(price, apply_ppb(pool, self.fee_ppb.get()))
        task = replace(task, pool=pool - of_pool)
        self.currency.move(sponsor, self.account, price - of_pool)
        self.owed.put(self.owed.get() - of_pool)
        order = attribution_order(training.order, task)
        job = self.jobs.post(self.account, order, fee, task.pool, training.panel)
        self.orders[model, epoch] = EpochOrder(job, task, of_pool, sponsor, price - of_pool)
        self.emit(
            self.Ordered(
                model=model,
                epoch=epoch,
                job=job,
                pool=task.pool,
                of_pool=of_pool,
                of_sponsor=price - of_pool,
            )
        )

    def _take_back(self, model: bytes, epoch: int) -> None:
        """Give back what was paid for a job that came to nothing; raises for one that did not."""
        placed = self.orders.get((model, epoch))
        if placed is None:
            return
        if self.jobs.job(placed.job).state not in (JobState.REFUNDED, JobState.CONVICTED):
            raise self.AlreadyOrdered(job=placed.job)
        self.owed.put(self.owed.get() + placed.of_pool)
        self.currency.move(self.account, placed.sponsor, placed.of_sponsor)
        del self.orders[model, epoch]

    def _undivided(self, model: bytes, epoch: int) -> int:
        """Forget a pool that nobody divides any more; returns how much is left of it.

        A job whose replay faults would fault again: what it earned stays earned.
        """
        pool = self.pools[model, epoch]
        placed = self.orders.get((model, epoch))
        job = None if placed is None else self.jobs.job(placed.job)
        if placed and job and job.state is JobState.SETTLED and job.result and job.result.fault:
            earned = job.fee * job.result.leaf_count // job.order.leaf_count
            pool = placed.task.pool + job.fee - earned
            self.owed.put(self.owed.get() + job.fee - earned)
            del self.orders[model, epoch]
        else:
            self._take_back(model, epoch)
        if pool:
            del self.pools[model, epoch]
        return pool

    # Helpers: how payouts are proved and made

    def _settlement(self, model: bytes, epoch: int) -> Settlement:
        settlement = self.settlements.get((model, epoch))
        if settlement is None:
            raise self.UnknownSettlement(epoch=epoch)
        return settlement

    def _check_path(self, settlement: Settlement, payout: PayoutLeaf, path: SumPath) -> None:
        # The root binds the number of leaves; the record's count is only what the worker said.
        if path.count != settlement.leaf_count:
            raise self.WrongPath(leaf=path.index)
        leaf = codec_of(PayoutLeaf).encode(payout)
        siblings = len(path.siblings)
        self.note_hashes(siblings + 2, siblings * _NODE_BYTES + _LEAF_AND_ROOT_BYTES)
        try:
            verify_sum(settlement.payout_root, settlement.pool, leaf, payout.amount, path)
        except InvalidProof as error:
            raise self.WrongPath(leaf=path.index) from error

    def _mark_claimed(self, model: bytes, epoch: int, leaf: int) -> None:
        word, position = divmod(leaf, LEAVES_PER_WORD)
        claimed = self.claimed[model, epoch, word]
        if claimed >> position & 1:
            raise self.AlreadyClaimed(leaf=leaf)
        self.claimed[model, epoch, word] = claimed | 1 << position

    def _pay(self, model: bytes, epoch: int, paid: int, amount: int, receiver: bytes) -> None:
        self.paid[model, epoch] = paid + amount
        self.owed.put(self.owed.get() - amount)
        self.currency.move(self.account, receiver, amount)
