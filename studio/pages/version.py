"""A version of a Datanet, row by row: what joined, what left, what was replaced by what."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from markupsafe import Markup

from node.errors import ContentError
from runtime.wire.datanets import RowChange
from runtime.wire.rows import RowRecord
from studio.chain import datanets
from studio.context import Studio
from studio.errors import ObjectMissing
from studio.frame import html, page
from studio.parts import values
from studio.parts.tables import PAGE_ROWS, card, columns, crumbs, pager, table, tiles
from studio.parts.tags import Child, link, tag
from studio.tabs import address

NOBODY = bytes(32)


def register(studio: Studio) -> None:
    """Add the page."""

    @address("/datanets/{number}/versions/{version}")
    async def one(
        number: int, version: int, page_number: Annotated[int, Query(alias="page")] = 1
    ) -> None:
        back = crumbs(("Datanets", "/datanets"), (f"Datanet {number}", f"/datanets/{number}"))
        title = f"Version {version}"
        lead = "What differs from the version before; anybody can check it against the Merkle root."
        async with page(studio, title, "/datanets", lead=lead, crumbs=back):
            html(await _difference(studio, number, version, page_number))


async def _difference(studio: Studio, number: int, version: int, page_number: int) -> Markup:
    state = studio.chain.state
    found = await state.read("Datanets", "versions", number, version)
    notes = await state.read("Datanets", "notes", number, version)
    if found is None or notes is None:
        message = f"Datanet {number} has no version {version}."
        raise ObjectMissing(message, remedy="The Datanet's page has all of them.")
    figures = tiles(
        ("Rows", values.number(found.row_count), "in this version"),
        ("Added", values.number(notes.joined), "since the version before"),
        ("Removed", values.number(notes.left), "withdrawn, or taken out by a panel"),
        ("Published in block", values.block_link(found.published_at), None),
    )
    try:
        shown = await _changes(studio, number, version, notes, page_number)
    except ContentError as error:
        shown = card("Row by row", tag("div", str(error), class_="empty"))
    return tag("div", figures, shown, class_="stack")


async def _changes(
    studio: Studio, number: int, version: int, notes: Any, page_number: int
) -> Markup:
    """One page of the changes, those that left first."""
    changes = await studio.contents.items(notes.changes, RowChange)
    ordered = sorted(changes, key=lambda each: each.joined)
    start = (max(1, page_number) - 1) * PAGE_ROWS
    some = ordered[start : start + PAGE_ROWS]
    entries = await datanets.submissions(studio.chain.state, number)
    by_submission = {entry.key[1]: entry.value.contributor for entry in entries}
    # The record of a submission that lost all of its rows may be gone.
    owners = [by_submission.get(each.submission, NOBODY) for each in some]
    wanted = [
        RowRecord(each.row_hash, owner, each.submission, each.index)
        for each, owner in zip(some, owners, strict=True)
    ]
    texts = {
        each.row_hash: f"{each.row.prompt[:200]} → {each.row.completion[:300]}"
        for each in await datanets.rows_of(studio.contents, entries, wanted)
    }
    places = [(number, each.submission, each.index) for each in some]
    replaced = await studio.chain.state.read_many("DataRights", "tombstones", places)
    rows = [
        (
            values.badge("added", "ok") if each.joined else values.badge("removed", "bad"),
            texts.get(each.row_hash, "not stored here"),
            studio.account(owner.hex()),
            link(f"#{each.submission}", f"/datanets/{number}/submissions/{each.submission}"),
            _why(number, each, replacement),
        )
        for each, owner, replacement in zip(some, owners, replaced, strict=True)
    ]
    heads = columns("", "Row", "Contributor", "Submission", "Why")
    return card(
        "Row by row",
        table(heads, rows, caption="Changed rows", empty="No row differs."),
        pager(page_number, len(ordered), f"/datanets/{number}/versions/{version}"),
    )


def _why(number: int, change: RowChange, replacement: int | None) -> Child:
    if change.joined or replacement is None:
        return change.reason
    href = f"/datanets/{number}/submissions/{replacement}"
    return tag("span", f"{change.reason}, replaced by ", link(f"submission #{replacement}", href))
