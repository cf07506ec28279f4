"""The made-up runtime: blocks without content, and a state that is the hash of all of them.

Equal roots therefore mean equal chains.  The validators of the next height and the seed of its
leaders are functions of the root, as they are of the state in a real node.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from runtime.hashing import ZERO_HASH, hasher
from runtime.wire.validators import Validator, ValidatorSet

GENESIS_HASH = b"the genesis of a simulated chain"
_PREFIX = b"block"
_BLOCK = struct.Struct(">5sI32sHIB")

_hash_block = hasher(b"simulated block")
_hash_state = hasher(b"simulated state")


@dataclass(frozen=True, slots=True)
class Block:
    """A block: where it belongs, who built it, and whether executing it gives what it claims."""

    height: int
    parent_id: bytes
    builder: int
    """The place of the node in the network."""
    number: int
    """Tells the blocks of one builder apart."""
    valid: bool

    def encode(self) -> bytes:
        """The bytes that nodes send each other."""
        fields = (self.height, self.parent_id, self.builder, self.number, self.valid)
        return _BLOCK.pack(_PREFIX, *fields)

    @classmethod
    def decode(cls, data: bytes) -> Block | None:
        """The block of these bytes; `None` if they are none."""
        if len(data) != _BLOCK.size or not data.startswith(_PREFIX) or data[-1] > 1:
            return None
        _, height, parent_id, builder, number, valid = _BLOCK.unpack(data)
        return cls(height, parent_id, builder, number, bool(valid))


def identify(data: bytes) -> bytes | None:
    """The id of an encoded block; `None` for anything else."""
    is_block = len(data) == _BLOCK.size and data.startswith(_PREFIX) and data[-1] <= 1
    return _hash_block(data) if is_block else None


@dataclass(frozen=True, slots=True)
class Head:
    """The state after a block, with the validators of the next height."""

    height: int
    block_id: bytes
    root: bytes
    seed: bytes
    """Of the next height's leaders: the root before this block's (R0)."""
    validators: ValidatorSet


def genesis(validator_sets: tuple[ValidatorSet, ...]) -> Head:
    """The state of block 0."""
    return Head(0, GENESIS_HASH, ZERO_HASH, GENESIS_HASH, validator_sets[0])


def apply(head: Head, data: bytes, validator_sets: tuple[ValidatorSet, ...]) -> Head | None:
    """The state after a block; `None` if it does not belong there, or is invalid."""
    block = Block.decode(data)
    if block is None or not block.valid:
        return None
    if (block.height, block.parent_id) != (head.height + 1, head.block_id):
        return None
    block_id = _hash_block(data)
    root = _hash_state(head.root + block_id)
    validators = validator_sets[root[0] % len(validator_sets)]
    return Head(block.height, block_id, root, head.root, validators)


def validator(number: int, weight: int) -> Validator:
    """The validator of a node, whose keys are its name."""
    name = b"validator %03d" % number
    return Validator(
        account=name.ljust(32, b"."),
        weight=weight,
        vote_key=name.ljust(32, b"+"),
        bls_key=name.ljust(48, b"*"),
    )
