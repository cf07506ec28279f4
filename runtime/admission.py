"""What may enter a block: heights, room, and who pays.

A block has limits by number, length and weight units of its extrinsics.  Of each, signed calls may
take three quarters; the rest is for operational ones, so that a flood of transfers never keeps the
chain from being run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from runtime.block import BLOCK_BYTES_MAX, BLOCK_EXTRINSICS_MAX, BLOCK_UNITS_MAX
from runtime.calls import CallDefinition
from runtime.errors import DefinitionError, InvalidTransaction
from runtime.extrinsic import CheckedExtrinsic
from runtime.fees import EXTRINSIC_UNITS, FeeSchedule
from runtime.weights import Weight

NORMAL_EXTRINSICS_MAX = BLOCK_EXTRINSICS_MAX * 3 // 4
"""The most extrinsics of one block that are not operational."""
NORMAL_BYTES_MAX = BLOCK_BYTES_MAX * 3 // 4
"""The most bytes of extrinsics before one that is not operational still enters."""
NORMAL_UNITS_MAX = BLOCK_UNITS_MAX * 3 // 4
"""The same in weight units."""


class AccountKeeper(Protocol):
    """What the runtime needs of its pallet named `Balances`: nonces, and who can pay."""

    def next_nonce(self, account: bytes) -> int:
        """The nonce that the account's next extrinsic must have."""

    def free_balance(self, account: bytes) -> int:
        """What the account may spend."""

    def admit(self, account: bytes, nonce: int, charge: int) -> None:
        """Use the nonce and take `charge`; raises `InvalidTransaction` and changes nothing."""

    def collect(self, charged: int, payments: Sequence[tuple[bytes, int]]) -> None:
        """At the end of a block: the charges are paid to these accounts, and the rest burns."""


class FeePolicy(Protocol):
    """What the runtime needs of its pallet named `Fees`, if there is one."""

    def schedule(self) -> FeeSchedule:
        """The prices of this block."""

    def settle(self, fees: int, tips: int, units: int) -> Sequence[tuple[bytes, int]]:
        """At the end of a block: return who is paid what, and set the next block's prices."""


class BlockFull(InvalidTransaction):
    """The block has no room for the extrinsic; a later one may have."""


class BlockSpace:
    """What the extrinsics of the block in progress have taken of its limits."""

    __slots__ = ("count", "size_bytes", "units")

    def __init__(self) -> None:
        self.count = 0
        self.size_bytes = 0
        self.units = 0

    def take(self, length_bytes: int, units: int, operational: bool) -> None:
        """Make room for one more extrinsic; raises `BlockFull`."""
        size_bytes = self.size_bytes + length_bytes
        total = self.units + units
        if operational:
            full = (
                self.count >= BLOCK_EXTRINSICS_MAX
                or size_bytes > BLOCK_BYTES_MAX
                or total > BLOCK_UNITS_MAX
            )
        else:
            full = (
                self.count >= NORMAL_EXTRINSICS_MAX
                or size_bytes > NORMAL_BYTES_MAX
                or total > NORMAL_UNITS_MAX
            )
        if full:
            raise block_full(self.count)
        self.count += 1
        self.size_bytes = size_bytes
        self.units = total

    def release(self, length_bytes: int, units: int) -> None:
        """Give the room of the extrinsic back that was made room for last."""
        self.count -= 1
        self.size_bytes -= length_bytes
        self.units -= units


def block_full(count: int) -> BlockFull:
    """The error of a block that takes no more than its `count` extrinsics."""
    message = f"The block is full at {count} extrinsics."
    return BlockFull(message, remedy="It fits into a later block.")


def check_weight(call: CallDefinition) -> None:
    """Raise `DefinitionError` for a call that no block has room for."""
    weight = call.weight
    limit = BLOCK_UNITS_MAX if call.operational else NORMAL_UNITS_MAX
    if isinstance(weight, Weight) and weight.units + EXTRINSIC_UNITS > limit:
        message = f"{call} weighs {weight.units} units, and a block takes {limit}."
        raise DefinitionError(message, remedy="Let one call do less.")


def check_era(extrinsic: CheckedExtrinsic, height: int) -> None:
    """Raise `InvalidTransaction` unless a block of `height` may include the extrinsic."""
    era = extrinsic.era
    if era is not None and not era.holds(height):
        message = (
            f"The extrinsic may enter from height {era.birth_height} for {era.period_blocks} "
            f"blocks, and this is height {height}."
        )
        raise InvalidTransaction(message, remedy="Sign it again with a new era.")


def wrong_nonce(given: int, expected: int) -> InvalidTransaction:
    """The error of an extrinsic whose nonce is not the account's next."""
    message = f"The extrinsic's nonce is {given}, and the account's next is {expected}."
    return InvalidTransaction(message, remedy=f"Sign it with nonce {expected}.")


def cannot_pay(charge: int, free: int) -> InvalidTransaction:
    """The error of an extrinsic whose signer has too little for fee and tip together."""
    message = f"The extrinsic's fee and tip are {charge}, and the account has {free} free."
    return InvalidTransaction(message, remedy="Send OPEN to the account, or lower the tip.")
