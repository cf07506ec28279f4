"""The small protocols by which pallets know each other, and nothing more.

They are injected where `genesis/` composes the runtime: `Models(currency=balances)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from runtime.calls import RuntimeCall
from runtime.wire.offences import Offence
from runtime.wire.records import DatanetVersion, Model
from runtime.wire.validators import ValidatorSet


class Currency(Protocol):
    """The native token, as other pallets may use it; `Balances` is the implementation."""

    def free_balance(self, account: bytes) -> int:
        """What `account` may spend, in units of 10**-18 OPEN: neither held nor locked."""

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


class LockableCurrency(Currency, Protocol):
    """A token whose owners can promise to keep it; `Balances` is the implementation."""

    def lockable_balance(self, account: bytes) -> int:
        """How much `account` can promise to keep: its free balance and its bonds."""

    def set_lock(self, account: bytes, amount: int, reason: str) -> None:
        """Let `account` keep at least `amount` for `reason`, in place of what was; 0 ends it.

        The largest lock counts.  Raises `Balances.TooManyLocks`.
        """


class Preimages(Protocol):
    """Calls by their hashes; `Preimage` is the implementation."""

    def call_of(self, call_hash: bytes) -> RuntimeCall:
        """The call of a hash; raises `Preimage.Unknown`."""

    def keep(self, call: RuntimeCall) -> bytes:
        """Request a call, which need not be noted; returns its hash."""

    def request(self, call_hash: bytes) -> None:
        """Let a call stay until `unrequest`; raises `Preimage.Unknown`."""

    def unrequest(self, call_hash: bytes) -> None:
        """Take a request back."""


class CallScheduler(Protocol):
    """What makes calls at a height; `Scheduler` is the implementation."""

    def require_schedulable(self, call_hash: bytes, track: str | None) -> None:
        """Raise what says that a call cannot be made, on behalf of a track or of the chain."""

    def has_room(self) -> bool:
        """Whether one more call can wait."""

    def schedule_named(self, name: str, height: int, call_hash: bytes, track: str | None) -> None:
        """Make a call at `height` or soon after; None: on behalf of the chain.

        Raises `Scheduler.Full`.
        """

    def cancel_named(self, name: str) -> None:
        """Give a call up that is not made yet; raises `Scheduler.UnknownTask`."""


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


class Stakes(Protocol):
    """The stake behind validators; `Staking` is the implementation."""

    def ranked(self) -> Sequence[tuple[bytes, int]]:
        """The candidates with their bonds, in the order in which they are elected."""

    def note_session(self, ends_at: int) -> None:
        """The bonds of this moment were elected, and decide up to the height `ends_at`."""

    def answerable_blocks(self) -> int:
        """How long the stake behind a vote can be slashed: no older evidence counts."""

    def slash(self, account: bytes, amount: int, receiver: bytes) -> int:
        """Pay up to `amount` of a stake to `receiver`; returns how much there was to pay."""

    def jail(self, account: bytes, until: int) -> None:
        """Keep an account out of elections at least up to the height `until`."""


class ValidatorSets(Protocol):
    """Who decides which height; `Session` is the implementation."""

    def known_set(self, validators_hash: bytes) -> ValidatorSet | None:
        """A set that decided heights not long ago; None for any other."""

    def hash_at(self, height: int) -> bytes | None:
        """The hash of the set that decides a height, if nothing changes before; None: forgotten."""

    def validator_count(self) -> int:
        """How many validators decide the next height."""

    def expel(self, accounts: Sequence[bytes]) -> None:
        """Take validators out of the set that decides the next height."""


class Randomness(Protocol):
    """Beacons of the last heights; `Session` is the implementation."""

    def beacon_after(self, height: int) -> bytes:
        """What nobody knew at a height, 32 bytes; raises `Session.BeaconUnknown`."""


class BlsVerifier(Protocol):
    """The BLS12-381 signatures of validators; a backend of `consensus.bls` is one."""

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Whether a signature (96 bytes) of a key (48 bytes) holds; never raises."""

    def verify_possession(self, public_key: bytes, proof: bytes) -> bool:
        """Whether the proof shows that somebody has the secret of the key; never raises."""


class EvidenceVerifier(Protocol):
    """What can tell whether a validator broke the rules of consensus."""

    def __call__(
        self,
        evidence: bytes,
        genesis_hash: bytes,
        known_set: Callable[[bytes], ValidatorSet | None],
    ) -> Offence | None:
        """The offence that the bytes prove under a set that `known_set` finds by its hash."""
