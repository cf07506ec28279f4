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

A batch is divided to the last unit: platform fees to the treasury, net fees among the model's
owner, stakers, server and contributors by largest remainder.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pallets.inference import weights
from pallets.inference.types import Authorization, Charges
from pallets.pots import STAKERS, TREASURY
from runtime import (
    OPEN,
    U32,
    AccountId,
    Amount,
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
    Signed,
    call,
)
from runtime.arithmetic import split_by_largest_remainder
from runtime.traits import ContributorPool, Currency, ModelRegistry
from runtime.wire.records import AnswerBatch, Model

ESCROW = "Inference.escrow"
"""Why a user's balance is held."""


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
    unreserved = Map[AccountId, Amount](0)
    authorizations = Map[tuple[AccountId, AccountId], Authorization](Authorization())
    servers = Map[AccountId, BlockNumber]()
    next_batch = Map[tuple[Hash, U32], U32](0)
    batches = Map[tuple[Hash, U32, U32], AnswerBatch]()
    settled_roots = Map[tuple[AccountId, Hash], BlockNumber]()

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
        """Register the signer as a server, whom users can then authorise."""
        if server in self.servers:
            raise self.AlreadyRegistered(server=server)
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
        self._require_new(server, receipts_root)
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
