"""Blocks for the index, without a chain."""

from __future__ import annotations

import pytest

from studio.chain.index import Index
from studio.chain.tables import BlockRow, EventRow, ExtrinsicRow, IndexedBlock

ALICE, BOB = "a1" * 32, "b0" * 32


def block(height: int, extrinsics: int = 1) -> IndexedBlock:
    """A block in which alice pays bob in every extrinsic."""
    rows = tuple(
        ExtrinsicRow(
            height,
            place,
            f"{height:032x}{place:032x}",
            ALICE,
            "Balances.transfer",
            ok=True,
            error_name="",
        )
        for place in range(extrinsics)
    )
    events = tuple(
        EventRow(
            height,
            place,
            place,
            "Balances.Transfer",
            {"sender": ALICE, "receiver": BOB, "amount": 10**20},
        )
        for place in range(extrinsics)
    )
    return IndexedBlock(
        BlockRow(height, f"{height:064x}", 1_000 * height, BOB, extrinsics, extrinsics),
        rows,
        events,
    )


@pytest.fixture
def index():
    """An index of twelve blocks of two extrinsics each."""
    with Index(None) as made:
        made.add(block(height, 2) for height in range(12))
        yield made
