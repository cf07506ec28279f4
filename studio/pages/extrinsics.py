"""Extrinsics: all of them, of one call if wanted, and one with what it did."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query
from markupsafe import Markup
from nicegui import ui

from studio.context import Studio
from studio.errors import ObjectMissing
from studio.frame import html, notice, page
from studio.live import live
from studio.parts import values
from studio.parts.fields import Fields
from studio.parts.lists import extrinsic_table
from studio.parts.tables import PAGE_ROWS, card, columns, crumbs, pager, table
from studio.parts.tags import link, tag
from studio.tabs import address

EXPORT_ROWS_MAX = 1_000


def register(studio: Studio) -> None:
    """Add the pages."""

    @address("/extrinsics")
    async def extrinsics(
        page_number: Annotated[int, Query(alias="page")] = 1, call: str = ""
    ) -> None:
        lead = "Everything that accounts asked the chain to do, and how it ended."
        async with page(studio, "Extrinsics", "/extrinsics", lead=lead):
            with ui.row().classes("items-end q-gutter-sm"):
                _call_filter(studio, call)
                ui.button(
                    "Export CSV", icon="download", on_click=lambda: _export(studio, call)
                ).props("outline")
            await live(studio, lambda: _list(studio, page_number, call))

    @address("/extrinsics/{digits}")
    async def extrinsic(digits: str) -> None:
        back = crumbs(("Extrinsics", "/extrinsics"))
        async with page(studio, f"Extrinsic {values.short(digits)}", "/extrinsics", crumbs=back):
            html(await _extrinsic(studio, digits))


def _call_filter(studio: Studio, call: str) -> None:
    calls = [
        f"{pallet}.{each['name']}"
        for pallet, described in studio.chain.state.pallets.items()
        for each in described["calls"]
    ]
    options = {"": "All calls"} | {each: each for each in calls}
    chosen = call if call in options else ""
    ui.select(
        options,
        value=chosen,
        label="Call",
        with_input=True,
        on_change=lambda event: ui.navigate.to(
            f"/extrinsics?call={event.value}" if event.value else "/extrinsics"
        ),
    ).props("outlined dense").style("width: 260px")


async def _list(studio: Studio, page_number: int, call: str) -> Markup:
    index = studio.chain.index
    wanted = {"call": call} if call else {}
    offset = (max(1, page_number) - 1) * PAGE_ROWS
    rows = await asyncio.to_thread(index.extrinsics, offset, PAGE_ROWS, **wanted)
    total = await asyncio.to_thread(index.extrinsic_count, **wanted)
    return card(
        call or "Latest extrinsics",
        extrinsic_table(studio, rows),
        pager(page_number, total, "/extrinsics", wanted),
        export=f"/export/extrinsics.json?{urlencode(wanted)}",
    )


async def _export(studio: Studio, call: str) -> None:
    wanted = {"call": call} if call else {}
    rows = await asyncio.to_thread(studio.chain.index.extrinsics, 0, EXPORT_ROWS_MAX, **wanted)
    lines = ["height,place,hash,signer,call,ok,error,time_ms"]
    lines += [
        f"{row.height},{row.place},{row.hash},{row.signer or ''},{row.call},{row.ok},"
        f"{row.error_name},{row.time_ms}"
        for row in rows
    ]
    ui.download.content("\n".join(lines) + "\n", "extrinsics.csv", "text/csv")


async def _extrinsic(studio: Studio, digits: str) -> Markup:
    rows = await asyncio.to_thread(studio.chain.index.extrinsics, 0, 1, hash=digits)
    if not rows:
        message = f"No block that is indexed here has the extrinsic {digits[:80]}."
        raise ObjectMissing(message, remedy="It may wait for a block: look again in a few seconds.")
    row = rows[0]
    block = await studio.chain.socket.call("chain_getBlock", row.height)
    view: dict[str, Any] = block["extrinsics"][row.place]
    fields = Fields(studio)
    failed = None if view["ok"] else notice(view["error"], view["remedy"], "bad")
    events = [
        (
            tag("span", f"{each['pallet']}.{each['name']}", class_="call"),
            fields.event(f"{each['pallet']}.{each['name']}", each["fields"]),
        )
        for each in view["events"]
    ]
    place = link(f"{values.number(row.height)}-{row.place}", f"/blocks/{row.height}")
    signer = view.get("signer")
    facts = values.facts(
        (
            "Result",
            values.badge("succeeded", "ok") if view["ok"] else values.badge("failed", "bad"),
        ),
        ("Block", place),
        ("When", values.when(row.time_ms)),
        ("Signer", studio.account(signer) if signer else "the block's proposer"),
        ("Hash", values.digest(row.hash)),
        *((("Nonce", str(view["nonce"])), ("Tip", values.amount(view["tip"]))) if signer else ()),
    )
    call = tag("div", values.call_name(view["call"]), class_="q-mb-sm")
    raw = json.dumps({"call": view["call"], "arguments": view["arguments"]}, indent=1)
    return tag(
        "div",
        failed,
        tag(
            "div",
            card("The call", call, fields.arguments(view["call"], view["arguments"])),
            card("What became of it", facts),
            class_="columns wide-left",
        ),
        card("Events", table(columns("Event", "What"), events, caption="Events")),
        card("As JSON", tag("pre", raw, class_="code", tabindex="0")),
        class_="stack",
    )
