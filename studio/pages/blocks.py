"""Blocks: all of them, and one with its extrinsics and events."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Query
from markupsafe import Markup

from studio.context import Studio
from studio.errors import ObjectMissing
from studio.frame import html, page
from studio.live import live
from studio.parts import values
from studio.parts.fields import Fields
from studio.parts.lists import block_table, extrinsic_table
from studio.parts.tables import PAGE_ROWS, card, columns, crumbs, pager, table
from studio.parts.tags import tag
from studio.tabs import address


def register(studio: Studio) -> None:
    """Add the pages."""

    @address("/blocks")
    async def blocks(page_number: Annotated[int, Query(alias="page")] = 1) -> None:
        lead = "Every block here is final: two thirds of the stake signed it."
        async with page(studio, "Blocks", "/blocks", lead=lead):
            await live(studio, lambda: _list(studio, page_number))

    @address("/blocks/{block}")
    async def block(block: str) -> None:
        title = f"Block {int(block):,}" if block.isdecimal() else "Block"
        back = crumbs(("Blocks", "/blocks"))
        async with page(studio, title, "/blocks", crumbs=back):
            html(await _block(studio, block))


async def _list(studio: Studio, page_number: int) -> Markup:
    index = studio.chain.index
    offset = (max(1, page_number) - 1) * PAGE_ROWS
    rows, total = await asyncio.gather(
        asyncio.to_thread(index.blocks, offset, PAGE_ROWS), asyncio.to_thread(index.block_count)
    )
    return card(
        "Latest blocks",
        block_table(studio, rows),
        pager(page_number, total, "/blocks"),
        export="/export/blocks.json",
    )


async def _block(studio: Studio, block: str) -> Markup:
    index = studio.chain.index
    height = int(block) if block.isdecimal() else await asyncio.to_thread(index.block_height, block)
    if height is None:
        raise ObjectMissing(f"There is no block {block[:80]}.", remedy="Search by another height.")
    view = await studio.chain.socket.call("chain_getBlock", height)
    events = await asyncio.to_thread(index.block_events, height)
    extrinsics = await asyncio.to_thread(index.block_extrinsics, height)
    fields = Fields(studio)
    rows = [
        (
            "hooks" if event.extrinsic_index is None else f"{height}-{event.extrinsic_index}",
            tag("span", event.name, class_="call"),
            fields.event(event.name, event.fields),
        )
        for event in events
    ]
    return tag(
        "div",
        card("What it says", _facts(studio, view), note=_neighbours(studio, height)),
        card("Extrinsics", extrinsic_table(studio, extrinsics, "No extrinsic is in this block.")),
        card(
            "Events",
            table(
                columns("By", "Event", "What"),
                rows,
                caption="Events",
                empty="No event is in this block.",
            ),
        ),
        class_="stack",
    )


def _facts(studio: Studio, view: dict[str, object]) -> Markup:
    header = view["header"]
    if not isinstance(header, dict):
        raise ObjectMissing("The block has no header.", remedy="Ask another node.")
    return values.facts(
        ("Made", values.when(int(header["time_ms"]))),
        ("Proposer", studio.account(str(header["proposer"]))),
        ("Id", values.digest(str(view["id"]))),
        ("Parent", values.digest(str(header["parent_hash"]), f"/blocks/{header['parent_hash']}")),
        ("State root", values.digest(str(header["state_root"]))),
        ("Spec version", values.number(int(header["spec_version"]))),
        ("Finality", values.badge("final", "ok")),
    )


def _neighbours(studio: Studio, height: int) -> Markup:
    before = tag("a", "Before", href=f"/blocks/{height - 1}") if height else None
    after = tag("a", "Next", href=f"/blocks/{height + 1}") if height < studio.chain.height else None
    return tag("span", before, " · " if before else None, after)
