"""The small protocols by which pallets know each other, and nothing more.

They are injected where `genesis/` composes the runtime: `Models(currency=balances)`.
"""

from __future__ import annotations

from typing import Protocol

from runtime.wire.records import DatanetVersion, Model


class Currency(Protocol):
    """The native token, as other pallets may use it; `Balances` is the implementation."""

    def free_balance(self, account: bytes) -> int:
        """What `account` may spend, in units of 10**-18 OPEN."""

    def move(self, sender: bytes, receiver: bytes, amount: int) -> None:
        """Move free balance; raises `Balances.Insufficient`."""

    def hold(self, account: bytes, amount: int, reason: str) -> None:
        """Move free balance of `account` under a hold; raises `Balances.Insufficient`."""

    def release(self, account: bytes, amount: int, reason: str) -> None:
        """Give a hold, or a part of it, back to its account."""

    def move_held(self, account: bytes, amount: int, reason: str, receiver: bytes) -> None:
        """Pay a hold, or a part of it, to somebody else: a spent escrow or a slashed bond."""

    def held(self, account: bytes, reason: str) -> int:
        """How much of `account` is held for `reason`."""


class DatanetSource(Protocol):
    """Where `Compute` looks Datanet versions up; `Datanets` is the implementation."""

    def published_version(self, datanet: int, version: int) -> DatanetVersion:
        """The version's record; raises `Datanets.UnknownVersion`."""


class ModelRegistry(Protocol):
    """Where settled training jobs register adapters; `Models` is the implementation."""

    def has_base_model(self, base_model: bytes) -> bool:
        """Whether the base model's content hash is registered."""

    def register_adapter(
        self, adapter: bytes, owner: bytes, base_model: bytes, job: int, datanet: int, version: int
    ) -> None:
        """Register a private adapter; a known hash is left as it is."""

    def model(self, adapter: bytes) -> Model:
        """The adapter's record; raises `Models.UnknownModel`."""


class WorkerRegistry(Protocol):
    """Who may commit results; `Compute` is the implementation."""

    def require_bonded(self, worker: bytes) -> None:
        """Raise `Compute.NotBonded` unless `worker` holds its bond."""

    def keep_bond(self, worker: bytes, until: int) -> None:
        """The same, and the bond cannot be withdrawn before the height `until`."""


class ContributorPool(Protocol):
    """Where `Inference` puts the contributors' share; `Attribution` is the implementation."""

    def pool_account(self) -> bytes:
        """The account that keeps the unpaid contributor share."""

    def epoch_at(self, height: int) -> int:
        """The epoch of a height: those of one epoch are attributed together."""

    def fund(self, model: bytes, epoch: int, amount: int) -> None:
        """Note `amount`, already moved to `pool_account`, as the model's pool of the epoch."""
