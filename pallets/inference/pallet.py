"""Escrow of users, and the batches of answers by which servers charge it.

Terms.  *Escrow*: OPEN of a user, held under `Inference.escrow`.  An *authorisation* reserves a
part of it for one server.  A *batch* is the answers to any users of one model that a server
settles at once: the Merkle-sum root of their receipts, and what each user owes.  *Net* fees are
fees less platform fees.

Why nobody is short: an authorisation is a reservation, not a promise.  What a server may charge
was taken out of the user's withdrawable escrow when it was authorised, no second server shares it,
and it comes back only `revocation_blocks` after `revoke`, time in which the server settles what it
has answered.  So a server that checks `authorizations` before it answers is always paid, and a
user never loses more than was authorised, whatever the server's receipts say.

A server has a *bond*.  A receipt that it settled and that is wrong by itself, by its own numbers or
its signature, is refunded to the user out of the bond, whoever shows it within `dispute_blocks`;
the showing is rewarded, and a server whose bond is too low settles nothing before it adds to it.

A batch is divided to the last unit: platform fees to the treasury, net fees among the model's
owner, stakers, server and contributors by largest remainder.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from pallets.inference import weights
from pallets.inference.faults import fault_of
from pallets.inference.types import Authorization, Charges
from pallets.pots import STAKERS, TREASURY
from runtime import (
    OPEN,
    PPB,
    U32,
    AccountId,
    Amount,
    Between,
    BlockNumber,
    Const,
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
    call,
)
from runtime.arithmetic import apply_ppb, split_by_largest_remainder
from runtime.errors import InvalidProof
from runtime.merkle import verify_sum
from runtime.traits import ContributorPool, Currency, ModelRegistry
from runtime.wire.receipts import InferenceReceipt, SumPath
from runtime.wire.records import AnswerBatch, Model

ESCROW = "Inference.escrow"
"""Why a user's balance is held."""
BOND = "Inference.bond"
"""Why a server's balance is held."""
_NODE_BYTES = 96
_LEAF_AND_ROOT_BYTES = 640
"""Hashed for each sibling of a path, and for its ends and the receipt's signature, at most."""


class Inference(Pallet, index=23):
    """Escrow, servers and batches of answers."""

    # Needs and constants

    currency: Needs[Currency]
    models: Needs[ModelRegistry]
    pool: Needs[ContributorPool]
    platform_fee: Const[Amount] = OPEN // 1_000
    """Of every answer, in 10**-18 OPEN; a new value is a new spec version."""

    # Storage, parameters first

    revocation_blocks = Parameter[U32](
        14_400, "From `revoke` to the first block that may reclaim: two hours of half seconds."
    )
    server_bond = Parameter[Amount](
        100 * OPEN, "What a server has at stake for the receipts that it settles."
    )
    dispute_blocks = Parameter[U32](
        172_800, "How long a settled receipt can be shown to be wrong: a day of half seconds."
    )
    fault_penalty = Parameter[Positive[Amount]](
        10 * OPEN, "What a wrong receipt costs its server, the refund included."
    )
    fault_reward_ppb = Parameter[Annotated[int, Between(0, PPB)]](
        100_000_000, "Which part of a penalty, less the refund, is for showing it, in billionths."
    )
    unreserved = Map[AccountId, Amount](0)
    authorizations = Map[tuple[AccountId, AccountId], Authorization](Authorization())
    servers = Map[AccountId, BlockNumber]()
    next_batch = Map[tuple[Hash, U32], U32](0)
    batches = Map[tuple[Hash, U32, U32], AnswerBatch]()
    settled_roots = Map[tuple[AccountId, Hash], BlockNumber]()
    last_settled = Map[AccountId, BlockNumber]()
    """When a server last settled: its bond answers for that."""
    refunded = Map[tuple[Hash, U32, U32, U32], bool](False)
    """The receipts that were wrong, by model, epoch, batch and place."""

    # Events

    class Deposited(Event):
        """A user's escrow went up."""

        user: AccountId
        amount: Amount

    class Withdrawn(Event):
        """A user took unreserved escrow back."""

        user: AccountId
        amount: Amount

    class Authorized(Event):
        """A server may charge the user up to `limit` from now on."""

        user: AccountId
        server: AccountId
        limit: Amount

    class Revoked(Event):
        """A user asked for a reservation back, and may reclaim what is left from a height."""

        user: AccountId
        server: AccountId
        reclaimable_at: BlockNumber

    class Reclaimed(Event):
        """What was left of a revoked authorisation is unreserved again."""

        user: AccountId
        server: AccountId
        amount: Amount

    class ServerRegistered(Event):
        """An account may settle batches."""

        server: AccountId

    class ServerLeft(Event):
        """A server settles no more, and its bond is free."""

        server: AccountId
        bond: Amount

    class AnswerRefunded(Event):
        """A wrong receipt was shown; the user was paid out of the server's bond."""

        server: AccountId
        user: AccountId
        refund: Amount
        reporter: AccountId
        reward: Amount
        treasury: Amount
        fault: ShortText

    class BatchSettled(Event):
        """Users paid for a batch of answers, and the fees were divided."""

        server: AccountId
        model: Hash
        epoch: U32
        batch: U32
        receipts_root: Hash
        fees: Amount

    class FeesSplit(Event):
        """Where the fees of a batch went; the five sum to them."""

        platform: Amount
        owner: Amount
        stakers: Amount
        worker: Amount
        contributors: Amount

    # Errors

    class EscrowTooLow(Error):
        """The user's unreserved escrow is too low for this amount."""

        remedy: ClassVar[str] = "Deposit more, or revoke an authorisation and reclaim it."
        unreserved: Amount
        needed: Amount

    class LimitTooLow(Error):
        """A limit cannot be lowered below what the server may still charge."""

        remedy: ClassVar[str] = "Use Inference.revoke, and Inference.reclaim once it may be."
        limit: Amount
        remaining: Amount

    class NotAuthorized(Error):
        """The user has authorised nothing, or nothing more, for this server."""

        remedy: ClassVar[str] = "Authorise the server with Inference.authorize."
        server: AccountId

    class AlreadyRevoked(Error):
        """The authorisation is revoked already."""

        remedy: ClassVar[str] = "Reclaim it once the server's time to settle is over."
        revoked_at: BlockNumber

    class NotRevoked(Error):
        """The authorisation has not been revoked."""

        remedy: ClassVar[str] = "Use Inference.revoke first, and wait."
        server: AccountId

    class TooEarly(Error):
        """The server may still settle what it has answered."""

        remedy: ClassVar[str] = "Send it again from the height that is named."
        reclaimable_at: BlockNumber

    class UnknownServer(Error):
        """The account is not a registered server."""

        remedy: ClassVar[str] = "The server registers itself with Inference.register_server."
        server: AccountId

    class AlreadyRegistered(Error):
        """The account is a registered server already."""

        remedy: ClassVar[str] = "Settle batches."
        server: AccountId

    class BondTooLow(Error):
        """The server's bond is lower than it must be."""

        remedy: ClassVar[str] = "Add what is missing with Inference.register_server."
        bond: Amount
        least: Amount

    class StillAnswerable(Error):
        """What the server settled last may still be shown to be wrong."""

        remedy: ClassVar[str] = "Settle nothing more, and send it again from the height named."
        earliest: BlockNumber

    class UnknownBatch(Error):
        """There is no such batch."""

        remedy: ClassVar[str] = "Take model, epoch and batch from Inference.BatchSettled."
        batch: U32

    class TooLate(Error):
        """The time to show that a receipt of this batch is wrong is over."""

        remedy: ClassVar[str] = "Check receipts when their batches are settled."
        settled_at: BlockNumber

    class WrongPath(Error):
        """The path does not prove this receipt and amount in the batch."""

        remedy: ClassVar[str] = "Take the receipt, its fee and the path from the receipts blob."
        leaf: U32

    class NothingWrong(Error):
        """The receipt is what it should be, or was refunded before."""

        remedy: ClassVar[str] = "Show receipts that `openledger receipt verify` refuses."
        leaf: U32

    class NotPublic(Error):
        """A private model answers its owner and whom it was granted, and another is charged."""

        remedy: ClassVar[str] = "Have the owner publish the model, or grant it with Models.grant."
        user: AccountId

    class ChargesNotInOrder(Error):
        """The charges are not in strictly rising order of users."""

        remedy: ClassVar[str] = "Sort the charges by user and sum those of the same user."
        user: AccountId

    class ChargesDoNotAddUp(Error):
        """The charges do not sum to the fees."""

        remedy: ClassVar[str] = "Charge every user exactly the fees of its receipts."
        charged: Amount
        fees: Amount

    class WrongPlatformFees(Error):
        """The platform fees are not those of so many answers."""

        remedy: ClassVar[str] = "Add Inference.platform_fee for each answer, within its fee."
        platform_fees: Amount
        expected: Amount
        fees: Amount

    class ChargeExceedsAuthorization(Error):
        """A user is charged more than it has authorised this server for."""

        remedy: ClassVar[str] = "Leave its answers out, or ask the user to authorise more."
        user: AccountId
        charged: Amount
        remaining: Amount

    class AlreadySettled(Error):
        """This server has settled a batch with the same receipts before."""

        remedy: ClassVar[str] = "Every answer is settled once; settle the ones that follow."
        settled_at: BlockNumber

    # Calls

    @call(0, weight=weights.deposit)
    def deposit(self, user: Signed, amount: Positive[Amount]) -> None:
        """Put `amount` of the signer's free balance into escrow."""
        self.currency.hold(user, amount, ESCROW)
        self.unreserved[user] += amount
        self.emit(self.Deposited(user=user, amount=amount))

    @call(1, weight=weights.withdraw)
    def withdraw(self, user: Signed, amount: Positive[Amount]) -> None:
        """Take `amount` out of the signer's escrow, as far as no server's is reserved."""
        self._reserve(user, amount)
        self.currency.release(user, amount, ESCROW)
        self.emit(self.Withdrawn(user=user, amount=amount))

    @call(2, weight=weights.authorize)
    def authorize(self, user: Signed, server: AccountId, limit: Amount) -> None:
        """Let `server` charge the signer up to `limit` from now on, and reserve that much.

        The limit replaces what remains of the one before, which it cannot lower; it takes a
        revocation back.
        """
        self._require_server(server)
        remaining = self.authorizations[user, server].remaining
        if limit < remaining:
            raise self.LimitTooLow(limit=limit, remaining=remaining)
        self._reserve(user, limit - remaining)
        self.authorizations[user, server] = Authorization(remaining=limit)
        self.emit(self.Authorized(user=user, server=server, limit=limit))

    @call(3, weight=weights.revoke)
    def revoke(self, user: Signed, server: AccountId) -> None:
        """Ask for what is reserved for `server`; it has `revocation_blocks` to settle."""
        record = self.authorizations[user, server]
        if not record.remaining:
            raise self.NotAuthorized(server=server)
        if record.revoked_at is not None:
            raise self.AlreadyRevoked(revoked_at=record.revoked_at)
        height = self.block.height
        self.authorizations[user, server] = replace(record, revoked_at=height)
        reclaimable_at = height + self.revocation_blocks.get()
        self.emit(self.Revoked(user=user, server=server, reclaimable_at=reclaimable_at))

    @call(4, weight=weights.reclaim)
    def reclaim(self, user: Signed, server: AccountId) -> None:
        """Unreserve what is left of a revoked authorisation."""
        record = self.authorizations[user, server]
        if record.revoked_at is None:
            raise self.NotRevoked(server=server)
        reclaimable_at = record.revoked_at + self.revocation_blocks.get()
        if self.block.height < reclaimable_at:
            raise self.TooEarly(reclaimable_at=reclaimable_at)
        del self.authorizations[user, server]
        self.unreserved[user] += record.remaining
        self.emit(self.Reclaimed(user=user, server=server, amount=record.remaining))

    @call(5, weight=weights.register_server)
    def register_server(self, server: Signed) -> None:
        """Register the signer as a server, whom users can then authorise, or refill its bond."""
        missing = self.server_bond.get() - self.currency.held(server, BOND)
        if server in self.servers and missing <= 0:
            raise self.AlreadyRegistered(server=server)
        self.currency.hold(server, max(0, missing), BOND)
        self.servers[server] = self.block.height
        self.emit(self.ServerRegistered(server=server))

    @call(6, weight=weights.settle_batch)
    def settle_batch(
        self,
        server: Signed,
        model: Hash,
        receipts_root: Hash,
        receipts: Hash,
        answer_count: Positive[U32],
        fees: Amount,
        platform_fees: Amount,
        charges: Charges,
    ) -> None:
        """Charge users for a batch of answers and divide the fees, within their authorisations.

        `receipts_root` is the Merkle-sum root of the receipts, whose sum is `fees`; `receipts` the
        content hash of the blob that lists them.
        """
        self._require_server(server)
        self._require_bond(server)
        self._require_new(server, receipts_root)
        self.last_settled[server] = self.block.height
        record = self.models.model(model)
        self._check_fees(answer_count, fees, platform_fees)
        self._check_charges(model, record, charges, fees)
        for user, amount in charges:
            self._charge(user, server, amount)
        epoch = self.current_epoch(self.block.height)
        contributor_share = self._divide(record, server, model, epoch, fees, platform_fees)
        batch = self.next_batch[model, epoch]
        self.next_batch[model, epoch] = batch + 1
        self.batches[model, epoch, batch] = AnswerBatch(
            server=server,
            receipts_root=receipts_root,
            receipts=receipts,
            answer_count=answer_count,
            fees=fees,
            platform_fees=platform_fees,
            contributor_share=contributor_share,
            settled_at=self.block.height,
        )
        self.emit(
            self.BatchSettled(
                server=server,
                model=model,
                epoch=epoch,
                batch=batch,
                receipts_root=receipts_root,
                fees=fees,
            )
        )

    @call(7, weight=weights.leave)
    def leave(self, server: Signed) -> None:
        """Be no server any more, once nothing that the signer settled can be shown to be wrong."""
        self._require_server(server)
        earliest = (self.last_settled.get(server) or 0) + self.dispute_blocks.get()
        if server in self.last_settled and self.block.height < earliest:
            raise self.StillAnswerable(earliest=earliest)
        del self.servers[server]
        bond = self.currency.held(server, BOND)
        self.currency.release(server, bond, BOND)
        self.emit(self.ServerLeft(server=server, bond=bond))

    @call(8, weight=weights.show_fault)
    def show_fault(
        self,
        reporter: Signed,
        model: Hash,
        epoch: U32,
        batch: U32,
        receipt: InferenceReceipt,
        amount: Amount,
        path: SumPath,
    ) -> None:
        """Show that a settled receipt is wrong by itself: the user is paid out of the bond.

        `amount` is what the receipt is summed up with under the batch's root.
        """
        record = self.batches.get((model, epoch, batch))
        if record is None:
            raise self.UnknownBatch(batch=batch)
        if self.block.height >= record.settled_at + self.dispute_blocks.get():
            raise self.TooLate(settled_at=record.settled_at)
        self._check_path(record, receipt, amount, path)
        fault = fault_of(
            receipt, self.genesis_hash, model, record.server, amount, self.platform_fee,
            record.settled_at,
        )  # fmt: skip
        if fault is None or self.refunded[model, epoch, batch, path.index]:
            raise self.NothingWrong(leaf=path.index)
        self.refunded[model, epoch, batch, path.index] = True
        self._punish(record.server, receipt.user, reporter, amount, fault)

    # Helpers

    def current_epoch(self, height: int) -> int:
        """The epoch of a batch that is settled at `height`."""
        return self.pool.epoch_at(height)

    def _reserve(self, user: bytes, amount: int) -> None:
        """Take `amount` out of the unreserved escrow."""
        unreserved = self.unreserved[user]
        if unreserved < amount:
            raise self.EscrowTooLow(unreserved=unreserved, needed=amount)
        if amount:
            self.unreserved[user] = unreserved - amount

    def _require_server(self, server: bytes) -> None:
        if server not in self.servers:
            raise self.UnknownServer(server=server)

    def _require_bond(self, server: bytes) -> None:
        bond, least = self.currency.held(server, BOND), self.server_bond.get()
        if bond < least:
            raise self.BondTooLow(bond=bond, least=least)

    def _check_path(
        self, record: AnswerBatch, receipt: InferenceReceipt, amount: int, path: SumPath
    ) -> None:
        siblings = len(path.siblings)
        self.note_hashes(siblings + 3, siblings * _NODE_BYTES + _LEAF_AND_ROOT_BYTES)
        try:
            verify_sum(record.receipts_root, record.fees, receipt.encode(), amount, path)
        except InvalidProof as error:
            raise self.WrongPath(leaf=path.index) from error

    def _punish(
        self, server: bytes, user: bytes, reporter: bytes, charged: int, fault: str
    ) -> None:
        """Divide the penalty: the user first, then who showed the fault, then the treasury."""
        penalty = min(self.fault_penalty.get(), self.currency.held(server, BOND))
        refund = min(charged, penalty)
        reward = apply_ppb(penalty - refund, self.fault_reward_ppb.get())
        treasury = penalty - refund - reward
        for receiver, amount in ((user, refund), (reporter, reward), (TREASURY, treasury)):
            self.currency.move_held(server, amount, BOND, receiver)
        self.emit(self.AnswerRefunded(server, user, refund, reporter, reward, treasury, fault))

    def _require_new(self, server: bytes, receipts_root: bytes) -> None:
        """Refuse a batch that was settled before: a server may not know if its call got through."""
        settled_at = self.settled_roots.get((server, receipts_root))
        if settled_at is not None:
            raise self.AlreadySettled(settled_at=settled_at)
        self.settled_roots[server, receipts_root] = self.block.height

    def _check_fees(self, answer_count: int, fees: int, platform_fees: int) -> None:
        expected = answer_count * self.platform_fee
        if platform_fees != expected or platform_fees > fees:
            raise self.WrongPlatformFees(platform_fees=platform_fees, expected=expected, fees=fees)

    def _check_charges(self, model: bytes, record: Model, charges: Charges, fees: int) -> None:
        last = b""
        for user, _ in charges:
            if user <= last:
                raise self.ChargesNotInOrder(user=user)
            if not self.models.may_use(model, record, user):
                raise self.NotPublic(user=user)
            last = user
        charged = sum(amount for _, amount in charges)
        if charged != fees:
            raise self.ChargesDoNotAddUp(charged=charged, fees=fees)

    def _charge(self, user: bytes, server: bytes, amount: int) -> None:
        record = self.authorizations[user, server]
        if record.remaining < amount:
            raise self.ChargeExceedsAuthorization(
                user=user, charged=amount, remaining=record.remaining
            )
        if record.remaining == amount:
            del self.authorizations[user, server]
        else:
            self.authorizations[user, server] = replace(record, remaining=record.remaining - amount)
        self.currency.move_held(user, amount, ESCROW, self.account)

    def _divide(
        self,
        record: Model,
        server: bytes,
        model: bytes,
        epoch: int,
        fees: int,
        platform_fees: int,
    ) -> int:
        """Pay a batch's fees out of this pallet's account; return the contributors' part."""
        shares = record.shares
        weights = (
            shares.owner_ppb,
            shares.stakers_ppb,
            shares.worker_ppb,
            shares.contributors_ppb,
        )
        owner, stakers, worker, contributors = split_by_largest_remainder(
            fees - platform_fees, weights
        )
        payments = (
            (TREASURY, platform_fees),
            (record.owner, owner),
            (STAKERS, stakers),
            (server, worker),
            (self.pool.pool_account(), contributors),
        )
        for receiver, amount in payments:
            if amount:
                self.currency.move(self.account, receiver, amount)
        self.pool.fund(model, epoch, contributors)
        self.emit(
            self.FeesSplit(
                platform=platform_fees,
                owner=owner,
                stakers=stakers,
                worker=worker,
                contributors=contributors,
            )
        )
        return contributors
