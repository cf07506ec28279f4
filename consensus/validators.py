"""The validator set: who votes on a height, and with which weight."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from consensus.errors import InvalidValidatorSet
from runtime.codec import codec_of
from runtime.hashing import hash_validators
from runtime.types import U64, AccountId, Max, Positive

VALIDATORS_MAX = 256
"""The most validators of one set; a certificate's bitmap has one bit for each."""


@dataclass(frozen=True, slots=True)
class Validator:
    """One validator: the ed25519 key it votes with and its stake."""

    account: AccountId
    weight: Positive[U64]


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
        """Return the set of these bytes; raises `DecodeError` or `InvalidValidatorSet`."""
        return codec_of(ValidatorSet).decode(data)

    def encode(self) -> bytes:
        """The canonical bytes."""
        return codec_of(ValidatorSet).encode(self)

    def hash(self) -> bytes:
        """The 32 bytes by which headers name the set."""
        return hash_validators(self.encode())

    @property
    def quorum(self) -> int:
        """The least weight that decides: floor(2W/3) + 1 of the total weight W."""
        return 2 * sum(validator.weight for validator in self.validators) // 3 + 1

    def index_of(self, account: bytes) -> int | None:
        """Return the position of a validator in the set; `None` for anybody else."""
        for index, validator in enumerate(self.validators):
            if validator.account == account:
                return index
        return None
