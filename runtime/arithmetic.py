"""Integer arithmetic of money: nothing is lost, and every rounding has a stated direction."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.errors import OpenLedgerError
from runtime.types import PPB

TOKENS_PER_PRICE = 1_000
"""Prices of answers are per this many tokens."""


class InvalidSplit(OpenLedgerError):
    """An amount cannot be divided by these weights."""


def split_by_largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Divide `total` in proportion to `weights`; the parts sum to `total` exactly.

    Every part is the exact quotient rounded down, plus 1 for the parts with the largest remainders
    (Hamilton's method); equal remainders go to the lower index.  Raises `InvalidSplit` for a
    negative total or weight, and when there is no positive weight.
    """
    if total < 0 or any(weight < 0 for weight in weights):
        raise InvalidSplit(
            "A negative amount or weight cannot be divided.",
            remedy="Clip weights at 0 before the division.",
        )
    whole = sum(weights)
    if whole == 0:
        raise InvalidSplit(
            f"{total} cannot be divided: all {len(weights)} weights are 0.",
            remedy="Decide who receives an amount that nobody earned before the division.",
        )
    parts = [total * weight // whole for weight in weights]
    remainders = [total * weight % whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: (-remainders[index], index))
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts


def mul_div_ceil(amount: int, numerator: int, denominator: int) -> int:
    """Return `amount * numerator / denominator` rounded up; none is negative."""
    return -(-amount * numerator // denominator)


def apply_ppb(amount: int, parts: int) -> int:
    """Return `parts` billionths of `amount`, rounded down."""
    return amount * parts // PPB


def answer_fee(
    input_tokens: int,
    output_tokens: int,
    input_per_1000: int,
    output_per_1000: int,
    platform_fee: int,
) -> int:
    """Return an answer's price in 10**-18 OPEN: its tokens, rounded up once, and the fee."""
    tokens_price = input_tokens * input_per_1000 + output_tokens * output_per_1000
    return mul_div_ceil(tokens_price, 1, TOKENS_PER_PRICE) + platform_fee
