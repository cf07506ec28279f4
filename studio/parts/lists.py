"""The lists that several pages show: blocks, extrinsics, events."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from studio.chain.tables import BlockRow, EventRow, ExtrinsicRow
from studio.context import Studio
from studio.parts import values
from studio.parts.fields import Fields
from studio.parts.tables import columns, table
from studio.parts.tags import Child, link, tag

BLOCK_HEADS = columns("Height", "When", "Proposer", "Extrinsics#", "Events#")
EXTRINSIC_HEADS = columns("Extrinsic", "Call", "Signer", "Result", "When")
EVENT_HEADS = columns("Event", "What", "Block", "When")


def block_table(studio: Studio, rows: Sequence[BlockRow]) -> Markup:
    """Blocks, one a row."""
    return table(
        BLOCK_HEADS,
        (
            (
                values.block_link(row.height),
                values.when(row.time_ms),
                studio.account(row.proposer),
                values.number(row.extrinsic_count),
                values.number(row.event_count),
            )
            for row in rows
        ),
        caption="Blocks, the newest first",
    )


def extrinsic_table(studio: Studio, rows: Sequence[ExtrinsicRow], empty: Child = None) -> Markup:
    """Extrinsics, one a row."""
    return table(
        EXTRINSIC_HEADS,
        (
            (
                link(f"{values.number(row.height)}-{row.place}", f"/extrinsics/{row.hash}"),
                values.call_name(row.call),
                studio.account(row.signer) if row.signer else "the proposer",
                outcome(row),
                values.when(row.time_ms),
            )
            for row in rows
        ),
        caption="Extrinsics, the newest first",
        empty=empty,
    )


def event_table(studio: Studio, rows: Sequence[EventRow], empty: Child = None) -> Markup:
    """Events with their fields, one a row."""
    fields = Fields(studio)
    return table(
        EVENT_HEADS,
        (
            (
                tag("span", row.name, class_="call"),
                fields.event(row.name, row.fields),
                values.block_link(row.height),
                values.when(row.time_ms),
            )
            for row in rows
        ),
        caption="Events, the newest first",
        empty=empty,
    )


def outcome(row: ExtrinsicRow) -> Markup:
    """How an extrinsic ended."""
    if row.ok:
        return values.badge("succeeded", "ok")
    return values.badge(row.error_name.partition(".")[2] or "failed", "bad")
