"""What `Disputes` stores."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from runtime import U32, AccountId, Amount, BlockNumber, Hash, Max
from runtime.wire.transcripts import EncodedLeaf, Split, Subtree
from runtime.wire.validators import VALIDATORS_MAX


class Turn(IntEnum):
    """Whose move it is."""

    SPLIT = 0
    """The worker's: to post the nodes below the disputed one."""
    PICK = 1
    """The challenger's: to name the first node that is wrong."""
    OPEN = 2
    """The worker's: to open the first wrong leaf, the one before, and the state between them."""
    JUDGE = 3
    """The validators': to compute the leaf."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute about one result."""

    challenger: AccountId
    worker: AccountId
    bond: Amount
    """The challenger's, held."""
    root: Hash
    leaf_count: U32
    subtree: Subtree
    """The part of the transcript's tree in which the first wrong leaf is, says the challenger."""
    expected: Hash
    """What the worker's nodes below it must hash to."""
    nodes: Split
    """What the worker posted in this round."""
    turn: Turn
    since: BlockNumber
    """The height of the last move."""
    worker_blocks: U32
    """What is left of the worker's clock."""
    challenger_blocks: U32


@dataclass(frozen=True, slots=True)
class OpenedStep:
    """What the validators judge: whether `before` leads to `after`."""

    index: U32
    """Of the leaf that is disputed."""
    before: EncodedLeaf | None
    """The leaf before, agreed by both; none where leaf 0 is disputed."""
    after: EncodedLeaf
    state: Hash | None
    """Content hash of the state that `before` commits to."""
    other: EncodedLeaf | None
    """Another leaf on whose state the disputed one depends, if it does."""
    other_state: Hash | None
    """Content hash of the state that `other` commits to."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """What a validator says."""

    validator: AccountId
    result: Hash


@dataclass(frozen=True, slots=True)
class Tally:
    """What validators have said so far of one question, each once."""

    validators_hash: Hash
    """The set that decides it."""
    given: Annotated[tuple[Attestation, ...], Max(VALIDATORS_MAX)] = ()
