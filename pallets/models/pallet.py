"""Base models and adapters by content hash: owner, lineage, who may use them, prices and shares.

Terms.  A *base model* is a directory named by its manifest hash.  Anybody proposes one with its
dimensions, by which work on it is priced.  Governance *admits* it once the validators hold its
files; only then jobs may name it, because every validator must be able to compute any of its steps.
An *adapter* is what a settled training job made; the chain registers it for the job's owner, with
the base model, the job and the Datanet version it came from.  Lineage never changes.  A private
model answers its owner and whom the owner *grants* it, for a deposit that comes back with the
grant; a public one everybody.  A *retired* model takes no new questions; what was asked before is
still settled and attributed.

Prices and shares change at once, for answers not settled yet too; what protects users is that a
server charges no more than they authorised, and what protects contributors, servers and stakers
are the bounds of every share.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pallets.models import weights
from pallets.models.types import BaseModel, ShareTerms, fault_of
from runtime import (
    OPEN,
    PPB,
    U32,
    AccountId,
    Amount,
    BlockNumber,
    Const,
    Error,
    Event,
    Hash,
    LongText,
    Map,
    Needs,
    Pallet,
    Parameter,
    Root,
    ShortText,
    Signed,
    Value,
    call,
)
from runtime.traits import Currency
from runtime.wire.records import Model, Prices, ShareInPpb, Shares
from runtime.wire.work import ModelShape, shape_fault

GRANT = "Models.grant"
"""Why an owner's balance is held."""


class Models(Pallet, index=21):
    """Registered base models and adapters."""

    # Needs and constants

    currency: Needs[Currency]

    default_prices: Const[Prices] = Prices(
        input_per_1000=OPEN // 10,
        output_per_1000=OPEN // 5,
    )
    """Of a new adapter, in 10**-18 OPEN."""

    # Storage, parameters first

    share_terms = Parameter[ShareTerms](
        ShareTerms(
            usual=Shares(300_000_000, 100_000_000, 200_000_000, 400_000_000),
            least=Shares(0, 50_000_000, 100_000_000, 200_000_000),
            most=Shares(500_000_000, 200_000_000, 500_000_000, 800_000_000),
        ),
        "How a new model's net fees are divided, and the bounds of each share, in billionths.",
        fault_of,
    )
    grant_deposit = Parameter[Amount](OPEN // 100, "Held for every account that may use a model.")
    base_models = Map[Hash, BaseModel]()
    models = Map[Hash, Model]()
    next_index = Value[U32](0)
    by_index = Map[U32, Hash]()
    grants = Map[tuple[Hash, AccountId], Amount]()
    """By model and account: the deposit that the owner gets back."""
    retired = Map[Hash, BlockNumber]()
    """Since when a model takes no new questions."""

    # Events

    class BaseRegistered(Event):
        """A base model was proposed."""

        base_model: Hash
        name: ShortText
        registrant: AccountId

    class BaseAdmitted(Event):
        """Jobs may name this base model; validators hold its files."""

        base_model: Hash

    class AdapterRegistered(Event):
        """A training job's result became a model, private until its owner publishes it."""

        model: Hash
        owner: AccountId
        job: U32

    class Published(Event):
        """Anybody may use the model."""

        model: Hash

    class Granted(Event):
        """An account may use a private model."""

        model: Hash
        account: AccountId
        deposit: Amount

    class GrantRevoked(Event):
        """An account may not use a private model any more, and the deposit is free."""

        model: Hash
        account: AccountId
        deposit: Amount

    class ModelRetired(Event):
        """A model takes no new questions from now on."""

        model: Hash

    class PriceSet(Event):
        """The owner set the model's prices."""

        model: Hash
        prices: Prices

    class SharesSet(Event):
        """The owner set how the net fee of an answer is divided."""

        model: Hash
        shares: Shares

    # Errors

    class UnknownModel(Error):
        """There is no such model."""

        remedy: ClassVar[str] = "Take the hash from Models.by_index; a job must be settled first."
        model: Hash

    class UnknownBase(Error):
        """Nobody has registered the base model."""

        remedy: ClassVar[str] = "Propose it with Models.register_base."
        base_model: Hash

    class AlreadyRegistered(Error):
        """The base model is registered already."""

        remedy: ClassVar[str] = "Have it admitted with Models.admit_base, if it is not."
        base_model: Hash

    class AlreadyAdmitted(Error):
        """The base model is admitted already."""

        remedy: ClassVar[str] = "Use it: jobs may name it."
        base_model: Hash

    class InvalidShape(Error):
        """No model has these dimensions."""

        remedy: ClassVar[str] = "Give the dimensions of the model's config.json."
        problem: LongText

    class NotOwner(Error):
        """Only the model's owner may do this."""

        remedy: ClassVar[str] = "Sign with the owner's key."
        owner: AccountId

    class AlreadyPublic(Error):
        """The model is public already."""

        remedy: ClassVar[str] = "Nothing is left to do; publishing cannot be undone."
        model: Hash

    class AlreadyGranted(Error):
        """The account may use the model already."""

        remedy: ClassVar[str] = "Nothing is left to do."
        account: AccountId

    class NotGranted(Error):
        """The account was not granted the model."""

        remedy: ClassVar[str] = "Read Models.grants for who was."
        account: AccountId

    class Retired(Error):
        """The model is retired."""

        remedy: ClassVar[str] = "Train or register another one; retiring cannot be undone."
        since: BlockNumber

    class SharesNotWhole(Error):
        """The four shares do not add up to 1,000,000,000 parts per billion."""

        remedy: ClassVar[str] = "Change one share by what is missing."
        total_ppb: Amount

    class ShareOutOfBounds(Error):
        """A share is outside the bounds that the chain allows."""

        remedy: ClassVar[str] = "Choose a share within its bounds."
        share: ShortText
        given_ppb: ShareInPpb
        least_ppb: ShareInPpb
        most_ppb: ShareInPpb

    # Calls

    @call(0, weight=weights.register_base)
    def register_base(
        self, registrant: Signed, content_hash: Hash, name: ShortText, shape: ModelShape
    ) -> None:
        """Propose a base model by the manifest hash of its files and its dimensions."""
        self._register_base(registrant, content_hash, name, shape)

    @call(7, weight=weights.admit_base)
    def admit_base(self, _origin: Root, content_hash: Hash) -> None:
        """Let jobs name a base model that was proposed: the validators hold its files."""
        record = self.base_models.get(content_hash)
        if record is None:
            raise self.UnknownBase(base_model=content_hash)
        if record.admitted_at is not None:
            raise self.AlreadyAdmitted(base_model=content_hash)
        self.base_models[content_hash] = replace(record, admitted_at=self.block.height)
        self.emit(self.BaseAdmitted(base_model=content_hash))

    @call(1, weight=weights.publish)
    def publish(self, owner: Signed, model: Hash) -> None:
        """Let everybody use the model, for good."""
        record = self._require_active(owner, model)
        if record.public:
            raise self.AlreadyPublic(model=model)
        self.models[model] = replace(record, public=True)
        self.emit(self.Published(model=model))

    @call(2, weight=weights.set_price)
    def set_price(
        self, owner: Signed, model: Hash, input_per_1000: Amount, output_per_1000: Amount
    ) -> None:
        """Set what 1,000 prompt tokens and 1,000 output tokens cost, in 10**-18 OPEN."""
        record = self._require_active(owner, model)
        prices = Prices(input_per_1000=input_per_1000, output_per_1000=output_per_1000)
        self.models[model] = replace(record, prices=prices)
        self.emit(self.PriceSet(model=model, prices=prices))

    @call(3, weight=weights.set_shares)
    def set_shares(
        self,
        owner: Signed,
        model: Hash,
        owner_ppb: ShareInPpb,
        stakers_ppb: ShareInPpb,
        worker_ppb: ShareInPpb,
        contributors_ppb: ShareInPpb,
    ) -> None:
        """Set how the net fee of an answer is divided, in parts per billion that add up to one."""
        record = self._require_owner(owner, model)
        shares = Shares(
            owner_ppb=owner_ppb,
            stakers_ppb=stakers_ppb,
            worker_ppb=worker_ppb,
            contributors_ppb=contributors_ppb,
        )
        self._check_shares(shares)
        self.models[model] = replace(record, shares=shares)
        self.emit(self.SharesSet(model=model, shares=shares))

    @call(4, weight=weights.grant)
    def grant(self, owner: Signed, model: Hash, account: AccountId) -> None:
        """Let `account` use a private model of the signer; holds a deposit."""
        record = self._require_active(owner, model)
        if record.public or (model, account) in self.grants:
            raise self.AlreadyGranted(account=account)
        deposit = self.grant_deposit.get()
        self.currency.hold(owner, deposit, GRANT)
        self.grants[model, account] = deposit
        self.emit(self.Granted(model=model, account=account, deposit=deposit))

    @call(5, weight=weights.revoke_grant)
    def revoke_grant(self, owner: Signed, model: Hash, account: AccountId) -> None:
        """Let `account` use a private model no more; the deposit is free again."""
        self._require_owner(owner, model)
        deposit = self.grants.get((model, account))
        if deposit is None:
            raise self.NotGranted(account=account)
        del self.grants[model, account]
        self.currency.release(owner, deposit, GRANT)
        self.emit(self.GrantRevoked(model=model, account=account, deposit=deposit))

    @call(6, weight=weights.retire)
    def retire(self, owner: Signed, model: Hash) -> None:
        """Let a model of the signer take no new questions, for good."""
        self._require_active(owner, model)
        self.retired[model] = self.block.height
        self.emit(self.ModelRetired(model=model))

    # Helpers: what genesis does

    def begin_with(self, content_hash: bytes, name: str, shape: ModelShape) -> None:
        """Admit a base model from block 0 on."""
        self._register_base(self.account, content_hash, name, shape)
        record = self.base_models[content_hash]
        self.base_models[content_hash] = replace(record, admitted_at=0)

    # Helpers: `ModelRegistry` for other pallets

    def admitted_shape(self, base_model: bytes) -> ModelShape | None:
        """The dimensions of a base model that jobs may name; None for any other."""
        record = self.base_models.get(base_model)
        return None if record is None or record.admitted_at is None else record.shape

    def register_adapter(
        self, adapter: bytes, owner: bytes, base_model: bytes, job: int, datanet: int, version: int
    ) -> None:
        """Register a private adapter; one that is known stays who registered it first's."""
        if adapter in self.models:
            return
        self.models[adapter] = Model(
            owner=owner,
            base_model=base_model,
            job=job,
            datanet=datanet,
            version=version,
            public=False,
            prices=self.default_prices,
            shares=self.share_terms.get().usual,
        )
        index = self.next_index.get()
        self.by_index[index] = adapter
        self.next_index.put(index + 1)
        self.emit(self.AdapterRegistered(model=adapter, owner=owner, job=job))

    def model(self, adapter: bytes) -> Model:
        """The adapter's record; raises `UnknownModel`."""
        record = self.models.get(adapter)
        if record is None:
            raise self.UnknownModel(model=adapter)
        return record

    def may_use(self, adapter: bytes, record: Model, account: bytes) -> bool:
        """Whether the model answers an account's questions, or did before it was retired."""
        return record.public or record.owner == account or (adapter, account) in self.grants

    # Helpers

    def _register_base(
        self, registrant: bytes, content_hash: bytes, name: str, shape: ModelShape
    ) -> None:
        if content_hash in self.base_models:
            raise self.AlreadyRegistered(base_model=content_hash)
        if problem := shape_fault(shape):
            raise self.InvalidShape(problem=problem)
        height = self.block.height
        self.base_models[content_hash] = BaseModel(name, registrant, height, shape)
        self.emit(self.BaseRegistered(base_model=content_hash, name=name, registrant=registrant))

    def _require_active(self, account: bytes, model: bytes) -> Model:
        record = self._require_owner(account, model)
        since = self.retired.get(model)
        if since is not None:
            raise self.Retired(since=since)
        return record

    def _require_owner(self, account: bytes, model: bytes) -> Model:
        record = self.model(model)
        if record.owner != account:
            raise self.NotOwner(owner=record.owner)
        return record

    def _check_shares(self, shares: Shares) -> None:
        terms = self.share_terms.get()
        least, most = terms.least, terms.most
        bounds = (
            ("owner_ppb", shares.owner_ppb, least.owner_ppb, most.owner_ppb),
            ("stakers_ppb", shares.stakers_ppb, least.stakers_ppb, most.stakers_ppb),
            ("worker_ppb", shares.worker_ppb, least.worker_ppb, most.worker_ppb),
            (
                "contributors_ppb",
                shares.contributors_ppb,
                least.contributors_ppb,
                most.contributors_ppb,
            ),
        )
        for name, given, low, high in bounds:
            if not low <= given <= high:
                raise self.ShareOutOfBounds(
                    share=name, given_ppb=given, least_ppb=low, most_ppb=high
                )
        total = sum(given for _, given, _, _ in bounds)
        if total != PPB:
            raise self.SharesNotWhole(total_ppb=total)
