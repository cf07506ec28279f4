"""What an extrinsic costs its signer, beside the tip.

    fee = base + bytes * per_byte + units * per_unit

`units` is the scalar of the declared weight (`runtime.weights`), to which the checks that every
extrinsic needs are added.  A schedule holds for one block; its `per_unit` has the congestion
multiplier in it.
"""

from __future__ import annotations

from dataclasses import dataclass

EXTRINSIC_UNITS = 80_000
"""Weight units of every signed extrinsic beside its call: signature, decoding, nonce, roots."""


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """The prices of one block, in 10**-18 OPEN."""

    base: int
    per_byte: int
    per_unit: int

    def fee(self, length_bytes: int, units: int) -> int:
        """The fee of an extrinsic of this length whose call has so many weight units."""
        return self.base + length_bytes * self.per_byte + units * self.per_unit


FREE = FeeSchedule(0, 0, 0)
"""The schedule of a runtime without a pallet named Fees."""
