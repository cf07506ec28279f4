"""The validator set: who votes on a height, with which keys and which weight.

The set is chosen by pallets, obeyed by consensus and proved to light clients; headers name it by
its hash.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.hashing import hash_validators
from runtime.types import OPEN, U64, AccountId, BlsPublicKey, Max, Positive, PublicKey

VALIDATORS_MAX = 256
"""The most validators of one set; a certificate's bitmap has one bit for each."""
SETS_MAX = 1_024
"""The most changes of the set that a chain remembers; few more for a moment."""
WEIGHT_UNIT = OPEN // 10**6
"""How much stake weighs 1, in 10**-18 OPEN."""


class InvalidValidatorSet(DecodeError):
    """Validators that do not form a set: unsorted, doubled, none or too many."""


@dataclass(frozen=True, slots=True)
class Validator:
    """One validator: whose stake it is, how much it weighs, and the keys it signs with."""

    account: AccountId
    weight: Positive[U64]
    vote_key: PublicKey
    """Ed25519; of votes and proposals."""
    bls_key: BlsPublicKey
    """BLS12-381; of the shares of commits and of the beacon."""


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """1 to 256 validators, strictly sorted by account: a set has one encoding and one hash."""

    validators: Annotated[tuple[Validator, ...], Max(VALIDATORS_MAX)]

    def __post_init__(self) -> None:
        """Raise `InvalidValidatorSet` unless the validators form a set."""
        count = len(self.validators)
        if not 1 <= count <= VALIDATORS_MAX:
            raise InvalidValidatorSet(
                f"A validator set has 1 to {VALIDATORS_MAX} validators, not {count}.",
                remedy="Correct the validators of the chain spec.",
            )
        for one, following in pairwise(self.validators):
            if one.account >= following.account:
                raise InvalidValidatorSet(
                    f"Validator {following.account.hex()} is doubled or not in order of accounts.",
                    remedy="List every validator once, sorted by account.",
                )

    @classmethod
    def decode(cls, data: bytes) -> ValidatorSet:
        """Return the set of these bytes; raises `DecodeError`."""
        return codec_of(ValidatorSet).decode(data)

    def encode(self) -> bytes:
        """The canonical bytes."""
        return codec_of(ValidatorSet).encode(self)

    def hash(self) -> bytes:
        """The 32 bytes by which headers name the set."""
        return hash_validators(self.encode())

    @property
    def total_weight(self) -> int:
        """The weight of all validators together."""
        return sum(validator.weight for validator in self.validators)

    @property
    def quorum(self) -> int:
        """The least weight that decides: floor(2W/3) + 1 of the total weight W."""
        return 2 * self.total_weight // 3 + 1

    def index_of(self, account: bytes) -> int | None:
        """Return the position of a validator in the set; `None` for anybody else."""
        for index, validator in enumerate(self.validators):
            if validator.account == account:
                return index
        return None
