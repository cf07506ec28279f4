"""What `Session` stores of sets and beacons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from runtime import U64, AccountId, BlockNumber, Hash, Max
from runtime.wire.validators import ValidatorSet

CANDIDATES_MAX = 512
"""The most candidates: twice what a set of validators can have."""

Candidates = Annotated[tuple[AccountId, ...], Max(CANDIDATES_MAX)]


@dataclass(frozen=True, slots=True)
class SetChange:
    """From which height on a set decides."""

    first_height: BlockNumber
    validators_hash: Hash


@dataclass(frozen=True, slots=True)
class KnownSet:
    """A set that decides, or did not long ago."""

    validators: ValidatorSet
    last_change: U64
    """The number of the last change to this set."""


@dataclass(frozen=True, slots=True)
class Beacon:
    """The beacon of a block."""

    height: BlockNumber
    value: Hash
