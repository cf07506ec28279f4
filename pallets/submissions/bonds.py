"""Bonds of submissions: how large they are, whose they are, and where they go."""

from __future__ import annotations

from pallets.pots import TREASURY
from runtime.traits import Currency, DatanetRegistry
from runtime.wire.datanets import SUBMISSION_RECORD_BYTES, Submission

BOND = "Submissions.bond"
"""Why a contributor's balance is held."""


def least(row_count: int, row_bond: int, size_bytes: int, byte_bond: int) -> int:
    """What answers for so many rows, and for every byte that is kept, in 10**-18 OPEN."""
    return row_count * row_bond + (SUBMISSION_RECORD_BYTES + size_bytes) * byte_bond


def move(
    currency: Currency,
    datanets: DatanetRegistry,
    place: tuple[int, Submission],
    amount: int,
    receiver: bytes,
) -> None:
    """Pay a part of a bond, which is the contributor's or the sponsor's, to somebody else.

    `place` is the Datanet's number with the submission.
    """
    datanet, record = place
    account, reason = record.contributor, BOND
    if record.sponsored:
        account, reason = datanets.sponsor_of(datanet)
    currency.move_held(account, amount, reason, receiver)


def pay_out(
    currency: Currency, datanets: DatanetRegistry, place: tuple[int, Submission], forfeited: int
) -> None:
    """Pay `forfeited` of a bond to the treasury and give the rest back to whoever bonded."""
    datanet, record = place
    move(currency, datanets, place, forfeited, TREASURY)
    rest = record.bond - forfeited
    if record.sponsored:
        datanets.return_to_sponsor(datanet, rest)
    else:
        currency.release(record.contributor, rest, BOND)
