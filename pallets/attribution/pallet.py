"""Who earns the contributors' share: one settlement for each model and epoch.

Terms.  The *pool* of a (model, epoch) is the contributors' share of its batches; it is complete
once the epoch has ended.  A bonded worker *commits* to the rows' scores and to the *payouts*: a
Merkle-sum tree of (owner, amount) leaves, whose total must be the pool.  After a window anybody
settles it; then every owner is paid its leaf, by whoever shows the path to it.

Why no more than the pool is ever paid: a path proves its leaf under a root that binds the leaf,
the number of leaves and, as the tree's total, the pool; a bitmap lets each leaf be paid once; and
the sum of payouts is counted against the pool besides.  A claim pays the leaf's owner, whoever
sends it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pallets.attribution import weights
from pallets.pots import TREASURY
from runtime import (
    U32,
    U64,
    AccountId,
    Amount,
    BlockNumber,
    Error,
    Event,
    Hash,
    Map,
    Needs,
    Pallet,
    Parameter,
    Positive,
    ShortText,
    Signed,
    Value,
    call,
    invariant,
)
from runtime.codec import codec_of
from runtime.errors import InvalidProof, InvariantViolation
from runtime.merkle import verify_sum
from runtime.traits import Currency, DatanetSource, ModelRegistry, WorkerRegistry
from runtime.wire.receipts import SumPath
from runtime.wire.records import JobState, PayoutLeaf, Settlement

LEAVES_PER_WORD = 64
"""Leaves whose claims share one stored word of the bitmap."""
_NODE_BYTES = 96
_LEAF_AND_ROOT_BYTES = 128
"""Hashed for each sibling of a path, and for its ends, at most (`runtime.merkle`)."""


class Attribution(Pallet, index=24):
    """Pools, settlements and payouts of contributors."""

    # Needs

    currency: Needs[Currency]
    workers: Needs[WorkerRegistry]
    models: Needs[ModelRegistry]
    datanets: Needs[DatanetSource]

    # Storage, parameters first

    epoch_blocks = Parameter[Positive[U32]](
        172_800,
        "Batches of the same model and epoch are attributed together: a day of half seconds.",
    )
    window_blocks = Parameter[U32](
        7_200, "From the commitment to the settlement of an epoch: an hour of half seconds."
    )
    claim_blocks = Parameter[U32](
        63_072_000, "How long after its settlement an epoch's payouts can be claimed: a year."
    )
    rows_min = Parameter[U32](1_500, "Rows of a Datanet version below which a pool waits.")
    pools = Map[tuple[Hash, U32], Amount](0)
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

    class Committed(Event):
        """A worker committed to an epoch's payouts, which can be settled from the deadline."""

        model: Hash
        epoch: U32
        worker: AccountId
        pool: Amount
        deadline: BlockNumber

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

        remedy: ClassVar[str] = "Commit from the height at which the epoch has ended."
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

    class AlreadyCommitted(Error):
        """A worker has committed to this epoch's payouts already."""

        remedy: ClassVar[str] = "Attribute another model or epoch."
        worker: AccountId

    class UnknownSettlement(Error):
        """Nobody has committed to this epoch's payouts yet."""

        remedy: ClassVar[str] = "Wait for the event Attribution.Committed."
        epoch: U32

    class WrongState(Error):
        """The settlement is not in a state where this can be done."""

        remedy: ClassVar[str] = "Settle it once, after the window; then claim."
        state: JobState

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
        """All of the pool is paid out."""

        remedy: ClassVar[str] = "There is nothing to sweep."
        pool: Amount

    # Calls

    @call(0, weight=weights.commit)
    def commit(  # noqa: PLR0913, PLR0917 # the fields of a settlement
        self,
        worker: Signed,
        model: Hash,
        epoch: U32,
        payout_root: Hash,
        leaf_count: Positive[U32],
        payouts: Hash,
        scores_root: Hash,
        scores: Hash,
        method: ShortText,
    ) -> None:
        """Commit to scores and payouts of an ended epoch; the payouts' total must be the pool.

        `payouts` and `scores` are the content hashes of the blobs that list the leaves.
        """
        ends_at = (epoch + 1) * self.epoch_blocks.get()
        if self.block.height < ends_at:
            raise self.EpochNotEnded(ends_at=ends_at)
        pool = self.pools[model, epoch]
        if not pool:
            raise self.EmptyPool(epoch=epoch)
        known = self.settlements.get((model, epoch))
        if known is not None:
            raise self.AlreadyCommitted(worker=known.worker)
        self._require_rows(model)
        deadline = self.block.height + self.window_blocks.get()
        self.workers.keep_bond(worker, deadline)
        self.settlements[model, epoch] = Settlement(
            worker=worker,
            pool=pool,
            payout_root=payout_root,
            leaf_count=leaf_count,
            payouts=payouts,
            scores_root=scores_root,
            scores=scores,
            method=method,
            state=JobState.COMMITTED,
            deadline=deadline,
        )
        self.emit(
            self.Committed(model=model, epoch=epoch, worker=worker, pool=pool, deadline=deadline)
        )

    @call(1, weight=weights.settle)
    def settle(self, _origin: Signed, model: Hash, epoch: U32) -> None:
        """Let the payouts be claimed, once their window is over."""
        settlement = self._settlement(model, epoch, JobState.COMMITTED)
        if self.block.height < settlement.deadline:
            raise self.TooEarly(earliest=settlement.deadline)
        self.settlements[model, epoch] = replace(settlement, state=JobState.SETTLED)
        self.emit(self.Settled(model=model, epoch=epoch, payout_root=settlement.payout_root))

    @call(2, weight=weights.claim)
    def claim(
        self,
        _origin: Signed,
        model: Hash,
        epoch: U32,
        owner: AccountId,
        amount: Positive[Amount],
        path: SumPath,
    ) -> None:
        """Pay `owner` its leaf of the payouts, whoever sends the path to it."""
        settlement = self._settlement(model, epoch, JobState.SETTLED)
        self._check_path(settlement, owner, amount, path)
        self._mark_claimed(model, epoch, path.index)
        paid = self.paid[model, epoch]
        if paid + amount > settlement.pool:
            raise self.PoolExhausted(left=settlement.pool - paid, needed=amount)
        self._pay(model, epoch, paid, amount, owner)
        self.datanets.note_earned(self.models.model(model).datanet, owner, amount)
        self.emit(
            self.Claimed(model=model, epoch=epoch, leaf=path.index, owner=owner, amount=amount)
        )

    @call(3, weight=weights.sweep)
    def sweep(self, _origin: Signed, model: Hash, epoch: U32) -> None:
        """Send what nobody claimed in time to the treasury, whoever asks."""
        settlement = self._settlement(model, epoch, JobState.SETTLED)
        earliest = settlement.deadline + self.claim_blocks.get()
        if self.block.height < earliest:
            raise self.TooEarly(earliest=earliest)
        paid = self.paid[model, epoch]
        left = settlement.pool - paid
        if not left:
            raise self.NothingLeft(pool=settlement.pool)
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

    # Helpers

    def _require_rows(self, model: bytes) -> None:
        record = self.models.model(model)
        row_count = self.datanets.published_version(record.datanet, record.version).row_count
        least = max(self.rows_min.get(), self.datanets.rows_min(record.datanet))
        if row_count < least:
            raise self.TooFewRows(row_count=row_count, least=least)

    def _settlement(self, model: bytes, epoch: int, state: JobState) -> Settlement:
        settlement = self.settlements.get((model, epoch))
        if settlement is None:
            raise self.UnknownSettlement(epoch=epoch)
        if settlement.state is not state:
            raise self.WrongState(state=settlement.state)
        return settlement

    def _check_path(self, settlement: Settlement, owner: bytes, amount: int, path: SumPath) -> None:
        # The root binds the number of leaves; the record's count is only what the worker said.
        if path.count != settlement.leaf_count:
            raise self.WrongPath(leaf=path.index)
        leaf = codec_of(PayoutLeaf).encode(PayoutLeaf(owner=owner, amount=amount))
        siblings = len(path.siblings)
        self.note_hashes(siblings + 2, siblings * _NODE_BYTES + _LEAF_AND_ROOT_BYTES)
        try:
            verify_sum(settlement.payout_root, settlement.pool, leaf, amount, path)
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
