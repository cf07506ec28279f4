"""Base models and adapters by content hash: owner, lineage, visibility, prices and shares.

Terms.  A *base model* is a directory named by its manifest hash; anybody registers one, since the
hash says all that matters.  An *adapter* is what a settled training job made; the chain registers
it for the job's owner, with the base model, the job and the Datanet version it came from.  Lineage
never changes.

Prices and shares change at once, for answers not settled yet too; what protects users is that a
server charges no more than they authorised, and what protects contributors, servers and stakers
are the bounds of every share.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pallets.models import weights
from pallets.models.types import BaseModel
from runtime import (
    OPEN,
    PPB,
    U32,
    AccountId,
    Amount,
    Const,
    Error,
    Event,
    Hash,
    Map,
    Pallet,
    ShortText,
    Signed,
    Value,
    call,
)
from runtime.wire.records import Model, Prices, ShareInPpb, Shares


class Models(Pallet, index=21):
    """Registered base models and adapters."""

    # Constants

    default_prices: Const[Prices] = Prices(
        input_per_1000=OPEN // 10,
        output_per_1000=OPEN // 5,
    )
    """Of a new adapter, in 10**-18 OPEN."""
    default_shares: Const[Shares] = Shares(
        owner_ppb=300_000_000,
        stakers_ppb=100_000_000,
        worker_ppb=200_000_000,
        contributors_ppb=400_000_000,
    )
    shares_min: Const[Shares] = Shares(
        owner_ppb=0,
        stakers_ppb=50_000_000,
        worker_ppb=100_000_000,
        contributors_ppb=200_000_000,
    )
    """The least that each may be given."""
    shares_max: Const[Shares] = Shares(
        owner_ppb=500_000_000,
        stakers_ppb=200_000_000,
        worker_ppb=500_000_000,
        contributors_ppb=800_000_000,
    )
    """The most that each may be given."""

    # Storage

    base_models = Map[Hash, BaseModel]()
    models = Map[Hash, Model]()
    next_index = Value[U32](0)
    by_index = Map[U32, Hash]()

    # Events

    class BaseRegistered(Event):
        """Adapters of this base model may be trained."""

        base_model: Hash
        name: ShortText
        registrant: AccountId

    class AdapterRegistered(Event):
        """A training job's result became a model, private until its owner publishes it."""

        model: Hash
        owner: AccountId
        job: U32

    class Published(Event):
        """Anybody may use the model."""

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

    class AlreadyRegistered(Error):
        """The base model is registered already."""

        remedy: ClassVar[str] = "Use it: the hash names the same files."
        base_model: Hash

    class NotOwner(Error):
        """Only the model's owner may do this."""

        remedy: ClassVar[str] = "Sign with the owner's key."
        owner: AccountId

    class AlreadyPublic(Error):
        """The model is public already."""

        remedy: ClassVar[str] = "Nothing is left to do; publishing cannot be undone."
        model: Hash

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
    def register_base(self, registrant: Signed, content_hash: Hash, name: ShortText) -> None:
        """Register a base model by the manifest hash of its files."""
        if content_hash in self.base_models:
            raise self.AlreadyRegistered(base_model=content_hash)
        self.base_models[content_hash] = BaseModel(
            name=name, registrant=registrant, registered_at=self.block.height
        )
        self.emit(self.BaseRegistered(base_model=content_hash, name=name, registrant=registrant))

    @call(1, weight=weights.publish)
    def publish(self, owner: Signed, model: Hash) -> None:
        """Let everybody use the model, for good."""
        record = self._require_owner(owner, model)
        if record.public:
            raise self.AlreadyPublic(model=model)
        self.models[model] = replace(record, public=True)
        self.emit(self.Published(model=model))

    @call(2, weight=weights.set_price)
    def set_price(
        self, owner: Signed, model: Hash, input_per_1000: Amount, output_per_1000: Amount
    ) -> None:
        """Set what 1,000 prompt tokens and 1,000 output tokens cost, in 10**-18 OPEN."""
        record = self._require_owner(owner, model)
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

    # Helpers: `ModelRegistry` for other pallets

    def has_base_model(self, base_model: bytes) -> bool:
        """Whether the base model's content hash is registered."""
        return base_model in self.base_models

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
            shares=self.default_shares,
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

    # Helpers

    def _require_owner(self, account: bytes, model: bytes) -> Model:
        record = self.model(model)
        if record.owner != account:
            raise self.NotOwner(owner=record.owner)
        return record

    def _check_shares(self, shares: Shares) -> None:
        least, most = self.shares_min, self.shares_max
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
